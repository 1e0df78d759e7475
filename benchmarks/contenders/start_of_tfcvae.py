"""Seconds from an empty process to the first step of `fit`: start_of_tfcvae.py SETTING."""

import sys
import tempfile
import time

start = time.perf_counter()
import keras  # noqa: E402, F401
import tensorflow_probability  # noqa: E402, F401

stack = time.perf_counter()
import tfcvae  # noqa: E402, F401

imported = time.perf_counter()
import of_tfcvae  # noqa: E402
import sizes  # noqa: E402
import turns  # noqa: E402

from tfcvae import serving  # noqa: E402


def main():
    model = of_tfcvae.vae("mlp")
    model.compile("adam", **of_tfcvae.SETTINGS[sys.argv[1]])
    batch = sizes.images("mlp")[: sizes.BATCH]
    before = time.perf_counter()
    model.fit(batch, batch_size=sizes.BATCH, verbose=0)
    trained = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = serving.export(model, folder, warmup=False)
        exported = time.perf_counter()
        serving.NativeModel(path).run("encode", x=batch)
        loaded = time.perf_counter()
    figures = {
        "import": imported - start,
        "import of tfcvae alone": imported - stack,
        "fit of one step": trained - before,
        "first step": trained - start,
        "export": exported - trained,
        "load and first call": loaded - exported,
    }
    turns.say(**figures)


if __name__ == "__main__":
    main()
