"""Whether `mixed_bfloat16` costs nats: the test ELBO of one VAE in either precision.

    python benchmarks/precision.py              all rows that are not in the results yet
    python benchmarks/precision.py --table      the table of the results

The VAE of throughput.py on binarised Fashion-MNIST, 10 epochs.
"""

import argparse
import statistics

import common
import keras

from tfcvae import VAE, datasets, evaluation, layers, networks

RESULTS = common.RESULTS / "precision.jsonl"
POLICIES = ("float32", "mixed_bfloat16")
SEEDS = (0, 1, 2)
EPOCHS = 10


def test_elbo(splits, policy, seed):
    """The ELBO of the test images in nats, one draw each, in float32 weights."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(policy)
    model = VAE(
        layers.IndependentNormal(32, network=networks.mlp([512, 512])),
        layers.IndependentBernoulli((28, 28, 1), network=networks.mlp([512, 512])),
    )
    model.compile("adam")
    train, test = (datasets.binarize(split.images) for split in (splits.train, splits.test))
    model.fit(train, batch_size=128, epochs=EPOCHS, verbose=2)
    return round(evaluation.elbo(model, test, verbose=0).mean, 3)


def table():
    """Prints the mean over the seeds, and every seed."""
    rows = common.read_rows(RESULTS)
    lines = []
    for policy in POLICIES:
        own = [row["elbo"] for row in rows if row["policy"] == policy]
        lines.append((policy, f"{statistics.mean(own):.2f}", ", ".join(f"{v:.2f}" for v in own)))
    common.print_table(["precision", "mean test ELBO", "each seed"], lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true")
    if parser.parse_args().table:
        return table()
    present = {(row["policy"], row["seed"]) for row in common.read_rows(RESULTS)}
    splits = datasets.fashion_mnist()
    for seed in SEEDS:
        for policy in POLICIES:
            if (policy, seed) not in present:
                row = {"policy": policy, "seed": seed, "epochs": EPOCHS}
                common.append_row(RESULTS, {**row, "elbo": test_elbo(splits, policy, seed)})
    table()


if __name__ == "__main__":
    main()
