"""Throughput and latency of served signatures, in the C++ session and through a stand-in by REST.

    python benchmarks/serving.py              a CVAE of the size for MNIST, with random weights
    python benchmarks/serving.py --seconds 5  longer

Latency is that of one caller who waits for each answer. The stand-in speaks TensorFlow Serving's
REST protocol but is not its server: what it adds is JSON and HTTP in Python.
"""

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import common
import numpy as np

from tfcvae import CVAE, layers, networks, serving

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import stand_in  # noqa: E402

BATCHES = (1, 64)
HIDDEN = 588
LATENTS = 50


def model():
    """The CVAE of the quadrants benchmark, with random weights."""

    def mlp():
        return networks.mlp([500, 500], activation="swish")

    cvae = CVAE(
        layers.IndependentNormal(LATENTS, network=mlp()),
        layers.IndependentNormal(LATENTS, network=mlp()),
        layers.IndependentBernoulli((HIDDEN,), network=mlp()),
    )
    cvae.build((None, 28, 28, 1))
    return cvae


def requests(batch):
    """The inputs of every signature for a batch."""
    x = np.zeros((batch, 28, 28, 1), "float32")
    y = np.zeros((batch, HIDDEN), "float32")
    seed, count = np.array([0, 1], "int32"), np.array(10, "int32")
    return {
        "predict": {"x": x},
        "recognize": {"x": x, "y": y},
        "generate": {"x": x, "num_samples": count, "seed": seed},
        "generate_rows": {"x": x, "seed": np.arange(batch, dtype="int32")},
        "log_prob": {"x": x, "y": y, "num_samples": count, "seed": seed},
    }


def measure(call, seconds):
    """Sorted seconds of single calls, after a few that warm up."""
    for _ in range(5):
        call()
    taken, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return np.sort(taken)


def by_rest(url, signature, inputs):
    """A call of the columnar REST format, with its body made once."""
    columns = {name: value.tolist() for name, value in inputs.items()}
    body = json.dumps({"signature_name": signature, "inputs": columns}).encode()

    def call():
        with urllib.request.urlopen(urllib.request.Request(f"{url}:predict", body)) as response:
            response.read()

    return call


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure")
    arguments = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        path = serving.export(model(), folder, warmup=False)
        native = serving.NativeModel(path)
        with stand_in.rest(path) as url:
            for batch in BATCHES:
                for name, inputs in requests(batch).items():
                    calls = {
                        "C++ session": lambda n=name, i=inputs: native.run(n, **i),
                        "REST stand-in": by_rest(url, name, inputs),
                    }
                    for where, call in calls.items():
                        taken = measure(call, arguments.seconds)
                        p50, p99 = np.quantile(taken, [0.5, 0.99]) * 1000
                        rate = f"{batch / taken.mean():,.0f}"
                        lines.append([name, batch, where, rate, f"{p50:.2f}", f"{p99:.2f}"])
    header = ["signature", "batch", "through", "rows/s", "p50 ms", "p99 ms"]
    common.print_table(header, lines)
    print(common.environment())


if __name__ == "__main__":
    main()
