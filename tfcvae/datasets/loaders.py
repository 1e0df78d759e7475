"""Image data sets as train, validation and test splits."""

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

# SHA-256 of the four decompressed IDX files, in the order of `_FILES`.
_CHECKSUMS = {
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "fashion_mnist": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}

_DEBIAN_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
_VALIDATION_SIZE = 10_000
_DIGITS_HELD_OUT = 300


class Split(NamedTuple):
    """Images `[n, h, w, 1]`, float32 in [0, 1], and their labels `[n]`, int32."""

    images: np.ndarray
    labels: np.ndarray


class Splits(NamedTuple):
    """The three parts of a data set; unpacks as `train, validation, test`."""

    train: Split
    validation: Split
    test: Split


def digits():
    """Loads the 8x8 handwritten digits that scikit-learn carries; nothing is downloaded.

    The rows come in one fixed, stratified order: the classes have nearly equal shares in every
    split.

    Returns:
        `Splits` of 1,197, 300 and 300 images of shape `[n, 8, 8, 1]`, with labels 0 to 9.

    Reference:
        [Alpaydin and Kaynak, 1998](https://doi.org/10.24432/C50P49)
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    split = _split(data.images, data.target, maximum=16)
    order = _stratified_order(split.labels)
    parts = np.split(order, [-2 * _DIGITS_HELD_OUT, -_DIGITS_HELD_OUT])
    return Splits(*(Split(split.images[rows], split.labels[rows]) for rows in parts))


def mnist(directory=None):
    """Loads MNIST: 28x28 handwritten digits.

    The four IDX files, plain or gzipped, are looked for in `directory`, or else in the directory
    that the environment variable `TFCVAE_DATA` names (in both: in a subdirectory `mnist`, then
    in the directory itself). Without them Keras downloads the data set. Checksums are verified.

    Args:
        directory: Directory that must hold the files, or `None`.

    Returns:
        `Splits` of 50,000, 10,000 and 10,000 images of shape `[n, 28, 28, 1]`, with labels 0 to
        9. Training and validation are the first 50,000 and the last 10,000 training images.

    Raises:
        ValueError: If `directory` does not hold the files, or a file is malformed or differs
            from the published one.
        ConnectionError: If the download fails.

    Reference:
        [LeCun et al., 1998](https://doi.org/10.1109/5.726791)
    """
    return _load("mnist", directory)


def fashion_mnist(directory=None):
    """Loads Fashion-MNIST: 28x28 pictures of clothes.

    The four IDX files, plain or gzipped, are looked for in `directory`, or else in the directory
    that the environment variable `TFCVAE_DATA` names (in both: in a subdirectory `fashion_mnist`
    or `fashion-mnist`, then in the directory itself), then where the Debian package
    `dataset-fashion-mnist` installs them. Without them Keras downloads the data set. Checksums
    are verified.

    Args:
        directory: Directory that must hold the files, or `None`.

    Returns:
        `Splits` of 50,000, 10,000 and 10,000 images of shape `[n, 28, 28, 1]`, with labels 0 to
        9. Training and validation are the first 50,000 and the last 10,000 training images.

    Raises:
        ValueError: If `directory` does not hold the files, or a file is malformed or differs
            from the published one.
        ConnectionError: If the download fails.

    Reference:
        [Xiao et al., 2017](https://arxiv.org/abs/1708.07747)
    """
    return _load("fashion_mnist", directory)


def _load(name, directory):
    sources, arrays = _local_arrays(name, directory) or _downloaded_arrays(name)
    for source, array, expected in zip(sources, arrays, _CHECKSUMS[name], strict=True):
        _verify(source, array, expected)
    train_images, train_labels, test_images, test_labels = arrays
    train = _split(train_images, train_labels, maximum=255)
    return Splits(
        Split(*(array[:-_VALIDATION_SIZE] for array in train)),
        Split(*(array[-_VALIDATION_SIZE:] for array in train)),
        _split(test_images, test_labels, maximum=255),
    )


def _local_arrays(name, directory):
    if directory is not None:
        paths = _find(name, directory)
        if paths is None:
            raise ValueError(
                f"Argument `directory` must hold the four {name} files {', '.join(_FILES)} (or "
                f"the same with .gz), by itself or in a subdirectory `{name}`. "
                f"Received: directory={str(directory)!r}"
            )
        return paths, [_read_idx(path) for path in paths]
    roots = [os.environ.get("TFCVAE_DATA")]
    if name == "fashion_mnist":
        roots.append(_DEBIAN_DIRECTORY)
    for root in filter(None, roots):
        paths = _find(name, root)
        if paths is not None:
            return paths, [_read_idx(path) for path in paths]
    return None


def _find(name, root):
    root = Path(root)
    for folder in (root / name, root / name.replace("_", "-"), root):
        paths = [_plain_or_gzipped(folder / file) for file in _FILES]
        if all(paths) and not (folder == root and _is_another(name, paths)):
            return paths
    return None


def _plain_or_gzipped(path):
    candidates = (path, path.with_name(path.name + ".gz"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _is_another(name, paths):
    """Whether the files, whose names all these data sets share, are another known data set."""
    checksum = _checksum(_read_idx(paths[-1]))
    return any(checksum == known[-1] for other, known in _CHECKSUMS.items() if other != name)


def _downloaded_arrays(name):
    try:
        train, test = getattr(keras.datasets, name).load_data()
    except Exception as error:
        package = ", or run `apt install dataset-fashion-mnist`" if name == "fashion_mnist" else ""
        raise ConnectionError(
            f"{name} could not be downloaded. To use local files, put {', '.join(_FILES)} (or the "
            f"same with .gz) in one directory and pass it as `directory=` or name it in the "
            f"environment variable TFCVAE_DATA{package}. Received: {error}"
        ) from error
    return [f"keras.datasets.{name}: {file}" for file in _FILES], [*train, *test]


def _read_idx(path):
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"File `{path}` must be a whole gzip file. Received: {error}") from error
    rank = 3 if "idx3" in path.name else 1
    magic = _idx_magic(rank)
    if content[:4] != magic:
        raise ValueError(
            f"File `{path}` must be an IDX file that starts with {magic!r}. "
            f"Received: {content[:4]!r}"
        )
    offset = 4 + 4 * rank
    shape = [int.from_bytes(content[i : i + 4], "big") for i in range(4, offset, 4)]
    if len(content) != offset + math.prod(shape):
        raise ValueError(
            f"File `{path}` must hold {offset} + {'*'.join(map(str, shape))} bytes, as its header "
            f"says. Received: {len(content)} bytes"
        )
    return np.frombuffer(content, np.uint8, offset=offset).reshape(shape)


def _idx_magic(rank):
    return bytes([0, 0, 8, rank])


def _checksum(array):
    """SHA-256 of the IDX file that holds `array`."""
    header = _idx_magic(array.ndim) + np.array(array.shape, ">u4").tobytes()
    return hashlib.sha256(header + array.tobytes()).hexdigest()


def _verify(source, array, expected):
    checksum = _checksum(array)
    if checksum != expected:
        raise ValueError(
            f"File `{source}` must have, decompressed, the SHA-256 checksum {expected}. "
            f"Received: {checksum}"
        )


def _split(images, labels, maximum):
    images = np.divide(images, maximum, dtype=np.float32)
    return Split(images[..., np.newaxis], labels.astype(np.int32))


def _stratified_order(labels):
    """A fixed permutation in which every prefix has the class shares of the whole."""
    shuffled = np.random.RandomState(0).permutation(len(labels))
    quantiles = np.empty(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        quantiles[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(quantiles, kind="stable")
