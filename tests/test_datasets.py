import gzip
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcvae import datasets
from tfcvae.datasets import loaders

GRID = np.arange(1, 17, dtype=np.float32).reshape(1, 4, 4) / 16
HIDDEN = {
    1: [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16],
    2: [3, 4, 7, 8, 11, 12, 15, 16],
    3: [11, 12, 15, 16],
}


def random_images(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


# Loaders


def arrays_of(name):
    """Four arrays like those of a data set: 30 training and 10 test images."""
    rng = np.random.default_rng(len(name))
    shapes = [(30, 28, 28), (30,), (10, 28, 28), (10,)]
    return [rng.integers(0, 256 if len(s) == 3 else 10, s, np.uint8) for s in shapes]


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write(folder, name, compress=False):
    folder.mkdir(parents=True, exist_ok=True)
    for file, array in zip(loaders._FILES, arrays_of(name), strict=True):
        content = gzip.compress(idx(array)) if compress else idx(array)
        (folder / (file + ".gz" * compress)).write_bytes(content)
    return folder


def no_download():
    raise Exception("URL fetch failure")


@pytest.fixture(autouse=True)
def isolated(request, monkeypatch, tmp_path):
    """Small data sets instead of the published ones, and no sources but those a test makes."""
    if request.function.__name__.startswith("test_published"):
        return
    checksums = {n: [loaders._checksum(a) for a in arrays_of(n)] for n in loaders._CHECKSUMS}
    monkeypatch.setattr(loaders, "_CHECKSUMS", checksums)
    monkeypatch.setattr(loaders, "_VALIDATION_SIZE", 10)
    monkeypatch.setattr(loaders, "_DEBIAN_DIRECTORY", tmp_path / "absent")
    monkeypatch.delenv("TFCVAE_DATA", raising=False)
    for module in (keras.datasets.mnist, keras.datasets.fashion_mnist):
        monkeypatch.setattr(module, "load_data", no_download)


def check_splits(splits, name):
    train_images, train_labels, test_images, test_labels = arrays_of(name)
    train, validation, test = splits
    images = np.concatenate([train.images, validation.images])
    assert [len(s.images) for s in splits] == [20, 10, 10]
    np.testing.assert_allclose(images[..., 0] * 255, train_images, rtol=1e-6)
    np.testing.assert_allclose(test.images[..., 0] * 255, test_images, rtol=1e-6)
    np.testing.assert_array_equal(np.concatenate([train.labels, validation.labels]), train_labels)
    np.testing.assert_array_equal(test.labels, test_labels)
    for split in splits:
        assert split.images.shape[1:] == (28, 28, 1)
        assert split.images.dtype == np.float32 and split.labels.dtype == np.int32


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    "load, folder",
    [
        (datasets.mnist, "."),
        (datasets.mnist, "mnist"),
        (datasets.fashion_mnist, "."),
        (datasets.fashion_mnist, "fashion_mnist"),
        (datasets.fashion_mnist, "fashion-mnist"),
    ],
)
def test_directory(tmp_path, monkeypatch, load, folder, compress):
    write(tmp_path / folder, load.__name__, compress)
    check_splits(load(tmp_path), load.__name__)
    check_splits(load(str(tmp_path)), load.__name__)
    monkeypatch.setenv("TFCVAE_DATA", str(tmp_path))
    check_splits(load(), load.__name__)


def test_directory_comes_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TFCVAE_DATA", str(write(tmp_path / "env", "mnist")))
    (tmp_path / "env" / loaders._FILES[0]).write_bytes(b"broken")
    check_splits(datasets.mnist(write(tmp_path / "argument", "mnist")), "mnist")


def test_environment_without_the_data_set_falls_through(tmp_path, monkeypatch):
    monkeypatch.setenv("TFCVAE_DATA", str(write(tmp_path / "env", "mnist")))
    monkeypatch.setattr(loaders, "_DEBIAN_DIRECTORY", write(tmp_path / "deb", "fashion_mnist"))
    check_splits(datasets.fashion_mnist(), "fashion_mnist")
    monkeypatch.setenv("TFCVAE_DATA", str(tmp_path / "nowhere"))
    check_splits(datasets.fashion_mnist(), "fashion_mnist")


