"""The table that the contract tests run over: a new class is one line here."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfcvae
from tfcvae import bijectors, layers, networks, priors, regularizers, schedules
from tfcvae.networks.base import JointDense

tfd = tfp.distributions

ROWS = 6
RNG = np.random.default_rng(0)


class Case(NamedTuple):
    """A constructor without arguments, and what the layer that it makes is called with."""

    make: Any
    inputs: Any = None
    event_shape: tuple = ()


def vectors(size):
    return RNG.normal(size=(ROWS, size)).astype("float32")


def images(channels):
    return RNG.uniform(size=(ROWS, 4, 3, channels)).astype("float32")


X, Z, IMAGES = vectors(4), vectors(2), images(2)
LABELS = RNG.integers(0, 3, ROWS)
LABELS[0] = 2


def mlp(units=(4,), num_classes=None):
    return networks.mlp(list(units), activation="tanh", num_classes=num_classes)


def keeps_space():
    return keras.layers.Conv2D(3, 3, padding="same", activation="tanh")


def two_inputs():
    """A user's own functional model of (x, z)."""
    x, z = keras.Input((4,)), keras.Input((2,))
    h = keras.layers.Concatenate()([x, z])
    return keras.Model((x, z), keras.layers.Dense(4, "tanh")(h))


@keras.saving.register_keras_serializable("tests")
def laplace(features):
    return tfd.Independent(tfd.Laplace(features, 1.0), 1)


@keras.saving.register_keras_serializable("tests")
def uniform_latents():
    return tfd.Independent(tfd.Uniform([-1.0, -1.0, -1.0], 1.0), 1)


@keras.saving.register_keras_serializable("tests")
def joint_posterior(kernel_size, bias_size, dtype):
    return priors.LearnedNormal(kernel_size + bias_size, covariance="full")


@keras.saving.register_keras_serializable("tests")
def joint_prior(kernel_size, bias_size, dtype):
    return priors.StandardNormal(kernel_size + bias_size)


