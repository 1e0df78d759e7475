"""A run that was killed goes on as if it had not been, and a damaged backup harms nothing."""

import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest
from processes import cluster

import tfcvae
from tfcvae import datasets, layers, networks, regularizers
from tfcvae.callbacks import Backup
from tfcvae.files import replacing

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
STEPS = 4


def model(units=4):
    """Every kind of state: dropout's generator, a multiplier, slots, a loss scale, schedules."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential([networks.mlp([units]), keras.layers.Dropout(0.3)])
    warm_up = keras.optimizers.schedules.PolynomialDecay(0.0, 10, 1.0)
    vae = tfcvae.VAE(
        layers.IndependentNormal(2, network=network),
        layers.IndependentNormal(3, scale="shared"),
        regularizers=[regularizers.KL(warm_up), regularizers.GECO(2.0)],
        seed=0,
    )
    vae.build((None, 3))
    rate = keras.optimizers.schedules.CosineDecay(0.1, 6 * STEPS)
    vae.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(rate)))
    return vae


def fit(vae, epochs, *callbacks, initial_epoch=0):
    data = datasets.stream(X, 5, seed=1, initial_epoch=initial_epoch)
    arguments = {"validation_data": (X,), "callbacks": list(callbacks), "verbose": 0}
    vae.fit(data, epochs=epochs, steps_per_epoch=STEPS, **arguments)
    return vae


def state(vae):
    return [np.array(v.numpy()) for v in [*vae.variables, *vae.optimizer.variables]]


def assert_bit_equal(first, second):
    assert all(np.array_equal(a, b) for a, b in zip(state(first), state(second), strict=True))


class Killed(keras.callbacks.Callback):
    """Ends a run in the middle of an epoch, as a kill does: nothing runs after it."""

    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.at and batch == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("order", ["last", "first"])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, order):
    path = tmp_path / "new" / "backup.npz"

    def callbacks():
        stopping = keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
        checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True)
        others = [stopping, checkpoint]
        backup = Backup(path, others)
        return (backup, *others) if order == "first" else (*others, backup)

    whole = fit(model(), 6, *callbacks())
    for epoch in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            fit(model(), 6, *callbacks(), Killed(epoch), initial_epoch=Backup(path).initial_epoch)
        assert Backup(path).initial_epoch == epoch
    resumed = fit(model(), 6, *callbacks(), initial_epoch=Backup(path).initial_epoch)
    assert_bit_equal(whole, resumed)
    assert not path.exists()


def test_a_finished_run_can_be_kept_and_prolonged(tmp_path):
    path = tmp_path / "backup.npz"
    fit(model(), 2, Backup(path, delete=False))
    assert Backup(path).initial_epoch == 2
    unchanged = fit(model(), 2, Backup(path, delete=False), initial_epoch=2)
    resumed = fit(model(), 4, Backup(path), initial_epoch=2)
    assert_bit_equal(resumed, fit(model(), 4))
    assert_bit_equal(unchanged, fit(model(), 2))


def test_keras_own_backup_resumes_bit_equal(tmp_path):
    """Its files lack random states, which the models derive from the step."""

    def make():
        vae = tfcvae.VAE(layers.IndependentNormal(2), layers.IndependentNormal(3), seed=0)
        vae.build((None, 3))
        vae.compile(keras.optimizers.Adam(0.01))
        return vae

    keras.utils.set_random_seed(0)
    whole = fit(make(), 4)
    for killed in ([Killed(2)], []):
        keras.utils.set_random_seed(0)
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        try:
            resumed = fit(make(), 4, backup, *killed, initial_epoch=0 if killed else 2)
        except KeyboardInterrupt:
            continue
    assert_bit_equal(whole, resumed)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "format", "model", "callbacks"])
def test_a_backup_that_does_not_fit_is_refused_and_left(tmp_path, damage):
    path = tmp_path / "backup.npz"
    fit(model(), 1, Backup(path, delete=False))
    content = path.read_bytes()
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "foreign":
        content = b"something else"
    elif damage == "format":
        np.savez(path, np.zeros(3), metadata=json.dumps({"format": "another"}))
        content = path.read_bytes()
    path.write_bytes(content)
    own = [keras.callbacks.EarlyStopping()] if damage == "callbacks" else []
    vae = model(5 if damage == "model" else 4)
    before = state(vae)
    with pytest.raises(ValueError, match=r"File `.*backup.npz` .*Received"):
        fit(vae, 2, Backup(path, own))
    assert path.read_bytes() == content
    for a, b in zip(before, state(vae)):
        np.testing.assert_array_equal(a, b)


def test_a_full_disk_leaves_the_earlier_backup(tmp_path, monkeypatch):
    path = tmp_path / "backup.npz"
    fit(model(), 1, Backup(path, delete=False))
    content = path.read_bytes()

    def full(temporary, *arrays, **named):
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match=r"No space left.*backup.npz"):
        fit(model(), 3, Backup(path), initial_epoch=1)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["backup.npz"]


def test_a_killed_write_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("whole")
    code = (
        "import os, sys; from tfcvae.files import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)])
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "whole"
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"] and path.read_text() == "new"


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must end in `.npz`.*Received: path='backup.h5'"):
        Backup("backup.h5")
    vae = tfcvae.VAE(layers.IndependentNormal(2), layers.IndependentNormal(3))
    vae.compile("adam")
    with pytest.raises(ValueError, match="must be built before"):
        keras.callbacks.CallbackList([Backup(tmp_path / "b.npz")], model=vae).on_train_begin()


# ---- The command line ------------------------------------------------------------------------

TRAIN = ["train", "quadrants", "--units", "8", "--latents", "2", "--epochs", "12"]
TRAIN += ["--num-samples", "2", "--warm-up", "3"]


def start(output, *options, **environment):
    command = [sys.executable, "-m", "tfcvae", *TRAIN, "--output", str(output), *options]
    environment = {**os.environ, **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=environment, **pipes)


def outcome(output):
    """The weights of the best model by name, the test results and the curves."""
    metrics = json.loads((output / "metrics.json").read_text())
    with zipfile.ZipFile(output / "model.keras") as archive:
        file = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    weights = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            weights[name] = item[()].tobytes()

    file.visititems(collect)
    return weights, metrics["results"], metrics["history"]


@pytest.mark.parametrize("num_kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_survives_kills_at_any_moment(tmp_path, num_kills):
    rng, run = random.Random(num_kills), tmp_path / "killed"
    for _ in range(num_kills):
        process = start(run, "--resume")
        process.stdout.readline()  # The first epoch has begun.
        time.sleep(rng.uniform(0, 3))
        process.kill()
        process.communicate()
    for output in (run, tmp_path / "whole"):
        text = start(output, "--resume").communicate()[0]
        assert (output / "metrics.json").is_file(), text
    assert outcome(run) == outcome(tmp_path / "whole")
    assert not list(run.glob(".*")) and not (run / "backup.npz").exists()


@pytest.mark.slow
def test_two_workers_resume_after_one_was_killed(tmp_path):
    """The chief says that a worker was lost; both started again finish the run."""

    def start_both():
        return [
            start(tmp_path, "--resume", "--distribute", TF_CONFIG=config) for config in cluster()
        ]

    chief, other = start_both()
    while "val_elbo" not in chief.stdout.readline():
        assert chief.poll() is None
    other.kill()
    text = chief.communicate(timeout=120)[0]
    assert chief.returncode == 2 and "start all of them again with --resume" in text, text
    earlier = json.loads((tmp_path / "metrics.json").read_text())
    outputs = [process.communicate(timeout=300)[0] for process in start_both()]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["finished"] and metrics["epochs_run"] == 12, outputs
    curve, before = metrics["history"]["elbo"], earlier["history"]["elbo"]
    assert len(curve) == 12 and curve[: len(before)] == before
    assert "Negative log-likelihood" in outputs[0] and "Negative" not in outputs[1]


def test_bfloat16_weights_are_restored(tmp_path):
    def half():
        vae = tfcvae.VAE(
            layers.IndependentNormal(2, network=keras.layers.Dense(3, dtype="bfloat16")),
            layers.IndependentNormal(3),
        )
        vae.build((None, 3))
        vae.compile("adam")
        return vae

    x, first, second = np.ones((4, 3), "float32"), half(), half()
    for vae in (first, second):
        backup = Backup(tmp_path / "backup.npz", delete=False)
        vae.fit(x, epochs=1, verbose=0, callbacks=[backup])
    for a, b in zip(first.weights, second.weights):
        np.testing.assert_array_equal(a.numpy().astype("float32"), b.numpy().astype("float32"))