def test_both_data_sets_under_one_directory(tmp_path):
    write(tmp_path, "mnist")
    write(tmp_path / "fashion-mnist", "fashion_mnist")
    check_splits(datasets.mnist(tmp_path), "mnist")
    check_splits(datasets.fashion_mnist(tmp_path), "fashion_mnist")


def test_directory_without_the_files(tmp_path):
    write(tmp_path, "mnist")
    with pytest.raises(ValueError, match="`directory` must hold the four fashion_mnist files"):
        datasets.fashion_mnist(tmp_path)
    (tmp_path / loaders._FILES[1]).unlink()
    with pytest.raises(ValueError, match=f"`directory` .* Received: directory='{tmp_path}'"):
        datasets.mnist(tmp_path)


def damaged_pixel(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("file", loaders._FILES)
@pytest.mark.parametrize(
    "damage, rule",
    [
        (damaged_pixel, "SHA-256"),
        (lambda content: content[:-1], "as its header says"),
        (lambda content: content + b"\0", "as its header says"),
        (lambda content: content[:5], "as its header says"),
        (lambda content: b"\0\0\x0d" + content[3:], "starts with"),
        (lambda content: b"", "starts with"),
    ],
)
def test_damaged_file(tmp_path, file, damage, rule):
    path = write(tmp_path, "mnist") / file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{file}.*{rule}.*Received: "):
        datasets.mnist(tmp_path)


def test_other_shape_with_the_same_pixels(tmp_path):
    path = write(tmp_path, "mnist") / loaders._FILES[0]
    path.write_bytes(idx(arrays_of("mnist")[0].reshape(30, 14, 56)))
    with pytest.raises(ValueError, match="SHA-256"):
        datasets.mnist(tmp_path)


@pytest.mark.parametrize("damage", [lambda c: c[:-20], lambda c: b"no gzip", damaged_pixel])
def test_damaged_gzip(tmp_path, damage):
    path = write(tmp_path, "mnist", compress=True) / (loaders._FILES[0] + ".gz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path}` must be a whole gzip file.*Received: "):
        datasets.mnist(tmp_path)


@pytest.mark.parametrize("load", [datasets.mnist, datasets.fashion_mnist])
def test_download(monkeypatch, load):
    arrays = arrays_of(load.__name__)
    module = getattr(keras.datasets, load.__name__)
    monkeypatch.setattr(module, "load_data", lambda: (tuple(arrays[:2]), tuple(arrays[2:])))
    check_splits(load(), load.__name__)
    arrays[3] = arrays[3][::-1].copy()
    with pytest.raises(ValueError, match="keras.datasets.*t10k-labels.*SHA-256"):
        load()


def test_offline():
    with pytest.raises(ConnectionError, match="directory=.*TFCVAE_DATA.*URL fetch failure") as info:
        datasets.mnist()
    assert "apt" not in str(info.value)
    with pytest.raises(ConnectionError, match="apt install dataset-fashion-mnist"):
        datasets.fashion_mnist()


def check_published(splits):
    assert [s.images.shape for s in splits] == [(n, 28, 28, 1) for n in (50_000, 10_000, 10_000)]
    for split in splits:
        assert split.images.min() == 0 and split.images.max() == 1
        assert np.bincount(split.labels).shape == (10,)


@pytest.mark.skipif(
    not loaders._find("mnist", os.environ.get("TFCVAE_DATA") or os.devnull),
    reason="needs MNIST in the directory TFCVAE_DATA",
)
def test_published_mnist():
    splits = datasets.mnist(os.environ["TFCVAE_DATA"])
    check_published(splits)
    assert splits.train.labels[:5].tolist() == [5, 0, 4, 1, 9]


@pytest.mark.skipif(not loaders._DEBIAN_DIRECTORY.is_dir(), reason="needs dataset-fashion-mnist")
def test_published_fashion_mnist():
    splits = datasets.fashion_mnist(loaders._DEBIAN_DIRECTORY)
    check_published(splits)
    assert splits.train.labels[:5].tolist() == [9, 0, 0, 3, 0]


def test_digits():
    splits = datasets.digits()
    assert [s.images.shape for s in splits] == [(n, 8, 8, 1) for n in (1197, 300, 300)]
    images, labels = (np.concatenate(parts) for parts in zip(*splits, strict=True))
    assert images.dtype == np.float32 and labels.dtype == np.int32
    assert images.min() == 0 and images.max() == 1
    shares = np.bincount(labels) / len(labels)
    for split in splits:
        assert np.abs(np.bincount(split.labels) - shares * len(split.labels)).max() < 2

    from sklearn.datasets import load_digits

    data = load_digits()
    rows = np.column_stack([images.reshape(-1, 64) * 16, labels])
    expected = np.column_stack([data.data, data.target])
    np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(expected, axis=0))
    assert not np.array_equal(rows, expected)
    np.testing.assert_array_equal(images, np.concatenate([s.images for s in datasets.digits()]))