LAYERS = {
    # The projection of features, of inputs and of several inputs.
    "normal": Case(lambda: layers.IndependentNormal(3, mlp()), X, (3,)),
    "normal_shared": Case(lambda: layers.IndependentNormal(3, mlp(), scale="shared"), X, (3,)),
    "normal_known": Case(lambda: layers.IndependentNormal(3, mlp(), scale=0.5), X, (3,)),
    "normal_without_network": Case(lambda: layers.IndependentNormal(3), X, (3,)),
    "normal_two_inputs": Case(lambda: layers.IndependentNormal((2, 2), mlp()), (X, Z), (2, 2)),
    "normal_two_inputs_concatenated": Case(lambda: layers.IndependentNormal(3), (X, Z), (3,)),
    "normal_functional": Case(lambda: layers.IndependentNormal(3, two_inputs()), (X, Z), (3,)),
    "normal_labels": Case(lambda: layers.IndependentNormal(3, mlp(num_classes=3)), LABELS, (3,)),
    "normal_label_and_z": Case(
        lambda: layers.IndependentNormal(3, mlp(num_classes=3)), (LABELS, Z), (3,)
    ),
    "normal_sequential": Case(
        lambda: layers.IndependentNormal(
            3, keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4, "tanh")])
        ),
        IMAGES,
        (3,),
    ),
    "normal_keeps_space": Case(
        lambda: layers.IndependentNormal((4, 3, 2), keeps_space()), IMAGES, (4, 3, 2)
    ),
    "normal_shared_keeps_space": Case(
        lambda: layers.IndependentNormal((4, 3, 1), keeps_space(), scale="shared"),
        IMAGES,
        (4, 3, 1),
    ),
    "normal_image_to_vector": Case(
        lambda: layers.IndependentNormal(2, networks.conv_encoder((3,), activation="tanh")),
        IMAGES,
        (2,),
    ),
    "tril": Case(lambda: layers.MultivariateNormalTriL(3, mlp()), X, (3,)),
    "bernoulli": Case(lambda: layers.IndependentBernoulli(5, mlp()), X, (5,)),
    "bernoulli_image": Case(
        lambda: layers.IndependentBernoulli(
            (5, 3, 1), networks.conv_decoder((5, 3), (3, 2), activation="tanh")
        ),
        X,
        (5, 3, 1),
    ),
    "continuous_bernoulli": Case(
        lambda: layers.IndependentContinuousBernoulli((2, 2), mlp()), X, (2, 2)
    ),
    "logistic": Case(lambda: layers.IndependentLogistic(3, mlp()), X, (3,)),
    "quantized_logistic": Case(lambda: layers.IndependentQuantizedLogistic(3, mlp()), X, (3,)),
    "categorical": Case(lambda: layers.OneHotCategorical(3, mlp()), X, (3,)),
    "categorical_pixels": Case(
        lambda: layers.OneHotCategorical((4, 3, 3), keeps_space()), IMAGES, (4, 3, 3)
    ),
    "multi_scale": Case(
        lambda: layers.MultiScale(layers.IndependentBernoulli((4, 3, 1), keeps_space())),
        IMAGES,
        (4, 3, 1),
    ),
    "multi_scale_flat": Case(
        lambda: layers.MultiScale(
            layers.IndependentNormal((4, 3, 1), mlp(), scale="shared"), (0.5,), (2,)
        ),
        X,
        (4, 3, 1),
    ),
    "multi_scale_trunk": Case(
        lambda: layers.MultiScale(
            layers.OneHotCategorical((4, 3, 2), networks.unet((2, 3), (3,), activation="tanh")),
            (0.25, 0.5, 1.0),
        ),
        (IMAGES, Z),
        (4, 3, 2),
    ),
    "lambda": Case(
        lambda: layers.DistributionLambda(laplace, 3, network=keras.layers.Dense(3)), X, (3,)
    ),
    # The weightless layers over raw parameters.
    "raw_normal": Case(lambda: layers.IndependentNormal(2, projection=False), X, (2,)),
    "raw_normal_known": Case(
        lambda: layers.IndependentNormal(4, scale=2, projection=False), X, (4,)
    ),
    "raw_normal_shared": Case(
        lambda: layers.IndependentNormal(4, scale="shared", projection=False), X, (4,)
    ),
    "raw_normal_keeps_space": Case(
        lambda: layers.IndependentNormal((4, 3, 1), projection=False), IMAGES, (4, 3, 1)
    ),
    "raw_normal_network": Case(
        lambda: layers.IndependentNormal((2, 2), mlp((8,)), projection=False), (X, Z), (2, 2)
    ),
    "raw_tril": Case(lambda: layers.MultivariateNormalTriL(2, projection=False), vectors(5), (2,)),
    "raw_bernoulli": Case(lambda: layers.IndependentBernoulli((2, 2), projection=False), X, (2, 2)),
    "raw_continuous_bernoulli": Case(
        lambda: layers.IndependentContinuousBernoulli(4, projection=False), X, (4,)
    ),
    "raw_logistic": Case(lambda: layers.IndependentLogistic(2, projection=False), X, (2,)),
    "raw_quantized_logistic": Case(
        lambda: layers.IndependentQuantizedLogistic(2, projection=False), X, (2,)
    ),
    "raw_categorical": Case(lambda: layers.OneHotCategorical((2, 2), projection=False), X, (2, 2)),
}


def raw(layer, size, **kwargs):
    return layer(size, projection=False, **kwargs)


