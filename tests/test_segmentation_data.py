"""The data sets of segmentation with several right answers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image

from tfcvae import datasets
from tfcvae.datasets import loaders

# ---- Ambiguous shapes ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (20, 33), (48, 24)])
def test_shapes_of_any_size(size):
    data = datasets.ambiguous_shapes(50, size=size)
    assert data.images.shape == (50, *size, 3) and data.images.dtype == np.float32
    assert data.images.min() >= 0 and data.images.max() <= 1
    assert data.masks.shape == (50, *size, 1) and set(np.unique(data.masks)) == {0, 1}
    assert data.objects.shape == (50, 5, *size)
    assert np.all(data.objects.sum(1) <= 1), "objects overlap"
    assert np.all(data.objects.sum((2, 3)) >= 3), "an object is hardly there"
    assert len(data.images) == 50


def test_a_mask_holds_the_objects_of_its_switches():
    data = datasets.ambiguous_shapes(30)
    for mask, objects, switches in zip(data.masks, data.objects, data.switches):
        np.testing.assert_array_equal(mask[..., 0] > 0, objects[switches].any(0))


def test_the_modes_and_their_probabilities():
    data = datasets.ambiguous_shapes(20)
    masks, p = data.modes(slice(3, 10))
    assert masks.shape == (32, 7, 32, 32, 1) and p.shape == (32, 7)
    np.testing.assert_allclose(p.sum(0), 1, 1e-5)
    for row in range(7):
        flat = masks[:, row].reshape(32, -1)
        assert len(np.unique(flat, axis=0)) == 32
        own = np.flatnonzero((flat == data.masks[3 + row].ravel()).all(1))
        own_p = data.probabilities[3 + row]
        chance = np.where(data.switches[3 + row], own_p, 1 - own_p)
        assert p[own[0], row] == pytest.approx(chance.prod(), rel=1e-5)


def test_switches_follow_the_probabilities_of_their_group():
    data = datasets.ambiguous_shapes(4000, size=(16, 16))
    for group in (0, 1):
        rows = data.groups == group
        assert 1800 < rows.sum() < 2200
        assert len(np.unique(data.probabilities[rows], axis=0)) == 1
        expected = data.probabilities[rows][0]
        np.testing.assert_allclose(data.switches[rows].mean(0), expected, atol=0.04)
        uncorrelated = np.corrcoef(data.switches[rows].T) - np.eye(5)
        assert np.abs(uncorrelated).max() < 0.08
    first, second = (data.probabilities[data.groups == group][0] for group in (0, 1))
    assert np.any(first != second)


def test_the_group_is_visible():
    data = datasets.ambiguous_shapes(200)
    brightness = data.images[:, 0, 0].mean(-1)
    np.testing.assert_array_equal(brightness > 0.35, data.groups == 1)


def test_shapes_are_a_function_of_the_seed():
    first, again, other = (datasets.ambiguous_shapes(20, seed=s) for s in (1, 1, 2))
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    assert np.any(first.images != other.images) and np.any(first.switches != other.switches)


def test_masks_are_drawn_anew_in_a_stream():
    data = datasets.ambiguous_shapes(40)

    def redraw(images, objects, p, seed):
        return images, datasets.draw_masks(objects, p, seed)

    arrays = (data.images, data.objects, data.probabilities)
    batches = list(datasets.stream(arrays, 40, transform=redraw).take(2))
    assert batches[0][1].shape == (40, 32, 32, 1) and batches[0][1].dtype == tf.float32
    order = [np.lexsort(images.numpy().reshape(40, -1).T) for images, _ in batches]
    first, second = (masks.numpy()[o] for (_, masks), o in zip(batches, order))
    assert np.any(first != second)
    drawn = [datasets.draw_masks(data.objects, data.probabilities, s) for s in (3, (0, 3))]
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_images": 0},
        {"size": (8, 32)},
        {"size": 32},
        {"probabilities": (0.1,) * 5},
        {"probabilities": ((0.5,) * 5, (0.0, 0.5, 0.5, 0.5, 0.5))},
    ],
)
def test_shapes_refuse(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        datasets.ambiguous_shapes(**arguments)


# ---- Integer masks -------------------------------------------------------------------------------


def test_one_hot_masks():
    masks = np.array([[[0, 2], [1, 1]]])
    received = datasets.one_hot_masks(masks, 3)
    assert received.shape == (1, 2, 2, 3) and received.dtype == np.float32
    np.testing.assert_array_equal(received.argmax(-1), masks)
    np.testing.assert_array_equal(received.sum(-1), 1)
    np.testing.assert_array_equal(datasets.one_hot_masks(masks[..., None], 3), received)
    np.testing.assert_array_equal(datasets.one_hot_masks(tf.constant(masks), 3), received)


@pytest.mark.parametrize(
    ("masks", "num_classes", "name"),
    [
        (np.zeros((1, 2, 2)), 3, "masks"),
        (np.full((1, 2, 2), 3), 3, "masks"),
        (np.full((1, 2, 2), -1), 3, "masks"),
        (np.zeros((1, 2, 2), int), 1, "masks"),
        (np.zeros((1, 2, 2), int), 0, "num_classes"),
    ],
)
def test_one_hot_masks_refuse(masks, num_classes, name):
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        datasets.one_hot_masks(masks, num_classes)


# ---- Garments ------------------------------------------------------------------------------------


@pytest.fixture
def garments(monkeypatch):
    """Stands for Fashion-MNIST, which a machine may not have."""
    rng = np.random.default_rng(0)

    def split(n):
        images = rng.uniform(0.2, 1, (n, 28, 28, 1)).astype("float32")
        images[:, :6] = images[:, -6:] = images[:, :, :6] = images[:, :, -6:] = 0
        return loaders.Split(images, (np.arange(n) % 10).astype("int32"))

    splits = loaders.Splits(split(30), split(20), split(20))
    monkeypatch.setattr("tfcvae.datasets.garments.fashion_mnist", lambda directory: splits)
    return splits


def test_garments_are_whole_in_their_masks(garments):
    splits = datasets.occluded_garments((10, 5, 6), size=(40, 36))
    assert [len(split.images) for split in splits] == [10, 5, 6]
    for images, masks in splits:
        assert images.shape == masks.shape == (len(images), 40, 36, 1)
        assert images.dtype == masks.dtype == np.float32
        assert images.min() >= 0 and images.max() <= 1
        np.testing.assert_array_equal(masks.sum((1, 2, 3)), 16 * 16)


def test_garments_are_partly_hidden(garments):
    """Where a block lies before the garment, the image is plain; elsewhere it is the garment."""
    images, masks = datasets.occluded_garments((30, 1, 1)).train
    equal = np.abs(np.diff(images, axis=2)) < 0.1
    inside = (masks[:, :, 1:] > 0) & (masks[:, :, :-1] > 0)
    assert 0.35 < np.mean(equal[inside]) < 0.7


def test_garments_of_classes(garments):
    binary = datasets.occluded_garments((10, 5, 6)).validation
    images, masks = datasets.occluded_garments((10, 5, 6), classes=True).validation
    assert masks.shape == (5, 40, 40, 11)
    np.testing.assert_array_equal(masks.sum(-1), 1)
    np.testing.assert_array_equal(1 - masks[..., :1], binary.masks)
    np.testing.assert_array_equal(images, binary.images)
    for mask in masks.argmax(-1):
        assert len(np.unique(mask)) == 2


def test_garments_are_a_function_of_the_seed(garments):
    first, again, other = (datasets.occluded_garments((5, 5, 5), seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.test.images, again.test.images)
    assert np.any(first.test.images != other.test.images)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"num_images": (10, 5)}, "num_images"),
        ({"num_images": (10, 5, 21)}, "num_images"),
        ({"num_images": (10, 0, 5)}, "num_images"),
        ({"size": (27, 40)}, "size"),
    ],
)
def test_garments_refuse(garments, arguments, name):
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        datasets.occluded_garments(**arguments)


# ---- A user's own files --------------------------------------------------------------------------


def write(path, pixels, **kwargs):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.asarray(pixels, "uint8")).save(path, **kwargs)


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(5):
        suffix = "jpg" if i == 3 else "png"
        write(tmp_path / "images" / f"{i}.{suffix}", rng.integers(0, 256, (6, 8, 3)))
        write(tmp_path / "masks" / f"{i}.png", 255 * rng.integers(0, 2, (6, 8)))
    return tmp_path / "images", tmp_path / "masks"


def test_pairs_from_directories(folders):
    data = datasets.segmentation_from_directory(*folders, batch_size=2)
    assert data.cardinality() == 3
    x, y = next(iter(data))
    assert x.shape == (2, 6, 8, 3) and y.shape == (2, 6, 8, 1)
    assert x.dtype == y.dtype == tf.float32
    image, mask = (np.asarray(Image.open(folder / "0.png")) for folder in folders)
    np.testing.assert_allclose(x[0], image / 255, 1e-6)
    np.testing.assert_array_equal(y[0, ..., 0], mask / 255)
    assert data.element_spec[0].shape.as_list() == [None, 6, 8, 3]


def test_pairs_resized_and_grey(folders, tmp_path):
    grey = tmp_path / "grey"
    for path in folders[0].iterdir():
        write(grey / f"{path.stem}.png", np.asarray(Image.open(path).convert("L")))
    data = datasets.segmentation_from_directory(grey, folders[1], size=(3, 4))
    x, y = next(iter(data))
    assert x.shape == (5, 3, 4, 1) and y.shape == (5, 3, 4, 1)
    assert set(np.unique(y)) <= {0, 1}


def test_pictures_that_a_camera_has_turned_are_seen_upright(folders):
    """A file whose EXIF says that it lies on its side, and its upright mask."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image = np.zeros((6, 8, 3))
    image[:3] = 255
    write(folders[0] / "3.jpg", np.rot90(image), exif=exif)
    x, _ = next(iter(datasets.segmentation_from_directory(*folders)))
    np.testing.assert_allclose(x[3], image / 255, atol=0.2)


