"""What `compile` leaves open: steps that run together, and compilation by XLA."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcvae import VAE, datasets, layers, networks, pipeline
from tfcvae.models import execution, loop

X = (np.random.default_rng(0).random((70, 6)) < 0.4).astype("float32")
WEIGHTS = 170


def vae(network=None):
    return VAE(
        layers.IndependentNormal(2, network=network or networks.mlp([8])),
        layers.IndependentBernoulli((6,), network=networks.mlp([8])),
        seed=3,
    )


class Batches(keras.callbacks.Callback):
    """Counts the executions of an epoch, which are batches to a callback."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(batch)


class Steps(keras.callbacks.Callback):
    """Notes how the epoch runs."""

    def on_epoch_end(self, epoch, logs=None):
        self.steps = self.model.steps_per_execution
        self.compiled = self.model._train_settings[1]


def steps_of(model, *callbacks, **arguments):
    """The steps that one execution joins, and whether it is compiled."""
    note = Steps()
    arguments = {"x": X, "batch_size": 5, "verbose": 0, **arguments}
    model.fit(**arguments, callbacks=[note, *callbacks])
    return note.steps, note.compiled


def compiled(model=None, **settings):
    model = model or vae()
    model.compile("adam", **settings)
    return model


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_default_trains_as_single_steps_do(monkeypatch, jit_compile):
    """Bit for bit, with a partial last batch; XLA is for training only."""
    monkeypatch.setattr(execution, "WORK_WORTH_COMPILING", 1 if jit_compile else 10**12)
    single = {"steps_per_execution": 1, "jit_compile": jit_compile}
    runs = []
    for settings in ({}, single):
        keras.utils.set_random_seed(1)
        model = compiled(**settings)
        held_out = None if jit_compile else (X,)
        x = X[:64] if jit_compile else X
        logs = model.fit(x, batch_size=8, epochs=2, verbose=0, validation_data=held_out).history
        runs.append((logs, model.get_weights()))
    (logs, weights), (own_logs, own_weights) = runs
    assert logs == own_logs
    for a, b in zip(weights, own_weights):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("stacked_bytes", [1, 3 * 8 * 6 * 4, 1 << 28])
def test_steps_in_one_program_train_as_programs_of_one_step_do(monkeypatch, stacked_bytes):
    """With a partial last batch, a partial last execution, and batches without a y."""
    monkeypatch.setattr(loop, "STACKED_BYTES", stacked_bytes)
    data = tf.data.Dataset.from_tensor_slices(X).batch(8).map(lambda x: (x, None, x[:, 0]))
    runs = []
    for steps in (1, 4):
        keras.utils.set_random_seed(1)
        model = compiled(steps_per_execution=steps, jit_compile=True)
        history = model.fit(data, epochs=2, verbose=0).history
        assert int(model.optimizer.iterations) == 18
        runs.append((history, model.get_weights()))
    (history, weights), (own_history, own_weights) = runs
    for name, values in history.items():
        np.testing.assert_allclose(values, own_history[name], rtol=1e-5)
    for a, b in zip(weights, own_weights):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_convolutions_stay_out_of_loops_that_xla_compiles():
    network = keras.Sequential(
        [keras.layers.Reshape((6, 1)), keras.layers.Conv1D(2, 3), keras.layers.Flatten()]
    )
    settings = {"steps_per_execution": 4, "jit_compile": True}
    dense, convolutional = compiled(**settings), compiled(vae(network), **settings)
    for model in (dense, convolutional):
        model.build((None, 6))
    assert execution.is_one_program(dense) and not execution.is_one_program(convolutional)


def test_data_that_are_not_of_tf_data_are_trained_by_keras():
    model = compiled(steps_per_execution=4, jit_compile=True)
    model.fit(((X[:8],) for _ in range(6)), steps_per_epoch=4, verbose=0)
    assert int(model.optimizer.iterations) == 4


def test_one_program_on_a_named_device():
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        model = compiled(steps_per_execution=4, jit_compile=True)
    model.fit(X, batch_size=8, verbose=0)
    assert int(model.optimizer.iterations) == 9


@pytest.mark.parametrize(
    "arguments,expected",
    [
        ({}, 32),
        ({"x": tf.data.Dataset.from_tensor_slices(X).batch(5).repeat(), "steps_per_epoch": 45}, 15),
        ({"x": tf.data.Dataset.from_tensor_slices(X).batch(5).repeat(), "steps_per_epoch": 7}, 7),
        ({"steps_per_epoch": 12, "validation_data": (X,), "validation_steps": 2}, 2),
    ],
)
def test_steps_are_joined_without_a_step_too_many(arguments, expected):
    arguments = {"batch_size": None if "x" in arguments else 5, **arguments}
    model = compiled()
    assert steps_of(model, **arguments) == (expected, False)
    assert int(model.optimizer.iterations) == arguments.get("steps_per_epoch", 14)