LAYERS |= {
    "poisson": Case(lambda: layers.IndependentPoisson((2, 2), mlp()), X, (2, 2)),
    "raw_poisson": Case(lambda: raw(layers.IndependentPoisson, 4), X, (4,)),
    "mixture_normal": Case(lambda: layers.MixtureNormal(2, 3, mlp()), X, (3,)),
    "mixture_normal_image": Case(
        lambda: layers.MixtureNormal(2, (4, 3, 1), keeps_space()), IMAGES, (4, 3, 1)
    ),
    "raw_mixture_normal": Case(
        lambda: layers.MixtureNormal(2, 2, projection=False), vectors(10), (2,)
    ),
    "raw_mixture_logistic": Case(
        lambda: layers.MixtureLogistic(2, 2, projection=False), vectors(10), (2,)
    ),
    "raw_mixture_tril": Case(
        lambda: layers.MixtureSameFamily(
            2, raw(layers.MultivariateNormalTriL, 2), projection=False
        ),
        vectors(12),
        (2,),
    ),
    "raw_mixture_one_hot": Case(
        lambda: layers.CategoricalMixtureOfOneHotCategorical(2, 3, projection=False),
        vectors(8),
        (3,),
    ),
    "mixture_logistic": Case(lambda: layers.MixtureLogistic(2, 3, mlp()), X, (3,)),
    "mixture_tril": Case(
        lambda: layers.MixtureSameFamily(2, raw(layers.MultivariateNormalTriL, 2), mlp()), X, (2,)
    ),
    "mixture_one_hot": Case(
        lambda: layers.CategoricalMixtureOfOneHotCategorical(2, 3, mlp()), X, (3,)
    ),
    "normal_of_a_variable": Case(
        lambda: layers.IndependentNormal(3, layers.VariableLayer(6), projection=False), X, (3,)
    ),
    "flow_posterior": Case(
        lambda: layers.FlowPosterior(layers.IndependentNormal(3, mlp()), 2, (4,)), X, (3,)
    ),
    "flow_posterior_linear": Case(
        lambda: layers.FlowPosterior(
            layers.MultivariateNormalTriL(2, mlp()), 2, (4,), mixing="linear"
        ),
        (X, Z),
        (2,),
    ),
    "autoregressive_transform": Case(
        lambda: layers.AutoregressiveTransform(layers.IndependentLogistic(3, mlp()), 1, (4,)),
        X,
        (3,),
    ),
}

FLOW = {"num_steps": 2, "hidden_units": (4,)}

PRIORS = {
    "standard_normal": Case(lambda: priors.StandardNormal(3), None, (3,)),
    "learned_normal": Case(lambda: priors.LearnedNormal(3), None, (3,)),
    "learned_normal_given": Case(lambda: priors.LearnedNormal(3, network=mlp()), X, (3,)),
    "learned_normal_given_two": Case(lambda: priors.LearnedNormal(3, network=mlp()), (X, Z), (3,)),
    "mixture": Case(lambda: priors.GaussianMixture(3, 4), None, (3,)),
    "mixture_given": Case(lambda: priors.GaussianMixture(3, 4, network=mlp()), X, (3,)),
    "learned_normal_full": Case(lambda: priors.LearnedNormal(3, covariance="full"), None, (3,)),
    "learned_normal_full_given": Case(
        lambda: priors.LearnedNormal(3, covariance="full", network=mlp()), X, (3,)
    ),
    "bayesian_normal": Case(lambda: priors.BayesianNormal(3, 100), None, (3,)),
    "bayesian_normal_given": Case(lambda: priors.BayesianNormal(3, 100, network=mlp()), X, (3,)),
    "mixture_full": Case(lambda: priors.GaussianMixture(3, 4, "full"), None, (3,)),
    "mixture_full_given": Case(
        lambda: priors.GaussianMixture(2, 3, "full", network=mlp()), X, (2,)
    ),
    "second_stage": Case(lambda: priors.SecondStage(3, 2, (4,), 2), None, (3,)),
    "second_stage_given": Case(lambda: priors.SecondStage(3, 2, (4,), 2, network=mlp()), X, (3,)),
    "maf": Case(lambda: priors.MAF(3, **FLOW), None, (3,)),
    "maf_one_dimension": Case(lambda: priors.MAF(1, **FLOW), None, (1,)),
    "maf_given": Case(lambda: priors.MAF(3, **FLOW, network=mlp()), X, (3,)),
    "maf_given_image": Case(lambda: priors.MAF(2, **FLOW, network=keeps_space()), IMAGES, (2,)),
    "real_nvp": Case(lambda: priors.RealNVP(3, **FLOW), None, (3,)),
    "real_nvp_given": Case(lambda: priors.RealNVP(3, **FLOW, network=mlp()), X, (3,)),
    "iaf": Case(lambda: priors.IAF(3, **FLOW), None, (3,)),
    "iaf_given": Case(lambda: priors.IAF(3, **FLOW, network=mlp()), X, (3,)),
    "spline": Case(lambda: priors.NeuralSplineFlow(3, **FLOW, num_bins=3), None, (3,)),
    "spline_given": Case(
        lambda: priors.NeuralSplineFlow(3, **FLOW, num_bins=3, network=mlp()), X, (3,)
    ),
    "spline_autoregressive": Case(
        lambda: priors.NeuralSplineFlow(3, **FLOW, num_bins=3, autoregressive=True), None, (3,)
    ),
    "spline_autoregressive_given": Case(
        lambda: priors.NeuralSplineFlow(3, **FLOW, num_bins=3, autoregressive=True, network=mlp()),
        X,
        (3,),
    ),
    "maf_linear_actnorm": Case(
        lambda: priors.MAF(3, **FLOW, mixing="linear", actnorm=True), None, (3,)
    ),
    "real_nvp_linear_actnorm_given": Case(
        lambda: priors.RealNVP(3, **FLOW, mixing="linear", actnorm=True, network=mlp()), X, (3,)
    ),
    "maf_of_a_mixture": Case(
        lambda: priors.MAF(3, **FLOW, base=priors.GaussianMixture(3, 2)), None, (3,)
    ),
    "maf_given_of_a_mixture": Case(
        lambda: priors.MAF(3, **FLOW, network=mlp(), base=priors.GaussianMixture(3, 2)), X, (3,)
    ),
    "maf_of_a_mixture_given": Case(
        lambda: priors.MAF(3, **FLOW, base=priors.GaussianMixture(3, 2, network=mlp())), X, (3,)
    ),
}

