"""What the benchmarks share: rows in a JSON-lines file, and the facts that go with every figure."""

import datetime
import importlib.metadata
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import keras

RESULTS = Path(__file__).parent / "results"


def environment():
    """The date, the machine's cores, the versions and the command of this run."""
    packages = ("tfcvae", "tensorflow", "keras", "tensorflow-probability", "numpy")
    return {
        "date": datetime.date.today().isoformat(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "command": " ".join(["python", *sys.argv]),
    }


def fit_best(
    model, data, monitor, mode, learning_rate, epochs, steps_per_epoch, compiling, **arguments
):
    """Fits a model with Adam and a cosine decay, then gives it the weights of its best epoch.

    Args:
        model: a built model.
        data: an endless `tf.data.Dataset`.
        monitor: name of the log that picks the epoch.
        mode: `"min"` or `"max"`.
        learning_rate: float, the first one.
        epochs: int.
        steps_per_epoch: int.
        compiling: dict, arguments of `compile`.
        **arguments: arguments of `fit`.

    Returns:
        The best epoch, and the minutes of the training on the clock and of processor time.
    """
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps_per_epoch)
    model.compile(keras.optimizers.Adam(schedule), **compiling)
    with tempfile.TemporaryDirectory() as folder:
        best = Path(folder) / "best.weights.h5"
        checkpoint = keras.callbacks.ModelCheckpoint(
            best, monitor, mode=mode, save_best_only=True, save_weights_only=True
        )
        start, start_cpu = time.time(), time.process_time()
        fitted = model.fit(
            data,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            callbacks=[checkpoint],
            shuffle=False,
            verbose=2,
            **arguments,
        )
        seconds, cpu_seconds = time.time() - start, time.process_time() - start_cpu
        model.load_weights(best)
    curve = fitted.history[monitor]
    return {
        "best_epoch": 1 + curve.index(min(curve) if mode == "min" else max(curve)),
        "train_minutes": round(seconds / 60, 1),
        "train_cpu_minutes": round(cpu_seconds / 60, 1),
    }


def read_rows(path):
    """The rows of a results file, or none if there is no such file."""
    path = Path(path)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append_row(path, row):
    """Appends a row with the facts of this run, as soon as it is known."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({**row, **environment()}) + "\n")


def print_table(header, rows):
    """Prints a Markdown table."""
    for cells in [header, ["---"] * len(header), *rows]:
        print("| " + " | ".join(str(cell) for cell in cells) + " |")
