"""The models of density.py: encoders, decoders and priors."""

import keras
import numpy as np
import tensorflow as tf

from tfcvae import layers, networks, priors

LATENTS = 40
UNITS = 300
NUM_EXAMPLES = 50_000
SHAPE = (28, 28, 1)
MAIN = ("standard_normal", "mixture", "vamp", "maf")
BEST = ("maf_iwae", "conv", "deep_conv_iwae")
SLOW = ("second_stage", "two_stage", "conv", "deep_conv_iwae")
"""Models whose density is itself an estimate, or takes long."""


@keras.saving.register_keras_serializable("benchmarks")
class Gated(keras.layers.Layer):
    """A dense layer, each unit times the sigmoid of another."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = keras.layers.Dense(2 * units)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        units, gates = tf.split(self.dense(inputs), 2, axis=-1)
        return units * tf.sigmoid(gates)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def network():
    return keras.Sequential([keras.layers.Flatten(), Gated(UNITS), Gated(UNITS)])


def normal():
    return layers.IndependentNormal(LATENTS, network=network())


def bernoulli():
    return layers.IndependentBernoulli(SHAPE, network=network())


def flow(kind=priors.MAF):
    return kind(LATENTS, 5, (128, 128))


def vamp(images):
    start = images[np.random.default_rng(0).choice(len(images), 500, replace=False)]
    return priors.VampPrior(LATENTS, 500, pseudo_inputs=start)


def conv_normal():
    encoder = networks.conv_encoder((32, 64, 64), units=(300,), activation="swish")
    return layers.IndependentNormal(LATENTS, network=encoder)


def conv_bernoulli():
    decoder = networks.conv_decoder(SHAPE[:2], (64, 32), activation="swish")
    return layers.IndependentBernoulli(SHAPE, network=decoder)


def deep_conv_bernoulli():
    """Two dense layers, then convolutions that are mostly at half the resolution."""
    same = {"padding": "same", "activation": "swish"}
    decoder = [
        keras.layers.Flatten(),
        Gated(UNITS),
        keras.layers.Dense(7 * 7 * 64, "swish"),
        keras.layers.Reshape((7, 7, 64)),
        keras.layers.Conv2DTranspose(64, 3, 2, **same),
        keras.layers.Conv2D(64, 3, **same),
        keras.layers.Conv2DTranspose(8, 4, 2, **same),
    ]
    return layers.IndependentBernoulli(SHAPE, network=keras.Sequential(decoder))


def parts_of(name, images):
    """Encoder, decoder, prior and further arguments of a model."""
    flows = {
        "maf": priors.MAF,
        "iaf": priors.IAF,
        "real_nvp": priors.RealNVP,
        "nsf": priors.NeuralSplineFlow,
    }
    if name in flows:
        return normal(), bernoulli(), flow(flows[name]), {}
    simple = {
        "standard_normal": lambda: priors.StandardNormal(LATENTS),
        "learned_normal": lambda: priors.LearnedNormal(LATENTS),
        "full_normal": lambda: priors.LearnedNormal(LATENTS, covariance="full"),
        "bayesian_normal": lambda: priors.BayesianNormal(LATENTS, NUM_EXAMPLES),
        "mixture": lambda: priors.GaussianMixture(LATENTS, 200),
        "full_mixture": lambda: priors.GaussianMixture(LATENTS, 32, covariance="full"),
        "vamp": lambda: vamp(images),
        "second_stage": lambda: priors.SecondStage(LATENTS, hidden_units=(300, 300)),
    }
    if name in simple:
        return normal(), bernoulli(), simple[name](), {}
    if name in ("iaf_posterior", "both_flows"):
        prior = flow() if name == "both_flows" else None
        return layers.FlowPosterior(normal(), 2, (300,)), bernoulli(), prior, {}
    if name == "conv":
        return layers.FlowPosterior(conv_normal(), 2, (300,)), conv_bernoulli(), flow(), {}
    if name == "deep_conv":
        return conv_normal(), deep_conv_bernoulli(), flow(), {}
    if name == "iwae":
        return normal(), bernoulli(), None, {"num_samples": 10, "importance_weighted": True}
    raise ValueError(f"There is no model of that name. Received: {name}")


MODELS = (
    "standard_normal",
    "vamp",
    "maf",
    "mixture",
    "real_nvp",
    "nsf",
    "learned_normal",
    "full_normal",
    "bayesian_normal",
    "full_mixture",
    "second_stage",
    "two_stage",
    "iaf_posterior",
    "iwae",
    "maf_iwae",
    "iaf",
    "both_flows",
    "conv",
    "deep_conv_iwae",
)