BIJECTORS = {
    "autoregressive": Case(lambda: bijectors.Autoregressive(3, None, (4,)), None, (3,)),
    "autoregressive_given": Case(lambda: bijectors.Autoregressive(3, None, (4,)), X, (3,)),
    "autoregressive_inverted": Case(
        lambda: bijectors.Autoregressive(3, None, (4,), inverted=True), X, (3,)
    ),
    "autoregressive_spline": Case(
        lambda: bijectors.Autoregressive(3, bijectors.RationalQuadratic(3), (4,)), X, (3,)
    ),
    "coupling": Case(lambda: bijectors.Coupling(3, None, (4,)), None, (3,)),
    "coupling_given": Case(lambda: bijectors.Coupling(3, None, (4,)), X, (3,)),
    "coupling_spline": Case(
        lambda: bijectors.Coupling(3, bijectors.RationalQuadratic(3, 2.0), (4,)), X, (3,)
    ),
    "permutation": Case(lambda: bijectors.Permutation([2, 0, 1]), None, (3,)),
    "linear_mixing": Case(lambda: bijectors.LinearMixing(3, 1), None, (3,)),
    "actnorm": Case(lambda: bijectors.ActNorm(3), None, (3,)),
    "chain": Case(
        lambda: bijectors.Chain(
            [bijectors.Coupling(3, None, (4,)), bijectors.LinearMixing(3), bijectors.ActNorm(3)]
        ),
        X,
        (3,),
    ),
}

