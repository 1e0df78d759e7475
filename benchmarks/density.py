"""Priors compared by the density of images: -log p(x) of Fashion-MNIST and MNIST, in nats.

    python benchmarks/density.py                      all rows that are not in the results yet
    python benchmarks/density.py --models vamp maf    some of them
    python benchmarks/density.py --table              the tables of the results
    python benchmarks/density.py --figure PNG         the comparison as a figure

Every model has the same encoder and decoder, two layers of 300 gated units each, and 40 latent
variables, and is trained for about ten minutes on one core, with a learning rate that decays. Some
are also trained for about an hour; in 120 epochs and more such a decay fits the training images too
well, so that the rate is constant there and the moving average of the weights is scored.
`conv` has convolutions in bfloat16, a MAF as p(z) and an inverse autoregressive flow behind q(z|x).
`maf_iwae` is a MAF that goes on, at last, on the importance-weighted bound of 5 draws;
`deep_conv_iwae` the same with convolutions, in bfloat16, and a deeper decoder than that of `conv`.
Convolutions and the second VAEs, whose density is an estimate by draws of its own, are scored with
500 draws, and with 5,000 on the first 1,000 test images; the others with 1,000, the main ones and
`maf_iwae` with 5,000 too.

The protocol is that of Norouzi, Fleet and Norouzi (2020), arXiv:2004.04795: 50,000 / 10,000 /
10,000 images; training pixels binarised by sampling anew in every epoch, validation and test images
once; the validation set picks the epoch, and the test set is used once, with importance-sampled
log-likelihoods.
"""

import argparse

import common
import density_report
import keras
from density_models import BEST, MAIN, MODELS, SHAPE, SLOW, parts_of

from tfcvae import VAE, datasets, evaluation, priors, regularizers

BATCH_SIZE = 100
LEARNING_RATE = 2e-3
AVERAGED = {"learning_rate": 1e-3, "ema_momentum": 0.9998}
AVERAGED_FROM = 120
"""The number of epochs from which the learning rate is constant and the weights are averaged."""
WARM_UP_EPOCHS = 100
CLIP_NORM = 100.0
"""A bound of the gradients' norm, twice what is usual: one draw in ten millions can get so small a
density from a flow that its gradient would move every weight."""
FIRST = {"two_stage": "standard_normal", "maf_iwae": "maf", "deep_conv_iwae": "deep_conv"}
"""What a model is at first, if not itself."""
REFINING_EPOCHS = {"maf_iwae": 90, "deep_conv_iwae": 16}
"""The epochs, of all, of importance-weighted training."""
DATA = {"fashion_mnist": datasets.fashion_mnist, "mnist": datasets.mnist}
EPOCHS = {
    "standard_normal": (100, 560),
    "vamp": (32,),
    "maf": (100, 360),
    "nsf": (60,),
    "second_stage": (60,),
    "two_stage": (80,),
    "iaf_posterior": (80,),
    "iwae": (30,),
    "maf_iwae": (450,),
    "iaf": (30,),
    "both_flows": (300,),
    "conv": (80,),
    "deep_conv_iwae": (134,),
}
DEFAULT_EPOCHS = (100,)


def run(data, name, epochs, seed):
    """Trains and scores one row."""
    keras.utils.set_random_seed(seed)
    first = FIRST.get(name, name)
    convolutions = "conv" in first
    keras.config.set_dtype_policy("mixed_bfloat16" if convolutions else "float32")
    splits = DATA[data]()
    images = splits.train.images
    validation, test = (
        datasets.binarize(part.images, seed=i)
        for i, part in ((1, splits.validation), (2, splits.test))
    )
    steps = -(-len(images) // BATCH_SIZE)

    def fit(model, epochs, settings, earlier=0):
        def train(initial_epoch):
            start = earlier + initial_epoch
            return datasets.stream(images, BATCH_SIZE, seed, datasets.binarize, start)

        model.build((None, *SHAPE))
        return common.fit_best(
            model,
            train,
            "val_importance_bound" if model.importance_weighted else "val_elbo",
            "max",
            epochs=epochs,
            steps_per_epoch=steps,
            compiling={"jit_compile": not convolutions, "steps_per_execution": 50},
            name=f"density-{data}-{name}-{earlier + epochs}-{seed}",
            clipnorm=CLIP_NORM,
            **settings,
            validation_data=(validation,),
            validation_batch_size=1000,
        )

    encoder, decoder, prior, arguments = parts_of(first, images)
    refining = REFINING_EPOCHS.get(name, 0)
    if not arguments:
        warm_up_steps = min(WARM_UP_EPOCHS, (epochs - refining) // 5) * steps
        warm_up = keras.optimizers.schedules.PolynomialDecay(0.0, warm_up_steps, 1.0)
        arguments = {"regularizers": [regularizers.KL(warm_up)]}
    model = VAE(encoder, decoder, prior, seed=seed, **arguments)
    settings = AVERAGED if epochs >= AVERAGED_FROM else {"learning_rate": LEARNING_RATE}
    training = fit(model, epochs - refining, settings)
    if refining:
        model = VAE(encoder, decoder, prior, seed=seed, num_samples=5, importance_weighted=True)
        refined = fit(model, refining, settings, earlier=epochs - refining)
        training = {key: value + refined[key] for key, value in training.items()}
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
    if name in (*MAIN, "maf_iwae"):
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
    density_report.summary(rows, MAIN + BEST)
    density_report.advice(rows)


if __name__ == "__main__":
    main()
