"""Default sizes for inputs whose sizes the source leaves open."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.conversion.imported import Imported
from mltoolkit.conversion.index_limits import index_limit
from mltoolkit.conversion.options import Options
from mltoolkit.converters.mil.target import ArrayInput, ImageInput, SizeRange
from mltoolkit.errors import MLToolkitError
from mltoolkit.graph.builder import dtype_of, known_shape

logger = logging.getLogger(__name__)

# Tried in turn: pictures want some size for their poolings, sequences any.
_SIZES = (64, 224, 32, 16, 1)


def with_default_sizes(imported: Imported, options: Options) -> Options:
    """Options in which every open size has a default with which the source runs.

    A batch (the first axis) has the default 1. Sizes of equal name are equal. What the caller or the source describes
    stays.
    """
    assert imported.hub is not None
    graph = imported.hub.model.graph
    described = options.target.inputs
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    open_inputs = [value for value in inputs if _open_axes(value) and not _has_sizes(described.get(value.name or ""))]
    if not open_inputs or imported.reference is None:
        return options
    for size in _SIZES:
        try:
            imported.reference.run({value.name or "": _feed(value, size, options) for value in inputs})
        except MLToolkitError as error:
            logger.debug("the source does not run at size %d: %s", size, error)
            continue
        filled = {value.name or "": _filled(value, described.get(value.name or ""), size) for value in open_inputs}
        return replace(options, target=replace(options.target, inputs={**described, **filled}))
    return options


def _open_axes(value: ir.Value) -> list[int]:
    """Axes of open size, but for the batch."""
    shape = known_shape(value) or ()
    return [axis for axis, size in enumerate(shape) if axis and not isinstance(size, int)]


def _has_sizes(item: ImageInput | ArrayInput | None) -> bool:
    if isinstance(item, ImageInput):
        return item.size is not None or bool(item.sizes)
    return item is not None and (item.shape is not None or bool(item.shapes))


def _feed(value: ir.Value, size: int, options: Options) -> NDArray[Any]:
    """Any input of the declared shape, for a run whose result does not matter."""
    item = options.target.inputs.get(value.name or "")
    given = iter(item.shape or () if isinstance(item, ArrayInput) else ())
    shape = [_size(known, next(given, None), axis, size) for axis, known in enumerate(known_shape(value) or ())]
    dtype = dtype_of(value)
    rng = np.random.default_rng(options.seed)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, index_limit(value) or 2, shape).astype(dtype)


def _size(known: Any, given: Any, axis: int, size: int) -> int:
    if isinstance(known, int):
        return known
    if isinstance(given, SizeRange):
        return given.default or given.lower
    return given if isinstance(given, int) else size if axis else 1


def _filled(value: ir.Value, item: ImageInput | ArrayInput | None, size: int) -> ImageInput | ArrayInput:
    shape = known_shape(value) or ()
    sizes = [
        known if isinstance(known, int) else SizeRange(default=size if axis else 1) for axis, known in enumerate(shape)
    ]
    if not isinstance(item, ImageInput):
        return replace(item or ArrayInput(), shape=sizes)
    channels_last = item.layout == "NHWC" or (item.layout is None and shape[1] not in (1, 3) and shape[3] in (1, 3))
    height, width = sizes[1:3] if channels_last else sizes[2:4]
    return replace(item, size=(height, width))