NETWORKS = {
    "parameters": Case(lambda: bijectors.Parameters(3), X, (3,)),
    "conditioner": Case(lambda: bijectors.Conditioner(2, 3, (4,)), X, (2, 3)),
    "conditioner_autoregressive": Case(
        lambda: bijectors.Conditioner(4, 2, (8,), autoregressive=True, activation="tanh"),
        X,
        (4, 2),
    ),
    "joint_dense": Case(lambda: JointDense(3, "tanh"), [X, Z], (3,)),
    "mlp": Case(lambda: mlp((4, 3)), X, (3,)),
    "mlp_two_inputs": Case(lambda: mlp(), (IMAGES, Z), (4,)),
    "mlp_labels": Case(lambda: mlp(num_classes=3), (LABELS, Z), (4,)),
    "conv_encoder": Case(
        lambda: networks.conv_encoder((2, 3), units=(4,), activation="tanh"), IMAGES, (4,)
    ),
    "conv_encoder_joined": Case(
        lambda: networks.conv_encoder((2,), activation="tanh", num_classes=3),
        (IMAGES, Z, LABELS),
        (8,),
    ),
    "conv_decoder": Case(
        lambda: networks.conv_decoder((4, 3), (3, 2), activation="tanh"), Z, (4, 3, 2)
    ),
    "conv_decoder_joined": Case(
        lambda: networks.conv_decoder((4, 3), (2,), activation="tanh", num_classes=3),
        (LABELS, Z),
        (4, 3, 2),
    ),
    "block_omission": Case(lambda: layers.BlockOmission(seed=1), IMAGES, (4, 3, 2)),
    "image_pyramid": Case(lambda: layers.ImagePyramid(), IMAGES, (4, 3, 6)),
    "conv_encoder_pooled": Case(
        lambda: networks.conv_encoder((2, 3), activation="tanh", pooling="avg"), IMAGES, (3,)
    ),
    "variable_regularized": Case(
        lambda: layers.VariableLayer(3, "ones", regularizer="l2", constraint="non_neg"), X, (3,)
    ),
    "variable": Case(lambda: layers.VariableLayer((2, 3), "ones", "tanh"), X, (2, 3)),
    "unet": Case(lambda: networks.unet((2, 3, 4), (3,), activation="tanh"), IMAGES, (4, 3, 3)),
    "unet_joined": Case(
        lambda: networks.unet((2, 3), (4, 3), activation="tanh", num_classes=3),
        (IMAGES, Z, LABELS),
        (4, 3, 3),
    ),
    "unet_two_images": Case(
        lambda: networks.unet((2,), (3,), activation="tanh"), (IMAGES, Z, IMAGES), (4, 3, 3)
    ),
    "preprocessed": Case(
        lambda: networks.preprocessed(layers.ImagePyramid((0.5,)), networks.unet((2,), (3,))),
        (IMAGES, Z),
        (4, 3, 3),
    ),
    "preprocessed_alone": Case(
        lambda: networks.preprocessed(layers.BlockOmission(), mlp()), IMAGES, (4,)
    ),
}

RANDOM = {
    "dense_reparameterization": Case(
        lambda: layers.DenseReparameterization(3, 100, "tanh"), X, (3,)
    ),
    "dense_local_reparameterization": Case(
        lambda: layers.DenseLocalReparameterization(3, 100, bias_posterior_fn=None), X, (3,)
    ),
    "dense_flipout": Case(
        lambda: layers.DenseFlipout(
            3,
            100,
            bias_posterior_fn=layers.default_mean_field_normal_fn(),
            bias_prior_fn=layers.default_multivariate_normal_fn,
        ),
        X,
        (3,),
    ),
    "convolution_flipout": Case(
        lambda: layers.Convolution2DFlipout(3, 2, num_examples=100, padding="same"),
        IMAGES,
        (4, 3, 3),
    ),
    "convolution_reparameterization": Case(
        lambda: layers.Convolution2DReparameterization(3, (2, 1), num_examples=100, strides=(2, 1)),
        IMAGES,
        (2, 3, 3),
    ),
    "dense_variational": Case(
        lambda: layers.DenseVariational(3, joint_posterior, joint_prior, 100), X, (3,)
    ),
}

WARM_UP = {"initial_learning_rate": 0.0, "decay_steps": 10, "end_learning_rate": 1.0}

