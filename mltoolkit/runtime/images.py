"""Pictures as the arrays that a model's image input takes, and image outputs as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError, InputError, did_you_mean
from mltoolkit.formats.features import ImageFeature
from mltoolkit.runtime.pictures import decode

if TYPE_CHECKING:
    from PIL import Image

Crop = Literal["whole", "center"]
CROPS = ("whole", "center")
_OPAQUE = 255


@dataclass(frozen=True)
class PreparedImage:
    """A picture that is ready for a model: float32 (1, C, H, W), 0..255, channels in the colour space's order."""

    array: NDArray[np.float32]


def prepare_image(feature: ImageFeature, image: Any, crop: Crop = "whole") -> PreparedImage:
    """Bring a picture to the size and colours of an image input.

    Args:
        feature: the image input.
        image: a path, a PIL image, or an array: uint8, or floating from 0 to 255, of shape (H, W), (H, W, 1) or
            (H, W, 3) in RGB order.
        crop: how a picture of another size is fitted: ``whole`` resizes the whole picture (as coremltools does),
            ``center`` first cuts the middle to the input's aspect ratio. Resizing uses Lanczos interpolation.

    Returns:
        The picture as float32 (1, C, H, W).

    Raises:
        InputError: the file is no picture, or the array has another form.
        ArgumentError: ``crop`` is misspelt.
    """
    if crop not in CROPS:
        raise ArgumentError(f"there is no crop {crop!r}", fix=did_you_mean(str(crop), CROPS))
    if isinstance(image, PreparedImage):
        return image
    if isinstance(image, np.ndarray) and image.dtype.kind == "f":
        return PreparedImage(_from_float_array(feature, image))
    picture = open_image(image, where=f"input {feature.name!r}")
    with_colors = picture.convert("RGB" if feature.channels == 3 else "L")
    size = _target_size(feature, with_colors.size)
    if with_colors.size != size:
        with_colors = _resize(with_colors, size, crop)
    pixels = np.asarray(with_colors)
    return PreparedImage(_to_tensor(pixels, feature))


def open_image(image: Any, *, where: str) -> Image.Image:
    """A PIL image from a path, a PIL image or a uint8 array.

    Raises:
        InputError: it is none of these.
        UnreadablePictureError: the file cannot be read as a picture.
    """
    from PIL import Image

    picture = decode(image, where=where)
    if isinstance(picture, Image.Image):
        return picture
    if isinstance(image, np.ndarray):
        return _from_array(image, where)
    raise InputError(f"a picture is a path, a PIL image or an array, not {type(image).__name__}", where=where)


def _from_array(array: NDArray[Any], where: str) -> Image.Image:
    from PIL import Image

    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) or not array.size:
        raise InputError(
            f"an array of shape {array.shape} and type {array.dtype} is no picture",
            where=where,
            fix="Give uint8 (or floats from 0 to 255) of shape (height, width) or (height, width, 3) in RGB order",
        )
    return Image.fromarray(array)


def _from_float_array(feature: ImageFeature, array: NDArray[Any]) -> NDArray[np.float32]:
    where = f"input {feature.name!r}"
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] != feature.channels:
        raise InputError(
            f"a floating array of shape {array.shape} does not fit an image of {feature.channels} channels",
            where=where,
            fix=f"Give the shape ({feature.height}, {feature.width}, {feature.channels}) in RGB order, 0 to 255",
        )
    height, width = array.shape[:2]
    if not feature.allows(width, height):
        raise InputError(
            f"a floating array of {width}×{height} pixels is not resized",
            where=where,
            fix=f"Give {feature.width}×{feature.height} pixels, or uint8, which is resized",
        )
    if not np.isfinite(array).all():
        raise InputError("the picture has values that are NaN or infinite", where=where)
    return _to_tensor(array, feature)


def _to_tensor(pixels: NDArray[Any], feature: ImageFeature) -> NDArray[np.float32]:
    """(H, W) or (H, W, C) in RGB order → float32 (1, C, H, W) in the order of the colour space."""
    if pixels.ndim == 2:
        return pixels[None, None].astype(np.float32)
    if feature.color_space == "BGR":
        pixels = pixels[:, :, ::-1]
    tensor = np.empty((1, pixels.shape[2], *pixels.shape[:2]), dtype=np.float32)
    tensor[0] = pixels.transpose(2, 0, 1)
    return tensor


def _target_size(feature: ImageFeature, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) that a picture of ``size`` gets."""
    if feature.allows(*size):
        return size
    if feature.sizes:
        # The allowed size of the most similar aspect ratio; among equal ones, of the most similar area.
        def distance(allowed: tuple[int, int]) -> tuple[float, float]:
            wider, higher = np.log(allowed[0] / size[0]), np.log(allowed[1] / size[1])
            return abs(wider - higher), abs(wider + higher)

        return min(feature.sizes, key=distance)
    return feature.width, feature.height


def _resize(picture: Image.Image, size: tuple[int, int], crop: Crop) -> Image.Image:
    from PIL import Image

    if crop == "center":
        width, height = picture.size
        scale = min(width / size[0], height / size[1])
        cut_width, cut_height = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        left, top = (width - cut_width) // 2, (height - cut_height) // 2
        picture = picture.crop((left, top, left + cut_width, top + cut_height))
    return picture.resize(size, Image.Resampling.LANCZOS)


def to_image(feature: ImageFeature, array: NDArray[np.float32]) -> Image.Image:
    """An image output (C, H, W) as the PIL image that coremltools makes of it on a Mac.

    Colours come in mode RGBA, opaque: Core ML fills buffers of 32 bits a pixel, and coremltools' bindings
    (coremlpython/CoreMLPythonUtils.mm, convertImageValueToPython) pass all four channels on. Gray comes in mode L.
    Both are rounded and clipped to 0..255. A ``GRAY_FLOAT16`` output comes in mode F, not clipped.
    """
    from PIL import Image

    if feature.color_space == "GRAY_FLOAT16":
        return Image.fromarray(array[0].astype(np.float32))
    # NaN has no pixel value; black is what a clipped conversion gives on every platform.
    pixels = np.clip(np.rint(np.nan_to_num(array, nan=0.0)), 0, 255).astype(np.uint8)
    if feature.channels == 1:
        return Image.fromarray(pixels[0])
    rgba = np.full((*pixels.shape[1:], 4), _OPAQUE, dtype=np.uint8)
    rgba[:, :, :3] = (pixels[::-1] if feature.color_space == "BGR" else pixels).transpose(1, 2, 0)
    return Image.fromarray(rgba)
