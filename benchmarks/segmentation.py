"""Segmentation with several right answers: every objective and prior, scored by its masks.

    python benchmarks/segmentation.py                      all rows that are not in the results yet
    python benchmarks/segmentation.py --table              the tables of the results
    python benchmarks/segmentation.py --figure PNG         the accuracy under occlusion, drawn
    python benchmarks/segmentation.py --cost               what 16 samples cost against one

Two data sets: `shapes`, whose 32 modes and their probabilities are known, and `garments`, parts of
which are hidden. Masks of the shapes are drawn anew each epoch; the prior of a CVAE trains alone
for some more epochs; the validation set picks the epoch; the test set is used once. The networks
run in bfloat16, the distributions in float32. Garments need Fashion-MNIST, found as in
`datasets.fashion_mnist`.
"""

import argparse
import functools
import time

import common
import keras
import numpy as np
import segmentation_report
import tensorflow as tf
from segmentation_data import DATA

from tfcvae import CVAE, datasets, evaluation, layers, networks, priors, regularizers, seeds

EPOCHS = {"shapes": 16, "garments": 16}
PRIOR_EPOCHS = {"normal": 8, "mixture": 20, "flow": 20}
BATCH_SIZE = 20
LATENTS = 16
FILTERS = (16, 32, 64)
HEAD_FILTERS = (32, 16)
NUM_SAMPLES = 16
NUM_MODE_SAMPLES = 64
ALPHA = {"gsnn": 0.0, "hybrid": 0.5}
MODELS = ("nn", "gsnn", "hybrid", "normal", "mixture", "flow")
MAIN = ("normal", "flow")
PLAIN, BOTH = (), ("multi_scale", "noise")


def encoder(activation="relu"):
    return networks.conv_encoder(FILTERS, units=(128,), activation=activation, pooling="max")


def likelihood(size, multi_scale):
    network = networks.unet(FILTERS, HEAD_FILTERS)
    layer = layers.IndependentBernoulli((*size, 1), network=network)
    return layers.MultiScale(layer) if multi_scale else layer


def model_of(name, size, strategies, steps, seed):
    """The conditional VAE of one row."""
    own_prior = {
        "mixture": lambda: priors.GaussianMixture(LATENTS, 64, network=encoder("swish")),
        "flow": lambda: priors.RealNVP(LATENTS, 6, (64, 64), network=encoder("swish")),
    }.get(name, lambda: layers.IndependentNormal(LATENTS, network=encoder()))
    alpha = ALPHA.get(name, 1.0)
    warm_up = keras.optimizers.schedules.PolynomialDecay(0.0, 6 * steps, 1.0)
    return CVAE(
        layers.IndependentNormal(LATENTS, network=encoder()) if alpha else None,
        own_prior(),
        likelihood(size, "multi_scale" in strategies),
        alpha=alpha,
        regularizers=[regularizers.KL(warm_up)],
        seed=seed,
    )


