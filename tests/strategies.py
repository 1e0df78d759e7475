"""Runs one scenario on several devices or workers, in a process of its own, and prints JSON.

    python strategies.py SCENARIO NUM_DEVICES [ARGUMENT ...]

0 devices stands for `MultiWorkerMirroredStrategy` with what TF_CONFIG says, -1 for all GPUs.
"""

import functools
import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tfcvae
from tfcvae import callbacks, datasets, layers, networks, regularizers

ROWS, BATCH = 49, 16
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 3)).astype("float32")
Y = (X @ RNG.normal(size=(3, 4)) > 0).astype("float32")
WEIGHTS = RNG.uniform(size=ROWS).astype("float32")
SURE = 1e-6  # A scale that leaves no noise.


def strategy_of(num_devices):
    if num_devices == 0:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if num_devices == -1:
        return tf.distribute.MirroredStrategy()
    cpus = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration()] * num_devices
    tf.config.set_logical_device_configuration(cpus[0], devices)
    if num_devices == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(num_devices)])


def mlp():
    return networks.mlp([8], activation="tanh")


def vae(noise=SURE, **arguments):
    model = tfcvae.VAE(
        layers.IndependentNormal(2, network=mlp(), scale=noise),
        layers.IndependentNormal(3, network=mlp(), scale="shared"),
        seed=0,
        **arguments,
    )
    model.build((None, 3))
    return model


def cvae():
    model = tfcvae.CVAE(
        layers.IndependentNormal(2, network=mlp(), scale=SURE),
        layers.IndependentNormal(2, network=mlp(), scale=SURE),
        layers.IndependentBernoulli(4, network=mlp()),
        baseline=layers.IndependentBernoulli(4, network=mlp()),
        alpha=0.5,
        regularizers=[regularizers.KL(1e-9)],  # Its slopes at such scales would drown the rest.
        seed=0,
    )
    model.build((None, 3))
    return model


def result(model, history, data):
    weights = np.concatenate([np.ravel(w) for w in model.get_weights()])
    evaluation = model.evaluate(*data, batch_size=BATCH, verbose=0, return_dict=True)
    return {
        "history": {name: [float(value) for value in values] for name, values in history.items()},
        "weights": weights.tolist(),
        "evaluation": {name: float(value) for name, value in evaluation.items()},
        "prediction": np.ravel(model.predict(data[0], BATCH, verbose=0)).tolist(),
    }


def equal(strategy, *names):
    """Five epochs of four steps, the last of one row only, without noise."""
    found = {}
    geco = [regularizers.KL(1e-9), regularizers.GECO(1.0, rate=0.1, decay=0.5)]
    cases = {"cvae": (cvae, (X, Y)), "vae": (lambda: vae(regularizers=geco), (X,))}
    for name in names or cases:
        make, data = cases[name]
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = make()
            metrics = [keras.metrics.MeanSquaredError("mse")]
            model.compile(keras.optimizers.Adam(0.01), weighted_metrics=metrics)
        history = model.fit(
            *data,
            batch_size=BATCH,
            sample_weight=WEIGHTS,
            epochs=5,
            shuffle=False,
            verbose=0,
            validation_data=data,
        ).history
        found[name] = result(model, history, data)
    return found


def noise(strategy):
    """The variance of a gradient that only the noise of z moves, in units of its exact value."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = tfcvae.VAE(
            layers.IndependentNormal(1, keras.layers.Identity(), scale=1.0, projection=False),
            layers.IndependentNormal(1, scale=1.0),
            seed=0,
        )
        model.compile(keras.optimizers.SGD(1e-6))
    x, biases = np.zeros([BATCH, 1], "float32"), [0.0]

    def record(batch, logs):
        biases.append(float(model.decoder.weights[1].numpy()[0]))

    recorder = keras.callbacks.LambdaCallback(on_train_batch_end=record)
    data = tf.data.Dataset.from_tensors(x).repeat()
    model.fit(data, steps_per_epoch=300, verbose=0, callbacks=[recorder])
    slope = float(model.decoder.weights[0].numpy()[0, 0])
    return np.var(np.diff(biases) / 1e-6) * BATCH / slope**2


def draws(strategy):
    """What every replica draws: the weights of Bayesian layers, signs, and blocks of an image."""
    arguments = {"num_examples": 10, "seed": 3}
    with strategy.scope():
        made = {
            "reparameterization": (layers.DenseReparameterization(2, **arguments), [2, 3]),
            "flipout": (layers.DenseFlipout(2, **arguments), [2, 3]),
            "block_omission": (layers.BlockOmission(seed=3), [2, 16, 16, 1]),
        }
        for layer, shape in made.values():
            layer.build(shape)
    found = {}
    for name, (layer, shape) in made.items():
        run = tf.function(functools.partial(layer, tf.ones(shape), training=True))
        values = strategy.experimental_local_results(strategy.run(run))
        found[name] = [np.ravel(value).tolist() for value in values]
    return found


def refusals(strategy):
    """The messages of settings that Keras cannot carry out on several replicas."""
    with strategy.scope():
        model = vae()

    def fit_uneven():
        model.compile("adam")
        model.fit(X, batch_size=15, verbose=0)

    attempts = {
        "jit_compile": lambda: model.compile("adam", jit_compile=True),
        "steps_per_execution": lambda: model.compile("adam", steps_per_execution=2),
        "batch_size": fit_uneven,
    }
    messages = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except ValueError as error:
            messages[name] = str(error)
    return messages


def resumed(strategy, path):
    """Weights after four epochs, and after two and two with a backup between."""

    def train(epochs, *callbacks_):
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = vae(1.0)
            model.compile(keras.optimizers.Adam(0.01))
        backup = callbacks.Backup(path, callbacks_, delete=False)
        data = datasets.stream(X, 10, seed=1, initial_epoch=backup.initial_epoch)
        model.fit(data, epochs=epochs, steps_per_epoch=5, verbose=0, callbacks=[backup])
        return np.concatenate([np.ravel(w) for w in model.get_weights()]).tolist()

    found = {"halves": [train(2), train(4)][1]}
    Path(path).unlink()
    return found | {"whole": train(4)}


def several(strategy, path):
    return {
        "noise": noise(strategy),
        "draws": draws(strategy),
        "refusals": refusals(strategy),
        "resumed": resumed(strategy, path),
    }


SCENARIOS = {"equal": equal, "several": several}

if __name__ == "__main__":
    name, num_devices, *arguments = sys.argv[1:]
    print(json.dumps(SCENARIOS[name](strategy_of(int(num_devices)), *arguments)))
