"""How the cost of training grows with batch, width, latent variables and steps of a flow prior.

    python benchmarks/growth.py              all rows that are not in the results yet
    python benchmarks/growth.py --table      the tables of the results

The VAE of throughput.py, in which one size changes at a time, through `fit`: compiled by XLA, and
by TensorFlow's own kernels. The median of five executions of 32 steps.
"""

import argparse
import statistics
import time

import common
import keras
import numpy as np

from tfcvae import VAE, layers, networks, priors

RESULTS = common.RESULTS / "growth.jsonl"
BASE = {"batch": 128, "width": 512, "latents": 32, "flow": 0}
SIZES = {
    "batch": (32, 128, 512, 1024, 4096),
    "width": (128, 256, 512, 1024, 2048),
    "latents": (2, 8, 32, 128),
    "flow": (0, 1, 2, 4, 8),
}
STEPS = 32
REPEATS = 5
MODES = {"XLA": True, "graph": False}


class Clock(keras.callbacks.Callback):
    """The seconds of every execution of steps."""

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = [*getattr(self, "seconds", []), time.perf_counter() - self._start]


def milliseconds(compiled, batch, width, latents, flow):
    """Milliseconds of a training step."""
    keras.backend.clear_session()
    x = (np.random.default_rng(0).random((STEPS * batch, 784)) < 0.3).astype("float32")
    model = VAE(
        layers.IndependentNormal(latents, network=networks.mlp([width, width])),
        layers.IndependentBernoulli((784,), network=networks.mlp([width, width])),
        prior=priors.MAF(latents, flow, (128, 128)) if flow else None,
    )
    model.compile("adam", steps_per_execution=STEPS, jit_compile=compiled)
    clock = Clock()
    model.fit(x, batch_size=batch, epochs=REPEATS + 1, verbose=0, callbacks=[clock])
    return 1000 * statistics.median(clock.seconds[1:]) / STEPS


def table():
    """Prints a table for every size."""
    rows = common.read_rows(RESULTS)
    for size in SIZES:
        print()
        lines = [
            (
                row["value"],
                *(f"{row['milliseconds'][mode]:.1f}" for mode in MODES),
                f"{1000 * row['batch'] / min(row['milliseconds'].values()):,.0f}",
            )
            for row in rows
            if row["size"] == size
        ]
        common.print_table([size, *(f"{m}, ms a step" for m in MODES), "examples/s"], lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", action="store_true")
    if parser.parse_args().table:
        return table()
    present = {(row["size"], row["value"]) for row in common.read_rows(RESULTS)}
    for size, values in SIZES.items():
        for value in values:
            if (size, value) in present:
                continue
            sizes = {**BASE, size: value}
            figures = {m: round(milliseconds(c, **sizes), 2) for m, c in MODES.items()}
            row = {"size": size, "value": value, **sizes, "milliseconds": figures}
            common.append_row(RESULTS, row)


if __name__ == "__main__":
    main()
