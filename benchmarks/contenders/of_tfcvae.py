"""Epochs of Keras's own `fit`: of_tfcvae.py WORKLOAD SETTING [BATCH_SIZE]."""

import sys
import time

import keras
import sizes
import turns

from tfcvae import CVAE, VAE, layers, networks

SETTINGS = {
    "default": {},
    "plain": {"jit_compile": False, "steps_per_execution": 1},
    "xla": {"jit_compile": True, "steps_per_execution": 1},
    "steps": {"jit_compile": False, "steps_per_execution": 32},
    "xla-steps": {"jit_compile": True, "steps_per_execution": 32},
}


class Turns(keras.callbacks.Callback):
    """One epoch a turn."""

    def on_epoch_begin(self, epoch, logs=None):
        turns.wait() if epoch else turns.ready()
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        turns.done(time.perf_counter() - self._start)


def vae(workload):
    """The VAE of a workload."""
    if workload == "mlp":
        hidden = [sizes.HIDDEN] * 2
        return VAE(
            layers.IndependentNormal(sizes.LATENTS, network=networks.mlp(hidden)),
            layers.IndependentBernoulli((sizes.PIXELS,), network=networks.mlp(hidden)),
        )
    encoder = networks.conv_encoder(sizes.FILTERS, sizes.KERNEL, units=(sizes.FEATURES,))
    decoder = networks.conv_decoder((28, 28), sizes.FILTERS[::-1], sizes.KERNEL)
    return VAE(
        layers.IndependentNormal(sizes.LATENTS, network=encoder),
        layers.IndependentBernoulli((28, 28, 1), network=decoder),
    )


def cvae():
    """The CVAE of the quadrants."""

    def mlp():
        return networks.mlp([sizes.CVAE_HIDDEN] * 2)

    return CVAE(
        layers.IndependentNormal(sizes.CVAE_LATENTS, network=mlp()),
        layers.IndependentNormal(sizes.CVAE_LATENTS, network=mlp()),
        layers.IndependentBernoulli((sizes.CVAE_TARGETS,), network=mlp()),
    )


def main():
    workload, setting = sys.argv[1:3]
    setting, _, precision = setting.partition("+")
    if precision:
        keras.config.set_dtype_policy("mixed_bfloat16")
    x = sizes.images(workload)
    if workload == "cvae":
        model, data, batch_size = cvae(), (x, x[:, : sizes.CVAE_TARGETS]), sizes.CVAE_BATCH
    else:
        model, data, batch_size = vae(workload), (x,), sizes.BATCH
    if len(sys.argv) > 3:
        batch_size = int(sys.argv[3])
    model.compile("adam", **SETTINGS[setting])
    model.fit(*data, batch_size=batch_size, epochs=10**6, verbose=0, callbacks=[Turns()])


if __name__ == "__main__":
    main()