# Binarisation


@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_binarize_threshold(convert):
    images = convert(np.array([0.0, 0.49, 0.5, 1.0], np.float32))
    binary = datasets.binarize(images, method="threshold")
    assert tf.is_tensor(binary) == tf.is_tensor(images) and binary.dtype == "float32"
    np.testing.assert_array_equal(binary, [0, 0, 1, 1])


@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_binarize_samples_each_pixel_with_its_own_probability(convert):
    images = convert(np.tile(np.float32([0, 0.25, 0.9, 1]), (40_000, 1)))
    binary = datasets.binarize(images, seed=1)
    assert tf.is_tensor(binary) == tf.is_tensor(images) and binary.dtype == "float32"
    assert set(np.unique(binary)) == {0, 1}
    mean = np.mean(binary, axis=0)
    assert mean[0] == 0 and mean[3] == 1
    np.testing.assert_allclose(mean[1:3], [0.25, 0.9], atol=0.01)
    np.testing.assert_array_equal(binary, datasets.binarize(images, seed=1))
    assert not np.array_equal(binary, datasets.binarize(images, seed=2))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_binarize_compiles(jit_compile):
    compiled = tf.function(datasets.binarize, jit_compile=jit_compile)
    images = tf.constant(random_images(500, 4, 4))
    seed = tf.constant([3, 4])
    binary = compiled(images, seed=seed)
    np.testing.assert_array_equal(binary, compiled(images, seed=seed))
    assert not np.array_equal(binary, compiled(images, seed=seed + 1))
    assert abs(np.mean(binary) - np.mean(images)) < 0.02


def test_binarize_int_seed_is_a_pair():
    images = tf.constant(random_images(5, 4, 4))
    pair = datasets.binarize(images, seed=tf.constant([0, 7]))
    np.testing.assert_array_equal(datasets.binarize(images, seed=7), pair)


def test_binarize_rejects():
    for bad in (-0.1, 1.1, np.nan, 255):
        with pytest.raises(ValueError, match="`images` must .* Received: "):
            datasets.binarize(np.array([0.5, bad]))
    with pytest.raises(ValueError, match="`method` must .* Received: method='round'"):
        datasets.binarize(GRID, method="round")


# Quadrants


@pytest.mark.parametrize("observed", [1, 2, 3])
@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_quadrants_geometry(observed, convert):
    x, y = datasets.quadrants(convert(GRID), observed)
    assert tf.is_tensor(x) == tf.is_tensor(y) == (convert is tf.constant)
    np.testing.assert_array_equal(np.asarray(y)[0] * 16, HIDDEN[observed])
    expected = np.where(np.isin(GRID * 16, HIDDEN[observed]), -1, GRID)
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("observed, hidden", [(1, 588), (2, 392), (3, 196)])
def test_quadrants_sizes_of_mnist(observed, hidden):
    x, y = datasets.quadrants(random_images(3, 28, 28, 1), observed)
    assert x.shape == (3, 28, 28, 1) and y.shape == (3, hidden)
    assert x.dtype == y.dtype == np.float32


