"""What the benchmarks share: rows in a JSON-lines file, and the facts that go with every figure."""

import datetime
import json
import os
import shutil
import sys
import time
from pathlib import Path

import keras

from tfcvae.callbacks import Backup
from tfcvae.versions import versions

RESULTS = Path(__file__).parent / "results"
WORK = Path("runs", "benchmarks", Path(sys.argv[0]).stem)
_own_backups = []


def environment():
    """The date, the machine's cores, the versions and the command of this run."""
    return {
        "date": datetime.date.today().isoformat(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "versions": versions(),
        "command": " ".join(["python", *sys.argv]),
    }


class Progress(keras.callbacks.Callback):
    """The curve of one log and the seconds of a run, over interruptions.

    Args:
        monitor: name of the log.
    """

    def __init__(self, monitor):
        super().__init__()
        self.monitor = monitor
        self.curve = []
        self._seconds = [0.0, 0.0]

    def on_train_begin(self, logs=None):
        self._start = time.time(), time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self.curve.append(float(logs[self.monitor]))

    def seconds(self):
        """Seconds until now, on the clock and of the processor."""
        now = time.time(), time.process_time()
        return [s + n - b for s, n, b in zip(self._seconds, now, self._start)]

    def get_state(self):
        """What a resumed run needs of an interrupted one."""
        return {"curve": self.curve, "seconds": self.seconds()}

    def set_state(self, state):
        """Goes on from the state of an interrupted run."""
        self.curve, self._seconds = state["curve"], state["seconds"]


def fit_best(
    model,
    data,
    monitor,
    mode,
    learning_rate,
    epochs,
    steps_per_epoch,
    compiling,
    name,
    clipnorm=None,
    ema_momentum=None,
    **arguments,
):
    """Fits a model with Adam, then gives it the weights of its best epoch.

    The learning rate decays by a cosine; or it is constant, and the moving average of the weights
    is what is validated and kept.

    A run that was killed goes on from its backup in `WORK`.

    Args:
        model: a built model.
        data: function from an initial epoch to an endless `tf.data.Dataset`.
        monitor: name of the log that picks the epoch.
        mode: `"min"` or `"max"`.
        learning_rate: float, the first one.
        epochs: int.
        steps_per_epoch: int.
        compiling: dict, arguments of `compile`.
        name: str, different for every run.
        clipnorm: float, the largest norm of all gradients together, or `None`.
        ema_momentum: float, the momentum of the moving average, or `None` for a decay.
        **arguments: arguments of `fit`.

    Returns:
        The best epoch, and the minutes of the training on the clock and of processor time.
    """
    averaging = {} if ema_momentum is None else {"use_ema": True, "ema_momentum": ema_momentum}
    if not averaging:
        steps = epochs * steps_per_epoch
        learning_rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = keras.optimizers.Adam(learning_rate, global_clipnorm=clipnorm, **averaging)
    model.compile(optimizer, **compiling)
    best = WORK / name / "best.weights.h5"
    best.parent.mkdir(parents=True, exist_ok=True)
    _own_backups.append(best.parent)
    checkpoint = keras.callbacks.ModelCheckpoint(
        best, monitor, mode=mode, save_best_only=True, save_weights_only=True
    )
    swap = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if averaging else []
    progress = Progress(monitor)
    backup = Backup(WORK / name / "backup.npz", [checkpoint, progress], delete=False)
    model.fit(
        data(backup.initial_epoch),
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        callbacks=[*swap, checkpoint, progress, backup],
        shuffle=False,
        verbose=2,
        **arguments,
    )
    model.load_weights(best)
    curve = progress.curve
    seconds, cpu_seconds = progress.seconds()
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
    """Appends a row with the facts of this run, as soon as it is known, and drops its backups.

    Those of other rows stay, also of processes that run beside this one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({**row, **environment()}) + "\n")
    while _own_backups:
        shutil.rmtree(_own_backups.pop(), ignore_errors=True)


def print_table(header, rows):
    """Prints a Markdown table."""
    for cells in [header, ["---"] * len(header), *rows]:
        print("| " + " | ".join(str(cell) for cell in cells) + " |")
