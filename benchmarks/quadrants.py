"""Completing MNIST digits from quadrants: negative conditional log-likelihood on the test set.

    python benchmarks/quadrants.py                      all rows that are not in the results yet
    python benchmarks/quadrants.py --table              the table of the results

Protocol of Sohn, Lee and Yan (NIPS 2015): 50,000 / 10,000 / 10,000 images; training images
binarised by sampling anew each epoch, validation and test images once with a fixed seed; the
validation set picks the epoch; 100 draws of z for Monte Carlo and for importance sampling; the test
set is used once. MNIST is found through TFCVAE_DATA.

`best` has convolutional networks in bfloat16, a flow as p(z|x) and an inverse autoregressive flow
behind q(z|x,y).
"""

import argparse

import common
import keras
import quadrants_networks

from tfcvae import CVAE, datasets, evaluation, layers, networks, priors, regularizers

BATCH_SIZE = {"best": 50}
DEFAULT_BATCH_SIZE = 200
LATENTS = 50
EPOCHS = {
    "nn": 60,
    "normal": 100,
    "flow": 95,
    "gsnn": 30,
    "hybrid": 40,
    "noise": 60,
    "best": 45,
}
LEARNING_RATE = 1e-3
ALPHA = {"gsnn": 0.0, "hybrid": 0.5}


def mlp(features=500):
    return networks.mlp([500, features], activation="swish")


def deterministic(hidden):
    """The deterministic network, a plain Keras model from x to the logits of `hidden` pixels."""

    def loss(y, logits):
        return hidden * keras.losses.binary_crossentropy(y, logits, from_logits=True)

    model = keras.Sequential([mlp(), keras.layers.Dense(hidden)])
    return model, {"loss": loss}


def parts(name, observed, hidden):
    """Recognition, prior and generation network of one row, for `hidden` pixels to predict."""
    if name == "best":
        completed = quadrants_networks.CompletedEncoder(observed)
        pixels = quadrants_networks.HiddenPixels(quadrants_networks.hidden_pixels(observed))
        posterior = layers.IndependentNormal(LATENTS, network=completed)
        return (
            layers.FlowPosterior(posterior, 2, (300,)),
            priors.RealNVP(LATENTS, num_steps=6, network=quadrants_networks.encoder()),
            layers.IndependentBernoulli((hidden,), network=pixels, projection=False),
        )
    prior = layers.IndependentNormal(LATENTS, network=mlp())
    if name == "flow":
        prior = priors.RealNVP(LATENTS, num_steps=6, network=mlp(200))
    return (
        None if name == "gsnn" else layers.IndependentNormal(LATENTS, network=mlp()),
        prior,
        layers.IndependentBernoulli((hidden,), network=mlp()),
    )


def cvae(name, observed, hidden, steps_per_epoch, seed):
    """The CVAE of one row."""
    warm_up = keras.optimizers.schedules.PolynomialDecay(0.0, 10 * steps_per_epoch, 1.0)
    return CVAE(
        *parts(name, observed, hidden),
        alpha=ALPHA.get(name, 1.0),
        regularizers=[regularizers.KL(warm_up)],
        seed=seed,
    )


def run(name, observed, epochs, seed):
    """Trains and scores one row."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy("mixed_bfloat16" if name == "best" else "float32")
    splits = datasets.mnist()

    def prepare(images, seed):
        return datasets.quadrants(datasets.binarize(images, seed=seed), observed)

    def prepare_for_training(images, seed):
        x, y = prepare(images, seed)
        return (omission(x, training=True, seed=seed) if name == "noise" else x), y

    omission = layers.BlockOmission()
    batch_size = BATCH_SIZE.get(name, DEFAULT_BATCH_SIZE)
    steps = -(-len(splits.train.images) // batch_size)

    def train(initial_epoch):
        images = splits.train.images
        return datasets.stream(images, batch_size, seed, prepare_for_training, initial_epoch)

    validation = prepare(splits.validation.images, 1)
    x, y = test = prepare(splits.test.images, 2)

    hidden = y.shape[-1]
    if name == "nn":
        (model, compiling), monitor, mode = deterministic(hidden), "val_loss", "min"
    else:
        model, compiling = cvae(name, observed, hidden, steps, seed), {}
        monitor, mode = "val_elbo", "max"
    if name == "gsnn":
        monitor, mode = "val_gsnn", "min"
    compiling = {"jit_compile": name != "best", "steps_per_execution": 50, **compiling}
    model.build((None, *x.shape[1:]))
    training = common.fit_best(
        model,
        train,
        monitor,
        mode,
        LEARNING_RATE,
        epochs,
        steps,
        compiling,
        f"quadrants-{name}-{observed}-{seed}",
        validation_data=validation,
        validation_batch_size=1000,
    )
    row = {
        "model": name,
        "observed": observed,
        "epochs": epochs,
        "seed": seed,
        **training,
    }
    if name == "nn":
        return {**row, "exact": [round(model.evaluate(x, y, verbose=0), 3), None]}
    scores = {"monte_carlo": evaluation.log_likelihood(model, test, 100, "monte_carlo", verbose=0)}
    if model.alpha > 0:
        scores["elbo"] = evaluation.elbo(model, test, 10, verbose=0)
        scores["importance"] = evaluation.log_likelihood(model, test, 100, verbose=0)
    rounded = {k: [round(-e.mean, 3), round(e.standard_error, 3)] for k, e in scores.items()}
    return {**row, **rounded}


LABELS = {
    "nn": "deterministic network",
    "normal": "CVAE, normal p(z\\|x)",
    "flow": "CVAE, flow p(z\\|x)",
    "gsnn": "GSNN",
    "hybrid": "hybrid, alpha = 0.5",
    "noise": "CVAE, normal p(z\\|x), block omission",
    "best": "CVAE, flows and convolutions",
}


def table(rows):
    """Prints the results, one line for each model and estimate."""
    found = {(row["model"], row["observed"]): row for row in rows}
    lines = []
    present = {name: label for name, label in LABELS.items() if any(name in key for key in found)}
    for name, label in present.items():
        for estimate in ("exact", "elbo", "monte_carlo", "importance"):
            if not any(estimate in found[key] for key in found if name in key):
                continue
            cells = []
            for observed in (1, 2, 3):
                row = found.get((name, observed))
                cells.append("" if row is None else f"{row[estimate][0]:.2f}")
            title = {"elbo": "-ELBO", "monte_carlo": "Monte Carlo"}.get(estimate, estimate)
            lines.append([label, title, *cells])
    common.print_table(["model", "estimate", "1 quadrant", "2 quadrants", "3 quadrants"], lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(LABELS), choices=LABELS)
    parser.add_argument("--observed", nargs="+", type=int, default=[1, 2, 3], choices=(1, 2, 3))
    parser.add_argument("--epochs", type=int, help="instead of the number for each model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", default=common.RESULTS / "quadrants.jsonl")
    parser.add_argument("--table", action="store_true", help="only print the table")
    arguments = parser.parse_args()
    done = {(r["model"], r["observed"], r["seed"]) for r in common.read_rows(arguments.results)}
    for name in [] if arguments.table else arguments.models:
        for observed in arguments.observed:
            if (name, observed, arguments.seed) not in done:
                epochs = arguments.epochs or EPOCHS[name]
                row = run(name, observed, epochs, arguments.seed)
                common.append_row(arguments.results, row)
    table(common.read_rows(arguments.results))


if __name__ == "__main__":
    main()
