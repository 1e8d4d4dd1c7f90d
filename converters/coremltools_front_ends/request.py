"""What is asked of coremltools' converter, in the words of this package and in coremltools' own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mltoolkit.converters.mil.target import (
    DEFAULT_UPPER_BOUND,
    ArrayInput,
    CoreMLTarget,
    ImageInput,
    SizeRange,
)
from mltoolkit.errors import ArgumentError


@dataclass(frozen=True)
class TensorInput:
    """An input of the framework's model.

    Attributes:
        name: what the Core ML model calls it.
        shape: its default shape.
        dtype: its NumPy type.
        declared: how it is declared; an array of that shape when None.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    declared: ImageInput | ArrayInput | None = None


@dataclass(frozen=True)
class ConvertedModel:
    """What coremltools made.

    Attributes:
        spec: the ``Model`` message, in coremltools' classes.
        weights_dir: the folder of an ML Program's weights, which lives as long as ``owner``.
        owner: the ``MLModel``.
    """

    spec: Any
    weights_dir: Path | None
    owner: Any


def input_types(inputs: Sequence[TensorInput], target: CoreMLTarget) -> list[Any]:
    """coremltools' ``TensorType`` or ``ImageType`` for each input."""
    return [_input_type(item, target) for item in inputs]


def scaled_by_coremltools(image: ImageInput) -> bool:
    """Whether coremltools can express the scale of an image: only one for all channels."""
    return isinstance(image.scale, (int, float))


def _input_type(item: TensorInput, target: CoreMLTarget) -> Any:
    import coremltools as ct

    declared = item.declared
    if isinstance(declared, ImageInput):
        channels = 1 if (declared.color or "").startswith("GRAYSCALE") or item.shape[1] == 1 else 3
        color = declared.color or ("RGB" if channels == 3 else "GRAYSCALE")
        layout = {
            "RGB": ct.colorlayout.RGB,
            "BGR": ct.colorlayout.BGR,
            "GRAYSCALE": ct.colorlayout.GRAYSCALE,
            "GRAYSCALE_FLOAT16": ct.colorlayout.GRAYSCALE_FLOAT16,
        }[color]
        given: dict[str, Any] = {}
        if isinstance(declared.scale, (int, float)):
            biases = [declared.bias] * channels if isinstance(declared.bias, (int, float)) else list(declared.bias)
            given = {"scale": declared.scale, "bias": biases if channels == 3 else float(biases[0])}
        shape = _shape(item, _image_sizes(declared), target)
        return ct.ImageType(name=item.name, shape=shape, color_layout=layout, channel_first=True, **given)
    sizes = declared.shape if declared is not None else None
    shapes = declared.shapes if declared is not None else ()
    dtype = np.int32 if item.dtype.kind in "iub" else np.float32
    return ct.TensorType(name=item.name, shape=_shape(item, (sizes, shapes), target), dtype=dtype)


_Sizes = tuple[Sequence[int | SizeRange | None] | None, Sequence[Sequence[int]]]


def _image_sizes(image: ImageInput) -> _Sizes:
    """The (N, C, H, W) sizes of an image; None where the default holds."""
    sizes = (None, None, *image.size) if image.size is not None else None
    return sizes, [(0, 0, *pair) for pair in image.sizes]


def _shape(item: TensorInput, sizes: _Sizes, target: CoreMLTarget) -> Any:
    import coremltools as ct

    one, several = sizes
    if several:
        full = [tuple(size or item.shape[axis] for axis, size in enumerate(shape)) for shape in several]
        return ct.EnumeratedShapes(shapes=full, default=full[0]) if len(set(full)) > 1 else full[0]
    if one is None:
        return item.shape
    if len(one) != len(item.shape):
        raise ArgumentError(f"the input {item.name!r} has {len(item.shape)} dimensions, not {len(one)}")
    dims = []
    for size, default in zip(one, item.shape, strict=True):
        if isinstance(size, SizeRange):
            upper = size.upper
            if upper is None:
                upper = DEFAULT_UPPER_BOUND if target.format == "mlpackage" else -1
            dims.append(ct.RangeDim(size.lower, upper, default=default))
        else:
            dims.append(default)
    return ct.Shape(shape=dims)