@pytest.mark.parametrize("observed", [1, 2, 3])
@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
@pytest.mark.parametrize("shape", [(3, 4, 6), (3, 4, 6, 1), (3, 4, 6, 2)])
def test_complete_inverts_quadrants(shape, convert, observed):
    images = convert(random_images(*shape))
    x, y = datasets.quadrants(images, observed)
    completed = datasets.complete(x, y, observed)
    assert tf.is_tensor(completed) == tf.is_tensor(images)
    np.testing.assert_array_equal(completed, images)


@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_complete_samples(convert):
    images = random_images(5, 2, 3, 4, 4, 1)
    parts = [[datasets.quadrants(images[i, j], 1) for j in range(2)] for i in range(5)]
    y = np.array([[y for _, y in row] for row in parts])
    x = parts[0][0][0]
    completed = datasets.complete(convert(x), convert(y), 1)
    assert completed.shape == images.shape
    observed = x != -1
    for sample, image in zip(np.asarray(completed), images, strict=True):
        np.testing.assert_array_equal(sample, np.where(observed, x, image))


def test_complete_takes_an_array_and_a_tensor():
    x, y = datasets.quadrants(GRID, 2)
    completed = datasets.complete(x, tf.constant(y), 2)
    assert tf.is_tensor(completed)
    np.testing.assert_array_equal(completed, GRID)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_quadrants_and_complete_compile(jit_compile):
    signature = [tf.TensorSpec([None, 4, 4, 1])]

    @tf.function(input_signature=signature, jit_compile=jit_compile)
    def round_trip(images):
        x, y = datasets.quadrants(images, 1)
        assert x.shape.as_list() == [None, 4, 4, 1] and y.shape.as_list() == [None, 12]
        completed = datasets.complete(x, y[tf.newaxis], 1)
        assert completed.shape.as_list() == [1, None, 4, 4, 1]
        return completed[0]

    for n in (2, 3):
        images = random_images(n, 4, 4, 1)
        np.testing.assert_array_equal(round_trip(images), images)


@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_quadrants_rejects(convert):
    for observed in (0, 4, "1", None):
        with pytest.raises(ValueError, match="`observed` must .* Received: observed="):
            datasets.quadrants(convert(GRID), observed)
    for shape in [(4, 4), (1, 3, 4), (1, 4, 3), (1, 1, 4, 4, 1)]:
        with pytest.raises(ValueError, match="`images` must .* Received: images of shape"):
            datasets.quadrants(convert(np.zeros(shape)))
    with pytest.raises(ValueError, match="`images` must .* Received: images of dtype uint8"):
        datasets.quadrants(convert(np.zeros((1, 4, 4), np.uint8)))


@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_complete_rejects(convert):
    x = convert(np.zeros((2, 4, 4)))
    for shape in [(2, 7), (1, 8), (3, 8), (2, 3, 8), (8,)]:
        with pytest.raises(ValueError, match="`y` must .* Received: y of shape"):
            datasets.complete(x, convert(np.zeros(shape)), 2)
    with pytest.raises(ValueError, match="`observed` must .* Received: observed=5"):
        datasets.complete(x, convert(np.zeros((2, 8))), 5)
    with pytest.raises(ValueError, match="`x` must .* Received: x of shape"):
        datasets.complete(x[0], convert(np.zeros((2, 8))), 2)


# Streams


def take(dataset, count):
    return list(dataset.take(count).as_numpy_iterator())


def add_noise(rows, labels, seed):
    return rows, labels, tf.random.stateless_normal([3], seed), seed


def test_stream_goes_once_through_the_rows_in_every_epoch():
    batches = take(datasets.stream(np.arange(10), 4), 9)
    assert [len(batch) for batch in batches] == [4, 4, 2] * 3
    epochs = [np.concatenate(batches[i : i + 3]).tolist() for i in (0, 3, 6)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in [*epochs, range(10)]}) == 4


