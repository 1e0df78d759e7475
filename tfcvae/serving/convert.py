"""Deterministic signatures of an exported version as TensorFlow Lite and ONNX files."""

import importlib.util
import subprocess
import sys
import textwrap
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


def to_tflite(version, path, signatures=None):
    """Writes the deterministic signatures of a version as one TensorFlow Lite file.

    Args:
        version: directory of one version that `serving.export` wrote.
        path: path of the file.
        signatures: sequence of names; by default all that need no seed.

    Returns:
        List of the names of its signatures.

    Raises:
        ValueError: if the directory is no such version, or a signature draws, does not exist, or
            has operations that TensorFlow Lite lacks.
    """
    import tensorflow as tf

    names = _deterministic(version, signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(version), signature_keys=names)
    try:
        content = converter.convert()
    except Exception as error:
        raise _refusal(names, "TensorFlow Lite", error) from error
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
    _deterministic(version, [signature])
    if importlib.util.find_spec("tf2onnx") is None:
        raise ImportError('ONNX files need tf2onnx: pip install "tfcvae[onnx]"')
    with replacing(path) as temporary:
        command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(version)]
        command += ["--signature_def", signature, "--tag", "serve", "--output", str(temporary)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not Path(temporary).exists():
            raise _refusal(signature, "ONNX", "".join(done.stderr.splitlines()[-1:]))
        import onnx

        try:
            onnx.checker.check_model(str(temporary))
        except onnx.checker.ValidationError as error:
            raise _refusal(signature, "ONNX", error) from error


def _refusal(signature, format_name, reason):
    reason = textwrap.shorten(str(reason), 300)
    return ValueError(f"{signature!r} cannot be written as {format_name}. Received: {reason}")


def _deterministic(version, signatures=None):
    """The signatures, by default all those of a version that need no seed, after a check."""
    present = read_card(version)["signatures"]
    names = [name for name in DETERMINISTIC if name in present]
    for signature in signatures or ():
        if signature not in names:
            raise ValueError(
                f"Argument `signature` must be one of {names}: there is no seeded noise in the "
                f"format. Received: signature={signature!r}"
            )
    return list(signatures or names)
