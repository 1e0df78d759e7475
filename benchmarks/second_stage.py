"""Whether a second VAE needs a warm-up of its KL: units in use and density, with and without one.

    python benchmarks/second_stage.py            all rows that are not in the results yet
    python benchmarks/second_stage.py --table    the table of the results

The embedded 8 x 8 digits. The first VAE has 16 latent variables and one learned scale of its normal
likelihood; `log p(z)` is the mean over z ~ q(z|x) of the test digits, 500 draws of u each.
"""

import argparse
import statistics

import common
import keras

from tfcvae import VAE, datasets, evaluation, layers, networks, priors

RESULTS = common.RESULTS / "second_stage.jsonl"
WARM_UPS = (0.0, 0.25, 0.5)
SEEDS = (0, 1, 2)
LATENTS = 16


def first_stage(x, seed):
    """A trained VAE of the digits."""
    keras.utils.set_random_seed(seed)
    vae = VAE(
        layers.IndependentNormal(LATENTS, network=networks.mlp([256, 256])),
        layers.IndependentNormal(x.shape[1:], network=networks.mlp([256, 256]), scale="shared"),
        seed=seed,
    )
    vae.compile(keras.optimizers.Adam(1e-3), steps_per_execution=12)
    vae.fit(x, batch_size=128, epochs=150, verbose=0)
    return vae


def run(vae, splits, warm_up, seed):
    """Trains and scores one second stage."""
    keras.utils.set_random_seed(seed)
    stage = priors.SecondStage.fit_to(
        vae,
        splits.train.images,
        epochs=200,
        warm_up=warm_up,
        seed=seed,
        verbose=0,
        hidden_units=(256, 256, 256),
    )
    z = vae.encode(splits.test.images).sample(seed=(0, seed)).numpy()
    second = VAE(stage.encoder, stage.decoder)
    second.build((None, LATENTS))
    standard = vae.prior_distribution().log_prob(z).numpy().mean()
    return {
        "warm_up": warm_up,
        "seed": seed,
        "active": evaluation.active_units(second, z).count,
        "log_prob": round(evaluation.log_likelihood(second, z, 500, verbose=0).mean, 3),
        "standard_normal": round(float(standard), 3),
    }


def table():
    """Prints the means over the seeds."""
    rows = common.read_rows(RESULTS)
    lines = []
    for warm_up in WARM_UPS:
        own = [row for row in rows if row["warm_up"] == warm_up]
        active = ", ".join(str(row["active"]) for row in own)
        mean = statistics.mean(row["log_prob"] for row in own)
        standard = statistics.mean(row["standard_normal"] for row in own)
        lines.append((warm_up, active, f"{mean:.2f}", f"{standard:.2f}"))
    header = ["warm-up, share of the training", "active units by seed", "log p(z)", "of N(0, I)"]
    common.print_table(header, lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        return table()
    present = {(row["warm_up"], row["seed"]) for row in common.read_rows(RESULTS)}
    splits = datasets.digits()
    for seed in SEEDS:
        missing = [w for w in WARM_UPS if (w, seed) not in present]
        vae = first_stage(splits.train.images, seed) if missing else None
        for warm_up in missing:
            common.append_row(RESULTS, run(vae, splits, warm_up, seed))
    table()


if __name__ == "__main__":
    main()
