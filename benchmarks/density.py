"""Priors compared by the density of images: -log p(x) of Fashion-MNIST and MNIST, in nats.

    python benchmarks/density.py                      all rows that are not in the results yet
    python benchmarks/density.py --models vamp maf    some of them
    python benchmarks/density.py --table              the tables of the results
    python benchmarks/density.py --figure PNG         the comparison as a figure

Every model has the same encoder and decoder, two layers of 300 gated units each, and 40 latent
variables, and is trained for about ten minutes on one core, with a learning rate that decays. Some
are also trained for about an hour; in 200 epochs and more such a decay fits the training images too
well, so that the rate is constant there and the moving average of the weights is scored.
`conv` has convolutions in bfloat16, a MAF as p(z) and an inverse autoregressive flow behind q(z|x).
It and the second VAEs, whose density is an estimate by draws of its own, are scored with 500 draws,
and with 5,000 on the first 1,000 test images; the others with 1,000, the main ones with 5,000 too.

The protocol is that of Norouzi, Fleet and Norouzi (2020), arXiv:2004.04795: 50,000 / 10,000 /
10,000 images; training pixels binarised by sampling anew in every epoch, validation and test images
once; the validation set picks the epoch, and the test set is used once, with importance-sampled
log-likelihoods.
"""

import argparse

import common
import density_report
import keras
import numpy as np
import tensorflow as tf

from tfcvae import VAE, datasets, evaluation, layers, networks, priors, regularizers

BATCH_SIZE = 100
LATENTS = 40
UNITS = 300
NUM_EXAMPLES = 50_000
LEARNING_RATE = 2e-3
AVERAGED = {"learning_rate": 1e-3, "ema_momentum": 0.9998}
AVERAGED_FROM = 200
"""The number of epochs from which the learning rate is constant and the weights are averaged."""
WARM_UP_EPOCHS = 100
CLIP_NORM = 100.0
"""A bound of the gradients' norm, twice what is usual: one draw in ten millions can get so small a
density from a flow that its gradient would move every weight."""
MAIN = ("standard_normal", "mixture", "vamp", "maf")
SLOW = ("second_stage", "two_stage", "conv")
DATA = {"fashion_mnist": datasets.fashion_mnist, "mnist": datasets.mnist}
EPOCHS = {
    "standard_normal": (100, 560),
    "vamp": (32, 200),
    "maf": (100, 360),
    "nsf": (60,),
    "second_stage": (60,),
    "two_stage": (80,),
    "iaf_posterior": (80,),
    "iwae": (30, 120),
    "iaf": (30,),
    "both_flows": (300,),
    "conv": (80,),
}
DEFAULT_EPOCHS = (100,)
SHAPE = (28, 28, 1)


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


def convolutional():
    """Encoder, decoder and prior of `conv`."""
    encoder = networks.conv_encoder((32, 64, 64), units=(300,), activation="swish")
    posterior = layers.IndependentNormal(LATENTS, network=encoder)
    decoder = networks.conv_decoder(SHAPE[:2], (64, 32), activation="swish")
    return (
        layers.FlowPosterior(posterior, 2, (300,)),
        layers.IndependentBernoulli(SHAPE, network=decoder),
        flow(),
    )


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
        return *convolutional(), {}
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
    "iaf",
    "both_flows",
    "conv",
)


def run(data, name, epochs, seed):
    """Trains and scores one row."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy("mixed_bfloat16" if name == "conv" else "float32")
    splits = DATA[data]()
    images = splits.train.images
    validation, test = (
        datasets.binarize(part.images, seed=i)
        for i, part in ((1, splits.validation), (2, splits.test))
    )
    steps = -(-len(images) // BATCH_SIZE)

    def train(initial_epoch):
        return datasets.stream(images, BATCH_SIZE, seed, datasets.binarize, initial_epoch)

    first = "standard_normal" if name == "two_stage" else name
    encoder, decoder, prior, arguments = parts_of(first, images)
    if not arguments:
        warm_up_steps = min(WARM_UP_EPOCHS, epochs // 5) * steps
        warm_up = keras.optimizers.schedules.PolynomialDecay(0.0, warm_up_steps, 1.0)
        arguments = {"regularizers": [regularizers.KL(warm_up)]}
    model = VAE(encoder, decoder, prior, seed=seed, **arguments)
    model.build((None, *SHAPE))
    monitor = "val_importance_bound" if model.importance_weighted else "val_elbo"
    training = common.fit_best(
        model,
        train,
        monitor,
        "max",
        epochs=epochs,
        steps_per_epoch=steps,
        compiling={"jit_compile": name != "conv", "steps_per_execution": 50},
        name=f"density-{data}-{name}-{epochs}-{seed}",
        clipnorm=CLIP_NORM,
        **(AVERAGED if epochs >= AVERAGED_FROM else {"learning_rate": LEARNING_RATE}),
        validation_data=(validation,),
        validation_batch_size=1000,
    )
    if name == "two_stage":
        prior = priors.SecondStage.fit_to(
            model, images, epochs=30, batch_size=BATCH_SIZE, hidden_units=(300, 300), verbose=2
        )
        model = VAE(model.encoder, model.decoder, prior, seed=seed)
    row = {"data": data, "model": name, "epochs": epochs, "seed": seed, **training}
    scores = {"elbo": evaluation.elbo(model, test, 10, verbose=0)}
    if name in SLOW:
        scores["500"] = evaluation.log_likelihood(model, test, 500, verbose=0)
        scores["5000_of_1000"] = evaluation.log_likelihood(model, test[:1000], 5000, verbose=0)
    else:
        scores["1000"] = evaluation.log_likelihood(model, test, 1000, verbose=0)
    if name in MAIN:
        scores["5000"] = evaluation.log_likelihood(model, test, 5000, verbose=0)
    rounded = {k: [round(-e.mean, 3), round(e.standard_error, 3)] for k, e in scores.items()}
    units = evaluation.active_units(model, test)
    return {**row, **rounded, "active_units": units.count}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--epochs", type=int, help="instead of the numbers for each model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", default=common.RESULTS / "density.jsonl")
    parser.add_argument("--table", action="store_true", help="only print the tables")
    parser.add_argument("--figure", metavar="PNG", help="only draw the comparison")
    arguments = parser.parse_args()
    rows = common.read_rows(arguments.results)
    if arguments.figure:
        return density_report.figure(rows, arguments.figure)
    done = {(r["data"], r["model"], r["epochs"], r["seed"]) for r in rows}
    for data in [] if arguments.table else arguments.data:
        for name in arguments.models:
            epochs = (arguments.epochs,) if arguments.epochs else EPOCHS.get(name, DEFAULT_EPOCHS)
            if data == "mnist":
                epochs = epochs[:1] if name in MAIN else ()
            for key in ((data, name, number, arguments.seed) for number in epochs):
                if key not in done:
                    common.append_row(arguments.results, run(*key))
    rows = common.read_rows(arguments.results)
    density_report.tables(rows, list(DATA))
    density_report.advice(rows)


if __name__ == "__main__":
    main()