@pytest.mark.parametrize(
    "callback,expected",
    [
        (Batches(), 1),
        (keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None), 32),
        (keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None), 1),
        (keras.callbacks.EarlyStopping(), 32),
        (keras.callbacks.TerminateOnNaN(), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_callback_that_acts_on_batches_sees_each(callback, expected):
    steps, _ = steps_of(compiled(), callback, validation_data=(X,))
    assert steps == expected
    if isinstance(callback, Batches):
        assert callback.ends == list(range(14))


def test_a_checkpoint_of_epochs_does_not_keep_steps_apart(tmp_path):
    path = str(tmp_path / "model.keras")
    assert steps_of(compiled(), keras.callbacks.ModelCheckpoint(path))[0] == 32
    assert steps_of(compiled(), keras.callbacks.ModelCheckpoint(path, save_freq=3))[0] == 1


def test_eager_models_and_explicit_settings_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr(execution, "WORK_WORTH_COMPILING", 1)
    assert steps_of(compiled(run_eagerly=True)) == (1, False)
    assert steps_of(compiled(steps_per_execution=2, jit_compile=False)) == (2, False)


@pytest.mark.parametrize(
    "network,expected",
    [
        (lambda: networks.mlp([4]), True),
        (lambda: keras.Sequential([keras.layers.Lambda(lambda x: x)]), False),
        (
            lambda: keras.Sequential([keras.layers.Reshape((6, 1)), keras.layers.Conv1D(2, 3)]),
            False,
        ),
    ],
    ids=["dense", "lambda", "convolution"],
)
def test_long_trainings_of_dense_networks_are_compiled(monkeypatch, network, expected):
    monkeypatch.setattr(execution, "WORK_WORTH_COMPILING", 1)
    network = keras.Sequential([network(), keras.layers.Flatten()])
    assert steps_of(compiled(vae(network)))[1] is expected


def test_a_second_fit_decides_anew(monkeypatch):
    model = compiled()
    assert steps_of(model, steps_per_epoch=6) == (6, False)
    assert steps_of(model, Batches()) == (1, False)
    assert model.count_params() == WEIGHTS
    monkeypatch.setattr(execution, "WORK_WORTH_COMPILING", 14 * WEIGHTS + 1)
    assert steps_of(model) == (32, False)
    monkeypatch.setattr(execution, "WORK_WORTH_COMPILING", 14 * WEIGHTS)
    assert steps_of(model) == (32, True)
    assert (model.steps_per_execution, model.jit_compile) == (1, False)
    assert int(model.optimizer.iterations) == 6 + 14 + 14 + 14


@pytest.mark.parametrize("settings", [{}, {"steps_per_execution": 4, "jit_compile": True}])
def test_a_loaded_model_keeps_what_was_left_open(tmp_path, settings):
    model = vae()
    model.build((None, 6))
    model.compile("adam", **settings)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    config = {"steps_per_execution": "auto", "jit_compile": "auto", **settings}
    assert config.items() <= loaded.get_compile_config().items()


@pytest.mark.parametrize(
    "x,steps_per_epoch,expected",
    [
        (X, None, 28),
        (X, 4, 8),
        (tf.data.Dataset.from_tensor_slices(X).batch(10), None, 14),
        (tf.data.Dataset.from_tensor_slices(X).repeat(), None, 0),
        (iter([X]), None, 0),
    ],
)
def test_steps_of_a_training(x, steps_per_epoch, expected):
    assert execution.total_steps(x, 5, 2, steps_per_epoch) == expected


@pytest.mark.parametrize("weighted", [False, True])
def test_arrays_are_batched_as_keras_does(weighted):
    x = X.astype("float64")
    weights = np.linspace(0.5, 1.5, len(x)) if weighted else None
    arguments = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
    histories, results = [], []
    for cls in (VAE, keras.Model):
        # Keras drops the weights of arrays without a y.
        y = x if weighted and cls is keras.Model else None
        held_out = (x[:50], y if y is None else y[:50], None if weights is None else weights[:50])
        keras.utils.set_random_seed(0)
        model = vae()
        model.compile("adam", steps_per_execution=1, jit_compile=False)
        history = cls.fit(model, x, y, sample_weight=weights, validation_data=held_out, **arguments)
        scores = cls.evaluate(model, x, y, 16, 0, weights, return_dict=True)
        histories.append((history.history, scores))
        results.append(model.get_weights())
    assert histories[0] == histories[1]
    for ours, theirs in zip(*results):
        np.testing.assert_array_equal(ours, theirs)


def test_arrays_are_shuffled_anew_in_every_epoch_and_not_tuned():
    keras.utils.set_random_seed(0)
    rows = np.arange(70.0)
    data = pipeline.batches(rows, batch_size=32, shuffle=True)
    assert data.cardinality() == 3 and data.options().autotune.enabled is False
    first, second = (np.concatenate(list(data.as_numpy_iterator())) for _ in range(2))
    assert not np.array_equal(first, second) and not np.array_equal(first, rows)
    np.testing.assert_array_equal(np.sort(first), rows)
    np.testing.assert_array_equal(np.sort(second), rows)
    assert first.dtype == "float32"


@pytest.mark.parametrize(
    "name, value",
    [("steps_per_epoch", 2), ("validation_split", 0.2), ("shuffle", "batch")],
)
def test_what_keras_does_with_arrays_is_left_to_it(name, value):
    x, y, batch_size, arguments = pipeline.of_fit(X, None, 8, {name: value})
    assert x is X and batch_size == 8 and arguments == {name: value}


def test_validation_arrays_are_batched_beside_a_stream():
    stream = datasets.stream(X, 8)
    held_out = {"validation_data": (X, None, None), "steps_per_epoch": 2}
    x, _, _, arguments = pipeline.of_fit(stream, None, None, held_out)
    assert x is stream and x.options().autotune.enabled is False
    assert arguments["validation_data"].cardinality() == 3
    _, _, _, arguments = pipeline.of_fit(X, None, 8, {**held_out, "validation_steps": 1})
    assert arguments["validation_data"][0] is X and arguments["validation_batch_size"] == 8