@keras.saving.register_keras_serializable("benchmarks")
class Deterministic(keras.Model):
    """A U-Net from x to the probabilities of y, trained on the same likelihood."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape):
        self.layer.build(input_shape)

    def call(self, x):
        return layers.center(self.layer(x))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        distribution = self.layer(x, training=training)
        self.add_loss(-tf.reduce_mean(distribution.log_prob(y)))
        if training and hasattr(distribution, "auxiliary_log_prob"):
            self.add_loss(-tf.reduce_mean(distribution.auxiliary_log_prob(y)))
        return super().compute_loss(x=x, training=training)


def run(name, data_name, strategies, epochs, seed):
    """Trains and scores one row."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy("mixed_bfloat16")
    data = DATA[data_name]()
    steps = -(-len(data.arrays[0][0]) // BATCH_SIZE)
    omission = layers.BlockOmission()

    def prepare(*arrays, seed):
        mask_seed, noise_seed = seeds.split(seed)
        x, y = data.pair(*arrays, seed=mask_seed)
        return (omission(x, training=True, seed=noise_seed) if "noise" in strategies else x), y

    def train(initial_epoch):
        return datasets.stream(data.arrays[0], BATCH_SIZE, seed, prepare, initial_epoch)

    validation = data.pair(*data.arrays[1], seed=1)
    x, y = (np.asarray(a) for a in data.pair(*data.arrays[2], seed=2))
    size = x.shape[1:3]
    if name == "nn":
        model = Deterministic(likelihood(size, "multi_scale" in strategies))
        monitor, mode = "val_loss", "min"
    else:
        model = model_of(name, size, strategies, steps, seed)
        monitor, mode = ("val_gsnn", "min") if name == "gsnn" else ("val_elbo", "max")
    model.build(x.shape)

    def fit(epochs, learning_rate, stage):
        return common.fit_best(
            model,
            train,
            monitor,
            mode,
            learning_rate,
            epochs,
            steps,
            {"jit_compile": False},
            "-".join(["segmentation", data_name, name, *strategies, str(seed), stage]),
            validation_data=validation,
            validation_batch_size=100,
        )

    training = fit(epochs, 3e-3, "whole")
    if getattr(model, "alpha", 0) == 1:
        model.recognition.trainable = model.generation.trainable = False
        calibration = fit(PRIOR_EPOCHS[name], 2e-3, "prior")
        for key in ("train_minutes", "train_cpu_minutes"):
            training[key] = round(training[key] + calibration[key], 1)
    row = {
        "data": data_name,
        "model": name,
        "strategies": list(strategies),
        "epochs": epochs,
        "seed": seed,
        **training,
    }
    return {**row, **scores(model, x, y, data.known()), "occlusion": occlusion(model, x, y)}


def batches(x, size=50):
    return np.array_split(x, -(-len(x) // size))


def scores(model, x, y, known):
    """Masks and likelihoods on the test split."""
    prediction = model.predict(x, batch_size=50, verbose=0)
    if isinstance(model, Deterministic):
        samples = np.stack([prediction] * 2)
        parts = zip(batches(x), batches(y))
        values = np.concatenate([model.layer(a).log_prob(b) for a, b in parts])
        log_lik = {"exact": [round(-float(values.mean()), 2), None]}
    else:
        draw = tf.function(lambda x, s: model.sample(x, NUM_MODE_SAMPLES, s, mean=True))
        parts = enumerate(batches(x))
        samples = np.concatenate([draw(a, tf.constant([0, i])).numpy() for i, a in parts], axis=1)
        log_lik = {}
        for method in ("monte_carlo", "importance")[: 1 if model.alpha == 0 else 2]:
            estimate = evaluation.log_likelihood(model, (x, y), 100, method, 100, verbose=0)
            log_lik[method] = [round(-estimate.mean, 2), round(estimate.standard_error, 2)]
    few = samples[:NUM_SAMPLES]
    if known:
        known["references"] = known["references"][: len(few)]
    found = evaluation.mask_scores(prediction, few, y, **known)
    if known:
        known.pop("references")
        for group, modes in evaluation.mode_frequencies(samples, **known).items():
            suffix = "" if group == "pooled" else f"_{group}"
            found[f"mode_total_variation{suffix}"] = modes.total_variation
            found[f"mode_kl{suffix}"] = modes.kl
    return {**{k: round(v, 4) for k, v in found.items()}, **log_lik}


def occlusion(model, x, y):
    """Pixel accuracy when blocks that cover a share of the test input are set to 0."""
    found = {}
    for share in (0.0, 0.25, 0.5, 0.7):
        side = np.sqrt(share)
        rng = np.random.default_rng(0)
        hidden = x.copy()
        for image in hidden:
            sides = [round(side * n) for n in image.shape[:2]]
            top, left = (rng.integers(0, n - s + 1) for n, s in zip(image.shape, sides))
            image[top : top + sides[0], left : left + sides[1]] = 0
        prediction = model.predict(hidden, batch_size=50, verbose=0)
        found[str(share)] = round(float(evaluation.pixel_accuracy(prediction, y).mean()), 4)
    return found


def cost():
    """Prints the time of 16 samples against that of one, medians of paired runs."""
    x = np.random.default_rng(0).uniform(size=(20, 32, 32, 3)).astype("float32")
    unets = {"unet()": networks.unet(), "this benchmark's": networks.unet(FILTERS, HEAD_FILTERS)}
    for name, network in unets.items():
        prior = layers.IndependentNormal(LATENTS, network=encoder())
        generation = layers.IndependentBernoulli((32, 32, 1), network=network)
        model = CVAE(None, prior, generation, alpha=0.0)
        model(x)
        times = {1: [], NUM_SAMPLES: []}
        draw = {
            n: tf.function(functools.partial(model.sample, x, n, (0, 1), mean=True)) for n in times
        }
        for repeat in range(33):
            for number, taken in times.items():
                start = time.perf_counter()
                draw[number]().numpy()
                if repeat >= 3:
                    taken.append(time.perf_counter() - start)
        ratio = np.median(np.array(times[NUM_SAMPLES]) / np.array(times[1]))
        one, many = (1000 * np.median(taken) for taken in times.values())
        print(f"{name}: 1 sample {one:.1f} ms, {NUM_SAMPLES} samples {many:.1f} ms, {ratio:.2f}")
    print(common.environment())


def wanted():
    """All rows: every model once, the main ones with both strategies and over three seeds."""
    for data in DATA:
        for name in MODELS:
            for strategies in (PLAIN, BOTH) if name in MAIN else (PLAIN,):
                for seed in range(3) if name in MAIN else (0,):
                    yield data, name, strategies, seed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="instead of the number for each data set")
    parser.add_argument("--results", default=common.RESULTS / "segmentation.jsonl")
    parser.add_argument("--table", action="store_true", help="only print the tables")
    parser.add_argument("--figure", metavar="PNG", help="only draw the accuracy under occlusion")
    parser.add_argument("--cost", action="store_true", help="only print the cost of samples")
    arguments = parser.parse_args()
    if arguments.cost:
        return cost()
    rows = common.read_rows(arguments.results)
    if arguments.figure:
        return segmentation_report.figure(rows, list(DATA), arguments.figure)
    done = {(r["data"], r["model"], tuple(r["strategies"]), r["seed"]) for r in rows}
    for data, name, strategies, seed in [] if arguments.table else wanted():
        asked = data in arguments.data and name in arguments.models and seed in arguments.seeds
        if asked and (data, name, strategies, seed) not in done:
            epochs = arguments.epochs or EPOCHS[data]
            common.append_row(arguments.results, run(name, data, strategies, epochs, seed))
    for data in DATA:
        segmentation_report.table(common.read_rows(arguments.results), data)


if __name__ == "__main__":
    main()
