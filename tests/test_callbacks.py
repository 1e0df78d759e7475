import math

import keras
import numpy as np
import pytest

import tfcvae
from tfcvae import layers
from tfcvae.callbacks import BestCheckpoint


@pytest.fixture
def model():
    return keras.Sequential([keras.Input([1]), keras.layers.Dense(1, use_bias=False)])


@pytest.fixture
def checkpoint(model, tmp_path):
    callback = BestCheckpoint(tmp_path / "new" / "model.keras", "score")
    callback.set_model(model)
    return callback


def end_epochs(callback, *values):
    """Ends one epoch for each value, the weight of the model being the number of the epoch."""
    for epoch, value in enumerate(values):
        callback.model.set_weights([np.full([1, 1], epoch + 1.0)])
        callback.on_epoch_end(epoch, {} if value is None else {"score": value})


def saved_epoch(callback):
    return float(keras.saving.load_model(callback.path).get_weights()[0][0, 0])


def files(callback):
    return [path.name for path in callback.path.parent.iterdir()]


@pytest.mark.parametrize(
    "mode, values, best_epoch",
    [
        ("max", [1.0, 3.0, 2.0], 2),
        ("min", [1.0, 3.0, 2.0], 1),
        ("max", [-5.0, -5.0], 1),
        ("max", [None, -9.0, math.nan, math.inf, None], 2),
        ("max", [np.float32(1.0), np.float32(2.0)], 2),
    ],
    ids=["max", "min", "first of equals", "missing and not finite", "numpy"],
)
def test_best_checkpoint_keeps_the_best_epoch(checkpoint, mode, values, best_epoch):
    checkpoint.mode = mode
    end_epochs(checkpoint, *values)
    assert saved_epoch(checkpoint) == checkpoint.best_epoch == best_epoch
    assert checkpoint.best == values[best_epoch - 1]
    assert files(checkpoint) == ["model.keras"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_save_that_does_not_end_leaves_the_earlier_file(checkpoint, monkeypatch, error):
    end_epochs(checkpoint, 1.0)
    before = checkpoint.path.read_bytes()

    def save(path):
        path.write_bytes(b"half a model")
        raise error

    monkeypatch.setattr(checkpoint.model, "save", save)
    with pytest.raises(error):
        checkpoint.on_epoch_end(1, {"score": 2.0})
    assert checkpoint.path.read_bytes() == before
    assert files(checkpoint) == ["model.keras"]
    assert (checkpoint.best, checkpoint.best_epoch) == (1.0, 1)


def test_the_earlier_file_stays_until_the_new_one_is_complete(checkpoint, monkeypatch):
    end_epochs(checkpoint, 1.0)
    save = checkpoint.model.save
    during = []

    def slow_save(path):
        save(path)
        during.append(saved_epoch(checkpoint))

    monkeypatch.setattr(checkpoint.model, "save", slow_save)
    end_epochs(checkpoint, 1.0, 2.0)
    assert during == [1.0]
    assert saved_epoch(checkpoint) == 2.0


def test_best_checkpoint_warns_when_there_was_nothing_to_monitor(checkpoint):
    end_epochs(checkpoint, None, math.nan)
    with pytest.warns(UserWarning, match="No checkpoint was written.*'score'.*validation_data"):
        checkpoint.on_train_end()
    assert not checkpoint.path.exists()


def test_best_checkpoint_follows_the_validation_elbo_of_fit(tmp_path):
    vae = tfcvae.VAE(layers.IndependentNormal(1), layers.IndependentNormal(2, scale="shared"))
    vae.compile(keras.optimizers.SGD(0.5))
    x = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
    checkpoint = BestCheckpoint(tmp_path / "model.keras")
    arguments = {"epochs": 3, "validation_data": (x,), "callbacks": [checkpoint], "verbose": 0}
    curve = vae.fit(x, **arguments).history["val_elbo"]
    assert checkpoint.best == max(curve)
    assert checkpoint.best_epoch == 1 + np.argmax(curve)
    restored = keras.saving.load_model(checkpoint.path)
    assert restored.evaluate(x, verbose=0, return_dict=True)["elbo"] == pytest.approx(max(curve))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"path": "model.h5"}, "path='model.h5'"),
        ({"path": "model.keras", "mode": "best"}, "mode='best'"),
    ],
)
def test_best_checkpoint_rejects_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        BestCheckpoint(**arguments)
