"""Writing a model as a SavedModel, in the directory layout of TensorFlow Serving."""

import contextlib
import io
import os
import shutil
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from tfcvae import shapes
from tfcvae.models import CVAE, VAE
from tfcvae.serving.card import write as write_card
from tfcvae.serving.examples import example_inputs, record
from tfcvae.serving.signatures import cvae_signatures, vae_signatures


def export(model, base_dir, version=None, warmup=True, card=None):
    """Writes a model as a SavedModel with named signatures, as the next version of a directory.

    The version appears at once and complete: it is written beside its place and renamed. Earlier
    versions are left as they are. Signatures take named inputs and return named float32 outputs,
    with any batch size:

    - a `tfcvae.VAE`: `reconstruct(x)`, `encode(x)`, `decode(z)`, `generate(num_samples, seed)`,
      `generate_rows(seed[batch])`, `log_prob(x, num_samples, seed)` and, with a normal prior or a
      flow over one, `decode_noise(noise)`, which turns standard normal noise into means;
    - a `tfcvae.CVAE`: `predict(x)`, `generate(x, num_samples, seed)`,
      `generate_rows(x, seed[batch])`, `log_prob(x, y, num_samples, seed)`, `recognize(x, y)`.

    The first is also `serving_default`. `seed` is an int32 pair; the same pair gives the draw that
    the Python methods give, with `samples` and `means` batch-first for a CVAE. `generate_rows` is
    for servers that join requests to batches: it takes an integer seed for each row, and its draw
    is that of `sample` for this row alone.

    The directory `assets.extra` of a version holds `model_card.json`, recorded examples for
    `tfcvae serve-check`, and with the extra `serving` requests that warm a server up.

    Args:
        model: a trained `tfcvae.VAE` or `tfcvae.CVAE`.
        base_dir: directory of the versions, made if it does not exist.
        version: int, the number of the version; by default one more than the largest there is.
        warmup: bool; whether to write warm-up requests, if `tensorflow-serving-api` is installed.
        card: dict of further entries of the model card, such as `metrics` and `data`.

    Returns:
        `pathlib.Path` of the new version's directory.

    Raises:
        ValueError: if the model has never been built, or the version exists.
    """
    if not isinstance(model, (VAE, CVAE)):
        raise ValueError(
            f"Argument `model` must be a `tfcvae.VAE` or `tfcvae.CVAE`. Received: model={model}"
        )
    if not model.built:
        raise ValueError(
            "Argument `model` must be built, by `fit`, `build` or a first call. "
            f"Received: model={model}"
        )
    base_dir = Path(base_dir)
    base_dir.mkdir(parents=True, exist_ok=True)
    if version is not None:
        shapes.check_positive_int(version, "version")
        if (base_dir / str(version)).exists():
            raise ValueError(
                f"Argument `version` must be new in {base_dir}. Received: version={version}"
            )
    signatures = vae_signatures(model) if isinstance(model, VAE) else cvae_signatures(model)
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, specs) in signatures.items():
        archive.add_endpoint(name, _as_float32(function), input_signature=specs)
    staging = Path(tempfile.mkdtemp(prefix="staging-", dir=base_dir))
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # Keras 3.8 prints in spite of `verbose`.
            archive.write_out(str(staging), verbose=False)
        examples = record(staging, example_inputs(model, signatures))
        write_card(staging, model, examples, card, warmup)
        staging.chmod(0o755)
        return _publish(staging, base_dir, version)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging, base_dir, version):
    """Renames a finished directory to its version; another process may publish meanwhile."""
    while True:
        numbers = [int(path.name) for path in base_dir.iterdir() if path.name.isdigit()]
        target = base_dir / str(version or max(numbers, default=0) + 1)
        try:
            os.rename(staging, target)
            return target
        except OSError:
            if version is not None or not target.exists():
                raise


def _as_float32(function):
    """The function with float outputs in float32, whatever the precision of the model."""

    def endpoint(*args):
        outputs = function(*args)
        return {name: tf.cast(output, tf.float32) for name, output in outputs.items()}

    return endpoint
