"""Resize and Upsample of all opsets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import SourceNode
from mltoolkit.converters.onnx_import.partial_values import elements_of
from mltoolkit.converters.onnx_import.registry import adapts
from mltoolkit.graph.builder import known_shape

# How the operators before opset 11 sample: element ⌊i / scale⌋, or between the elements around i / scale.
_FIRST_FORM = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


@adapts("Upsample", before=9)
def adapt_first_upsample(node: SourceNode) -> Sequence[ir.Value]:
    """Upsample with its scales as attribute."""
    scales = node.builder.constant(np.asarray(node.attribute("scales"), dtype=np.float32))
    return _resize(node, scales)


@adapts("Upsample", since=9)
def adapt_upsample(node: SourceNode) -> Sequence[ir.Value]:
    """Upsample with its scales as input."""
    return _resize(node, node.input(1))


@adapts("Resize", before=11)
def adapt_first_resize(node: SourceNode) -> Sequence[ir.Value]:
    """Resize of opset 10, which is Upsample."""
    return _resize(node, node.input(1))


def _resize(node: SourceNode, scales: ir.Value) -> Sequence[ir.Value]:
    mode = "linear" if node.attribute("mode", "nearest") in ("linear", "bilinear") else "nearest"
    attributes = {"mode": mode, **_FIRST_FORM}
    return (node.op("Resize", node.input(0), None, scales, **attributes),)


@adapts("Resize", since=11)
def adapt_resize(node: SourceNode) -> Sequence[ir.Value]:
    """Resize of newer opsets; empty constants stood for inputs that are left out."""
    inputs = [node.optional_input(index) for index in range(4)]
    inputs = [None if _is_empty(value) else value for value in inputs]
    if node.attribute("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize":
        inputs[1] = None
    while inputs[-1] is None:
        inputs.pop()
    if len(inputs) == 4 and inputs[3] is not None and inputs[3].const_value is None and "axes" not in node.attributes:
        partial = _resized_axes(node, inputs[3])
        if partial is not None:
            axes, sizes = partial
            inputs[3] = node.builder.constant(sizes)
            return node.emit(inputs=inputs, attributes={**node.attributes, "axes": axes})
    return node.emit(inputs=inputs)


def _resized_axes(node: SourceNode, sizes: ir.Value) -> tuple[list[int], list[int]] | None:
    """The axes whose new sizes are numbers, and these, where the others keep their open sizes."""
    shape, elements = known_shape(node.input(0)), elements_of(sizes)
    if shape is None or elements is None or len(shape) != len(elements):
        return None
    chosen = [(axis, size) for axis, size in enumerate(elements) if isinstance(size, int)]
    kept = all(
        isinstance(size, int) or (size is not None and size == shape[axis]) for axis, size in enumerate(elements)
    )
    return ([axis for axis, _ in chosen], [size for _, size in chosen]) if kept and chosen else None


def _is_empty(value: ir.Value | None) -> bool:
    return value is not None and value.const_value is not None and value.const_value.size == 0
