"""Deterministic signatures of an exported version as TensorFlow Lite and ONNX files."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from tfcvae.files import replacing
from tfcvae.serving.native import read_card

DETERMINISTIC = (
    "predict",
    "recognize",
    "reconstruct",
    "encode",
    "decode",
    "decode_noise",
)
"""Signatures without a seed; `decode_noise` samples by noise that the caller brings."""


def to_tflite(version, path):
    """Writes the deterministic signatures of a version as one TensorFlow Lite file.

    Args:
        version: directory of one version that `serving.export` wrote.
        path: path of the file.

    Returns:
        List of the names of its signatures.

    Raises:
        ValueError: if the directory is no such version.
    """
    import tensorflow as tf

    names = _deterministic(version)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(version), signature_keys=names)
    content = converter.convert()
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return names


def to_onnx(version, signature, path):
    """Writes one deterministic signature of a version as an ONNX file, with the extra `onnx`.

    Args:
        version: directory of one version that `serving.export` wrote.
        signature: its name.
        path: path of the file.

    Raises:
        ValueError: if the directory is no such version, the signature draws or does not exist, or
            has operations that ONNX lacks.
        ImportError: if `tf2onnx` is not installed.
    """
    names = _deterministic(version)
    if signature not in names:
        raise ValueError(
            f"Argument `signature` must be one of {names}: ONNX has no seeded noise. "
            f"Received: signature={signature!r}"
        )
    if importlib.util.find_spec("tf2onnx") is None:
        raise ImportError('ONNX files need tf2onnx: pip install "tfcvae[onnx]"')
    with replacing(path) as temporary:
        command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(version)]
        command += ["--signature_def", signature, "--tag", "serve", "--output", str(temporary)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not Path(temporary).exists():
            reason = done.stderr.strip().splitlines()[-1:]
            raise ValueError(f"{signature!r} cannot be written as ONNX. Received: {reason}")


def _deterministic(version):
    present = read_card(version)["signatures"]
    return [name for name in DETERMINISTIC if name in present]