REGULARIZERS = {
    "kl": regularizers.KL,
    "kl_weighted": lambda: regularizers.KL(0.5),
    "kl_free_bits": lambda: regularizers.KL(free_bits=0.3),
    "kl_free_bits_groups": lambda: regularizers.KL(free_bits=0.3, num_groups=1),
    "kl_capacity": lambda: regularizers.KL(100.0, capacity=5),
    "kl_capacity_schedule": lambda: regularizers.KL(
        capacity=keras.optimizers.schedules.PolynomialDecay(**WARM_UP)
    ),
    "kl_cyclical": lambda: regularizers.KL(schedules.Cyclical(100, 2)),
    "mmd_median": lambda: regularizers.MMD(bandwidth="median", scales=(1.0,)),
    "mmd_bandwidth": lambda: regularizers.MMD(bandwidth=3.0),
    "mmd_target": lambda: regularizers.MMD(target=uniform_latents),
    "kl_schedule": lambda: regularizers.KL(
        keras.optimizers.schedules.PolynomialDecay(**WARM_UP), name="warm"
    ),
    "mmd": regularizers.MMD,
    "mmd_rbf": lambda: regularizers.MMD(2.0, kernel="rbf", scales=(0.5, 1.0)),
    "mmd_schedule": lambda: regularizers.MMD(keras.optimizers.schedules.PolynomialDecay(**WARM_UP)),
}


class ModelCase(NamedTuple):
    """A model, its data, and what it logs beside `loss`: each term with its weight in the loss."""

    make: Any
    x: Any
    y: Any
    terms: dict


DATA = RNG.normal(size=(16, 4)).astype("float32")
TARGET = np.stack([DATA[:, 0] - DATA[:, 1], DATA[:, 2]], axis=1)
MASKS = (RNG.uniform(size=(16, 4, 3, 1)) > 0.5).astype("float32")
CLASSES = RNG.integers(0, 3, 16)
CLASSES[:3] = [0, 1, 2]
PIXELS = RNG.integers(0, 256, (16, 3))
ELBO = {"reconstruction": 1.0, "kl": 1.0, "elbo": 0.0}
HYBRID = {"reconstruction": 0.5, "kl": 0.5, "elbo": 0.0, "gsnn": 0.5, "hybrid": 0.0}


def vae(decoder=None, **kwargs):
    return tfcvae.VAE(
        encoder=layers.IndependentNormal(2, mlp()),
        decoder=decoder or layers.IndependentNormal(4, mlp(), scale="shared"),
        seed=0,
        **kwargs,
    )


def cvae(num_classes=None, y_size=2, baseline=False, recognition=True, **kwargs):
    def normal(size):
        return layers.IndependentNormal(size, mlp(num_classes=num_classes))

    arguments = {
        "recognition": normal(2) if recognition else None,
        "prior": normal(2),
        "generation": normal(y_size),
        "baseline": normal(y_size) if baseline else None,
        "seed": 0,
    }
    return tfcvae.CVAE(**{**arguments, **kwargs})


def integers_encoder():
    network = keras.Sequential([keras.layers.Rescaling(1 / 127.5, -1), keras.layers.Dense(4)])
    return layers.IndependentNormal(2, network)


def masks(network, shape=(4, 3, 1)):
    return layers.IndependentBernoulli(shape, network)


def segmenter(shape=(4, 3, 1), network=None, baseline=False, **kwargs):
    """A CVAE of masks; with a network, of several scales, the baseline too."""
    generation = masks(networks.conv_decoder(shape[:2], (2,)), shape)
    if network is not None:
        generation = layers.MultiScale(masks(network))
    arguments = {
        "recognition": layers.IndependentNormal(2, networks.conv_encoder((2,))),
        "prior": layers.IndependentNormal(2, networks.conv_encoder((2,))),
        "generation": generation,
        "baseline": layers.MultiScale(masks(keeps_space())) if baseline else None,
        "seed": 0,
    }
    return tfcvae.CVAE(**{**arguments, **kwargs})