def test_pairs_of_classes(folders, tmp_path):
    labels = np.random.default_rng(0).integers(0, 3, (5, 6, 8))
    for i, mask in enumerate(labels):
        image = Image.fromarray(mask.astype("uint8"))
        if i % 2:
            image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        (tmp_path / "classes").mkdir(exist_ok=True)
        image.save(tmp_path / "classes" / f"{i}.png")
    data = datasets.segmentation_from_directory(folders[0], tmp_path / "classes", num_classes=3)
    _, y = next(iter(data))
    np.testing.assert_array_equal(np.argmax(y, -1), labels)
    with pytest.raises(ValueError, match="classes.*png.*out of range.*Received"):
        datasets.segmentation_from_directory(folders[0], tmp_path / "classes", num_classes=2)
    with pytest.raises(ValueError, match="classes.*png.*must be binary.*`num_classes`.*Received"):
        datasets.segmentation_from_directory(folders[0], tmp_path / "classes")


def test_pairs_in_a_seeded_order(folders):
    def order(seed):
        data = datasets.segmentation_from_directory(*folders, shuffle=True, seed=seed)
        return [next(iter(data))[0].numpy() for _ in range(2)]

    first, again = order(1), order(1)
    np.testing.assert_array_equal(first, again)
    assert np.any(first[0] != order(2)[0])
    assert np.any(first[0] != first[1])


