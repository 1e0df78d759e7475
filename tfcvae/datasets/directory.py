"""Pairs of images and masks in files."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tfcvae import pipeline, shapes
from tfcvae.datasets.masks import one_hot_masks

_SUFFIXES = (".png", ".jpg", ".jpeg")


def segmentation_from_directory(
    images, masks, size=None, num_classes=None, batch_size=32, shuffle=False, seed=0
):
    """Reads pairs of images and masks from two directories of PNG and JPEG files.

    An image and its mask have the same name but for the suffix. Names, sizes and the values of the
    masks are checked at once; the images are read when they are needed.

    Args:
        images: directory of 8-bit images, grey or in color.
        masks: directory of masks. Binary ones are 8-bit grey, 0 and 1, or 0 to 255 with 128 and
            more for what is on; masks of classes are PNG files, grey or with a palette, that hold
            the class of each pixel.
        size: pair of ints, height and width to which images (bilinearly) and masks (by the nearest
            pixel) are resized; `None` if all have the same size already.
        num_classes: int >= 2, the number of classes; `None` for binary masks.
        batch_size: int.
        shuffle: bool, whether the pairs come in a new order in every epoch.
        seed: int, of the order.

    Returns:
        A `tf.data.Dataset` of batches `(x, y)`: float32 `[batch, height, width, 1 or 3]` in [0, 1]
        (color if any image has it) and `[batch, height, width, 1 or num_classes]`.

    Raises:
        ValueError: if a file has no partner, is no image of a kind named above, differs in size
            from its partner (or from the others, without `size`), or a mask is not binary where it
            should be or holds a class out of the range. The message names the file.
    """
    batch_size = shapes.check_positive_int(batch_size, "batch_size")
    size = None if size is None else shapes.check_image_size(size)
    pairs = _pairs(_files("images", images), _files("masks", masks))
    headers = [tuple(_header(path) for path in pair) for pair in pairs]
    size = _check_sizes(pairs, headers, size)
    channels = 3 if any(mode not in ("1", "L", "LA") for (_, mode), _ in headers) else 1
    for (image, mask), ((_, mode), _) in zip(pairs, headers):
        _check_image_mode(image, mode)
        _read_mask(mask, size, num_classes)

    def read(image, mask):
        x = _read_image(image.decode(), size, channels)
        return x, _read_mask(mask.decode(), size, num_classes)

    def load(image, mask):
        x, y = tf.numpy_function(read, (image, mask), (tf.float32, tf.float32), stateful=False)
        x = tf.ensure_shape(x, (*size, channels))
        return x, tf.ensure_shape(y, (*size, num_classes or 1))

    names = tuple([str(path) for path in column] for column in zip(*pairs))
    data = tf.data.Dataset.from_tensor_slices(names)
    if shuffle:
        data = data.shuffle(len(pairs), seed=seed)
    data = data.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    return pipeline.untuned(data.batch(batch_size).prefetch(2))


def _files(name, directory):
    """The image files of a directory by their names without suffix."""
    directory = Path(directory)
    if not directory.is_dir():
        raise ValueError(f"Argument `{name}` must be a directory. Received: '{directory}'")
    found = {}
    for path in sorted(directory.iterdir()):
        if path.suffix.lower() in _SUFFIXES:
            if path.stem in found:
                raise ValueError(
                    f"Argument `{name}` must have one file for each name. "
                    f"Received: '{found[path.stem]}' and '{path}'"
                )
            found[path.stem] = path
    if not found:
        raise ValueError(
            f"Argument `{name}` must hold PNG or JPEG files. Received: '{directory}' without any"
        )
    return found


def _pairs(images, masks):
    alone = sorted(images.keys() ^ masks.keys())
    if alone:
        path = images.get(alone[0]) or masks[alone[0]]
        other = "mask" if alone[0] in images else "image"
        raise ValueError(
            "Every image must have a mask of the same name, and every mask an image. "
            f"Received: '{path}' without {other}; {len(alone)} files have no partner"
        )
    return [(images[name], masks[name]) for name in images]


def _open(path):
    try:
        return Image.open(path)
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"File '{path}' must be a PNG or JPEG image. Received: {error}") from error


def _header(path):
    """Height and width as the image is to be seen, and Pillow's mode."""
    with _open(path) as image:
        height, width = image.size[::-1]
        is_photo = image.format == "JPEG"
        turned = is_photo and image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return (width, height) if turned else (height, width), image.mode


def _check_sizes(pairs, headers, size):
    """The common size of all files, or an error that names the first that differs."""
    expected = headers[0][0][0]
    for (image, mask), ((image_size, _), (mask_size, _)) in zip(pairs, headers):
        if image_size != mask_size:
            raise ValueError(
                f"Mask '{mask}' must have the size of its image '{image}'. Received: mask of "
                f"{mask_size}, image of {image_size} (height, width)"
            )
        if size is None and image_size != expected:
            raise ValueError(
                "All images must have one size, unless `size` says to which they are resized. "
                f"Received: '{image}' of {image_size}, '{pairs[0][0]}' of {expected}"
            )
    return size or expected


def _load(path, image, mode, size, resample):
    """An image's pixels, converted to a mode unless it is `None`, and resized."""
    try:
        if image.format == "JPEG":
            image = ImageOps.exif_transpose(image)
        image = image if mode is None else image.convert(mode)
        return np.asarray(image.resize(size[::-1], resample))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"File '{path}' must be a whole image. Received: {error}") from error


def _check_image_mode(path, mode):
    if mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"):
        raise ValueError(f"Image '{path}' must have 8 bits a channel. Received: mode {mode}")


def _read_image(path, size, channels):
    with _open(path) as image:
        mode = "RGB" if channels == 3 else "L"
        pixels = _load(path, image, mode, size, Image.Resampling.BILINEAR)
    return (pixels.reshape(*size, channels) / 255).astype("float32")


def _read_mask(path, size, num_classes):
    with _open(path) as image:
        of_classes = num_classes is not None
        if of_classes and (image.format != "PNG" or image.mode not in ("L", "P", "I;16", "1")):
            raise ValueError(
                f"Mask '{path}' must be a PNG file, grey or with a palette, that holds the class "
                f"of each pixel. Received: {image.format}, mode {image.mode}"
            )
        if not of_classes and image.mode not in ("1", "L"):
            raise ValueError(
                f"Mask '{path}' must be 8-bit grey, unless `num_classes` is given. "
                f"Received: mode {image.mode}"
            )
        mode = None if of_classes else "L"
        pixels = _load(path, image, mode, size, Image.Resampling.NEAREST)
    if not of_classes:
        if image.format == "PNG" and 1 < pixels.max() < 128:
            raise ValueError(
                f"Mask '{path}' must be binary, 0 and 1 or 0 to 255, unless `num_classes` is "
                f"given. Received: values up to {pixels.max()}"
            )
        on = pixels >= (128 if pixels.max() > 1 else 1)
        return on[..., None].astype("float32")
    try:
        return one_hot_masks(pixels.astype("int32"), num_classes)
    except ValueError as error:
        raise ValueError(f"Mask '{path}' is out of range. {error}") from error