def test_stream_orders_are_uniform():
    epochs = np.array(take(datasets.stream(np.arange(3), 3), 1200))
    _, counts = np.unique(epochs, axis=0, return_counts=True)
    assert len(counts) == 6
    assert counts.min() > 150 and counts.max() < 250


def test_stream_is_a_function_of_the_seed():
    def content(seed, global_seed):
        tf.random.set_seed(global_seed)
        rows = np.arange(10)
        batches = take(datasets.stream((rows, -rows), 4, seed=seed, transform=add_noise), 7)
        return [[part.tolist() for part in batch] for batch in batches]

    assert content(5, 0) == content(5, 1)
    assert content(5, 0) == content((0, 5), 0)
    assert content(5, 0) != content(6, 0)


def test_stream_resumes():
    rows = np.arange(10)

    def content(initial_epoch, count):
        dataset = datasets.stream(
            (rows, -rows), 4, seed=3, transform=add_noise, initial_epoch=initial_epoch
        )
        return [[part.tolist() for part in batch] for batch in take(dataset, count)]

    assert content(2, 6) == content(0, 12)[6:]


def test_stream_gives_every_batch_its_own_seed():
    dataset = datasets.stream(np.arange(10), 4, transform=lambda rows, seed: seed)
    assert dataset.element_spec == tf.TensorSpec([2], tf.int32)
    assert len({tuple(seed) for seed in take(dataset, 300)}) == 300


def test_stream_keeps_structure_and_pairing():
    split = datasets.Split(random_images(8, 2, 2, 1), np.arange(8, dtype=np.int32))
    dataset = datasets.stream(split, 4)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    assert dataset.element_spec == (
        tf.TensorSpec([4, 2, 2, 1], tf.float32),
        tf.TensorSpec([4], tf.int32),
    )
    for images, labels in take(dataset, 4):
        np.testing.assert_array_equal(images, split.images[labels])
    assert datasets.stream((split.images,), 4).element_spec == (dataset.element_spec[0],)
    assert datasets.stream(split.images, 4).element_spec == dataset.element_spec[0]
    (batch,) = take(datasets.stream(split.labels, 100), 1)
    assert sorted(batch) == list(range(8))


def test_interrupted_fit_resumes():
    images = random_images(10, 3)

    def binary_target(x, seed):
        return x, datasets.binarize(x, seed=seed)

    def fit(model, initial_epoch, epochs):
        data = datasets.stream(images, 4, 0, binary_target, initial_epoch)
        model.compile(keras.optimizers.SGD(0.5), "mse")
        model.fit(
            data,
            steps_per_epoch=3,
            initial_epoch=initial_epoch,
            epochs=epochs,
            shuffle=False,
            verbose=0,
        )

    def new_model():
        return keras.Sequential(
            [keras.Input([3]), keras.layers.Dense(3, kernel_initializer="ones")]
        )

    whole, interrupted, restarted = new_model(), new_model(), new_model()
    fit(whole, 0, 2)
    fit(interrupted, 0, 1)
    fit(interrupted, 1, 2)
    fit(restarted, 0, 1)
    fit(restarted, 0, 1)
    np.testing.assert_array_equal(whole.get_weights()[0], interrupted.get_weights()[0])
    assert not np.array_equal(whole.get_weights()[0], restarted.get_weights()[0])


def test_stream_rejects():
    rows = np.arange(4)
    for arrays in [(rows, rows[:3]), rows[:0], (), np.float32(1)]:
        with pytest.raises(ValueError, match="`arrays` must .* Received: "):
            datasets.stream(arrays, 2)
    for batch_size in (0, -1, 1.5):
        with pytest.raises(ValueError, match="`batch_size` must .* Received: "):
            datasets.stream(rows, batch_size)
    with pytest.raises(ValueError, match="`initial_epoch` must .* Received: initial_epoch=-1"):
        datasets.stream(rows, 2, initial_epoch=-1)
    with pytest.raises(ValueError, match="`seed` must .* Received: "):
        datasets.stream(rows, 2, seed=(1, 2, 3))