def test_a_model_trains_on_pairs_from_directories(folders):
    from constructors import segmenter

    model = segmenter((6, 8, 1))
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    data = datasets.segmentation_from_directory(*folders, batch_size=2)
    history = model.fit(data, verbose=0).history
    assert np.isfinite(history["loss"][0])


def spoil(images, masks, case):
    """One thing that is wrong with two directories, and the file that the message names."""
    white = np.full((6, 8), 255)
    if case == "no mask":
        write(images / "extra.png", white)
        return "extra.png' without mask"
    if case == "no image":
        write(masks / "extra.png", white)
        return "extra.png' without image"
    if case == "mask of another size":
        write(masks / "2.png", np.full((6, 9), 255))
        return r"2.png'.*\(6, 9\)"
    if case == "pair of another size":
        write(images / "2.png", np.full((7, 8, 3), 255))
        write(masks / "2.png", np.full((7, 8), 255))
        return "`size`.*2.png"
    if case == "twice":
        write(images / "2.jpg", np.full((6, 8, 3), 255))
        return "one file for each name.*2.jpg.*2.png"
    if case == "no image file":
        (masks / "2.png").write_bytes(b"nothing")
        return "2.png' must be a PNG or JPEG"
    if case == "cut short":
        content = (masks / "2.png").read_bytes()
        (masks / "2.png").write_bytes(content[: len(content) // 2])
        return "2.png' must be a whole image"
    for path in masks.iterdir():
        path.unlink()
    return "`masks` must hold PNG or JPEG"


@pytest.mark.parametrize(
    "case",
    [
        "no mask",
        "no image",
        "mask of another size",
        "pair of another size",
        "twice",
        "no image file",
        "cut short",
        "empty",
    ],
)
def test_files_that_do_not_fit_are_named(folders, case):
    with pytest.raises(ValueError, match=spoil(*folders, case)):
        datasets.segmentation_from_directory(*folders)


def test_directories_refuse(folders, tmp_path):
    with pytest.raises(ValueError, match="`images` must be a directory.*Received"):
        datasets.segmentation_from_directory(tmp_path / "none", folders[1])
    with pytest.raises(ValueError, match="`batch_size`.*Received"):
        datasets.segmentation_from_directory(*folders, batch_size=0)
    with pytest.raises(ValueError, match="must be a PNG file.*Received: PNG, mode RGB"):
        datasets.segmentation_from_directory(folders[0], folders[0], num_classes=3)


@pytest.mark.parametrize(
    ("folder", "mode", "words"),
    [("images", "I;16", "8 bits"), ("masks", "RGB", "8-bit grey"), ("masks", "I;16", "8-bit grey")],
)
def test_files_of_another_kind_are_named(folders, folder, mode, words):
    path = next((folders[0] if folder == "images" else folders[1]).iterdir())
    with Image.open(path) as image:
        size = image.size
    Image.new(mode, size).save(path.with_suffix(".png"))
    if path.suffix != ".png":
        path.unlink()
    with pytest.raises(ValueError, match=words) as error:
        datasets.segmentation_from_directory(*folders)
    assert path.stem in str(error.value)


def test_masks_are_drawn_by_probabilities_in_any_precision():
    data = datasets.ambiguous_shapes(4)
    wide = datasets.draw_masks(data.objects, data.probabilities.astype("float64"), seed=1)
    np.testing.assert_array_equal(wide, datasets.draw_masks(data.objects, data.probabilities, 1))