MODELS = {
    "vae": ModelCase(vae, DATA, None, ELBO),
    "vae_images": ModelCase(
        lambda: vae(layers.IndependentBernoulli((4, 3, 1), networks.conv_decoder((4, 3), (2,)))),
        MASKS,
        None,
        ELBO,
    ),
    "vae_integers": ModelCase(
        lambda: tfcvae.VAE(
            encoder=integers_encoder(),
            decoder=layers.IndependentQuantizedLogistic(3, mlp()),
            seed=0,
        ),
        PIXELS,
        None,
        ELBO,
    ),
    "vae_tril_learned": ModelCase(
        lambda: tfcvae.VAE(
            layers.MultivariateNormalTriL(2, mlp()),
            layers.IndependentLogistic(4, mlp()),
            prior=priors.LearnedNormal(2),
            regularizers=[regularizers.KL(0.5), regularizers.MMD(2.0)],
            seed=0,
        ),
        DATA,
        None,
        {**ELBO, "kl": 0.5, "mmd": 2.0},
    ),
    "vae_maf": ModelCase(lambda: vae(prior=priors.MAF(2, **FLOW), num_samples=2), DATA, None, ELBO),
    "vae_only_mmd": ModelCase(
        lambda: vae(regularizers=[regularizers.MMD(3.0, "rbf")]),
        DATA,
        None,
        {**ELBO, "kl": 0.0, "mmd": 3.0},
    ),
    "vae_importance": ModelCase(
        lambda: vae(num_samples=3, importance_weighted=True),
        DATA,
        None,
        {**ELBO, "reconstruction": 0.0, "kl": 0.0, "importance_bound": -1.0},
    ),
    "vae_importance_of_one_draw": ModelCase(
        lambda: vae(importance_weighted=True),
        DATA,
        None,
        {**ELBO, "reconstruction": 0.0, "kl": 0.0, "importance_bound": -1.0},
    ),
    "vae_vamp": ModelCase(lambda: vae(prior=priors.VampPrior(2, 3, DATA[:3])), DATA, None, ELBO),
    "vae_vamp_of_flow_posteriors": ModelCase(
        lambda: tfcvae.VAE(
            layers.FlowPosterior(layers.IndependentNormal(2, mlp()), 2, (4,)),
            layers.IndependentNormal(4, mlp()),
            prior=priors.VampPrior(2, 3),
            seed=0,
        ),
        DATA,
        None,
        ELBO,
    ),
    "vae_flow_of_vamp": ModelCase(
        lambda: vae(prior=priors.RealNVP(2, **FLOW, base=priors.VampPrior(2, 3))), DATA, None, ELBO
    ),
    "vae_second_stage": ModelCase(
        lambda: vae(prior=priors.SecondStage(2, 2, (4,), 2)), DATA, None, ELBO
    ),
    "vae_bayesian_normal": ModelCase(
        lambda: vae(prior=priors.BayesianNormal(2, 16)), DATA, None, {**ELBO, "kl_weights": 1.0}
    ),
    "vae_flow_of_bayesian_normal": ModelCase(
        lambda: vae(prior=priors.MAF(2, **FLOW, base=priors.BayesianNormal(2, 16))),
        DATA,
        None,
        {**ELBO, "kl_weights": 1.0},
    ),
    "vae_flow_posterior": ModelCase(
        lambda: tfcvae.VAE(
            layers.FlowPosterior(layers.IndependentNormal(2, mlp()), 2, (4,)),
            layers.MixtureNormal(2, 4, mlp()),
            seed=0,
        ),
        DATA,
        None,
        ELBO,
    ),
    "cvae_vamp": ModelCase(
        lambda: cvae(prior=priors.VampPrior(2, 3), alpha=0.5), DATA, TARGET, HYBRID
    ),
    "cvae_vamp_baseline": ModelCase(
        lambda: cvae(3, 4, prior=priors.VampPrior(2, 3), baseline=True),
        CLASSES,
        DATA,
        {**ELBO, "baseline": 1.0},
    ),
    "cvae_second_stage": ModelCase(
        lambda: cvae(prior=priors.SecondStage(2, 2, (4,), 2, network=mlp())), DATA, TARGET, ELBO
    ),
    "cvae_bayesian_normal": ModelCase(
        lambda: cvae(prior=priors.BayesianNormal(2, 16, network=mlp())),
        DATA,
        TARGET,
        {**ELBO, "kl_weights": 1.0},
    ),
    "cvae": ModelCase(cvae, DATA, TARGET, ELBO),
    "cvae_labels": ModelCase(
        lambda: cvae(3, 4, prior=priors.StandardNormal(2)), CLASSES, DATA, ELBO
    ),
    "cvae_flow": ModelCase(
        lambda: cvae(
            prior=priors.RealNVP(2, **FLOW, network=mlp()),
            regularizers=[regularizers.KL(), regularizers.MMD()],
        ),
        DATA,
        TARGET,
        {**ELBO, "mmd": 1.0},
    ),
    "cvae_mixture": ModelCase(
        lambda: cvae(prior=priors.GaussianMixture(2, 3, network=mlp()), alpha=0.5),
        DATA,
        TARGET,
        HYBRID,
    ),
    "cvae_images": ModelCase(segmenter, MASKS, 1 - MASKS, ELBO),
    "cvae_baseline": ModelCase(
        lambda: cvae(baseline=True), DATA, TARGET, {**ELBO, "baseline": 1.0}
    ),
    "cvae_hybrid": ModelCase(
        lambda: cvae(baseline=True, alpha=0.5, num_samples=2),
        DATA,
        TARGET,
        {**HYBRID, "baseline": 1.0},
    ),
    "cvae_hybrid_importance": ModelCase(
        lambda: cvae(alpha=0.5, num_samples=2, importance_weighted=True),
        DATA,
        TARGET,
        {**HYBRID, "reconstruction": 0.0, "kl": 0.0, "importance_bound": -0.5},
    ),
    "cvae_hybrid_bayesian": ModelCase(
        lambda: cvae(prior=priors.BayesianNormal(2, 16, network=mlp()), alpha=0.5),
        DATA,
        TARGET,
        {**HYBRID, "kl_weights": 1.0},
    ),
    "cvae_vamp_of_flow_posteriors": ModelCase(
        lambda: cvae(
            recognition=layers.FlowPosterior(layers.IndependentNormal(2, mlp()), 1, (4,)),
            prior=priors.VampPrior(2, 3),
        ),
        DATA,
        TARGET,
        ELBO,
    ),
    "cvae_multi_scale": ModelCase(
        lambda: segmenter(network=networks.unet((2, 3), (3,)), baseline=True, alpha=0.5),
        MASKS,
        1 - MASKS,
        {**HYBRID, "multi_scale": 1.0, "baseline": 1.0, "baseline_multi_scale": 1.0},
    ),
    "gsnn_multi_scale": ModelCase(
        lambda: segmenter(network=networks.unet((2, 3), (3,)), recognition=None, alpha=0.0),
        MASKS,
        1 - MASKS,
        {"gsnn": 1.0, "multi_scale": 1.0},
    ),
    "vae_multi_scale": ModelCase(
        lambda: vae(
            layers.MultiScale(
                layers.IndependentBernoulli((4, 3, 1), networks.conv_decoder((4, 3), (2,))),
                scales=(0.5,),
                weights=(2.0,),
            )
        ),
        MASKS,
        None,
        {**ELBO, "multi_scale": 1.0},
    ),
    "gsnn": ModelCase(lambda: cvae(recognition=False, alpha=0.0), DATA, TARGET, {"gsnn": 1.0}),
    "gsnn_labels_baseline": ModelCase(
        lambda: cvae(3, 4, baseline=True, recognition=False, alpha=0),
        CLASSES,
        DATA,
        {"gsnn": 1.0, "baseline": 1.0},
    ),
}


class Batches(keras.utils.PyDataset):
    """Batches of arrays as a `PyDataset`."""

    def __init__(self, *arrays, batch_size=8):
        super().__init__()
        self.arrays, self.batch_size = arrays, batch_size

    def __len__(self):
        return -(-len(self.arrays[0]) // self.batch_size)

    def __getitem__(self, i):
        rows = slice(i * self.batch_size, (i + 1) * self.batch_size)
        return tuple(None if a is None else a[rows] for a in self.arrays)


def tensors(inputs):
    """Inputs of a case as tensors; integer labels stay integers."""
    return inputs if inputs is None else keras.tree.map_structure(tf.convert_to_tensor, inputs)
