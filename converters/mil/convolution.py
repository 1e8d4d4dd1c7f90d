"""Conv."""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.spatial import read_window


@writes("Conv")
def write_conv(node: NodeContext) -> Any:
    """Conv over one to three spatial axes."""
    shape = node.shape(0)
    if not 3 <= len(shape) <= 5:
        node.refuse(f"it convolves over {len(shape) - 2} axes", "one to three spatial axes")
    kernel = node.static_shape(1, "a kernel has fixed sizes")[2:]
    window = read_window(node, kernel, shape[2:])
    groups = node.attribute("group", 1)
    fixed = node.constant(1) is not None
    if not fixed:
        _check_computed_kernel(node, len(kernel), groups, window.dilations)
    if window.pads is not None:
        padding: dict[str, Any] = {"pad_type": "custom", "pad": window.mil_pads}
    elif window.auto_pad == "SAME_UPPER":
        padding = {"pad_type": "same"}
    else:
        if node.opset < 7 and not node.is_network:
            node.refuse("SAME_LOWER over a flexible size came with iOS16", "minimum_deployment_target='iOS16'")
        padding = {"pad_type": "same_lower"}
    x = node.input(0)
    if window.pads is not None:
        x, padding["pad"] = _with_pad_before(x, window.mil_pads)
    bias = node.optional(2)
    inside = bias if bias is not None and fixed and node.constant(2) is not None else None
    result = node.mb.conv(
        x=x,
        weight=node.input(1),
        bias=inside,
        strides=list(window.strides),
        dilations=list(window.dilations),
        groups=groups,
        **padding,
    )
    if bias is None or inside is not None:
        return result
    return node.mb.add(x=result, y=node.mb.reshape(x=bias, shape=[1, -1] + [1] * len(kernel)))


def _with_pad_before(x: Any, pads: list[int]) -> tuple[Any, list[int]]:
    """What an operation before the convolution pads with zeros, and the padding of both together.

    Keras and PyTorch often pad in a layer of its own, which costs the device a copy of the image.
    """
    operation = x.op
    if operation is None or operation.op_type != "pad" or operation.mode.val != "constant":
        return x, pads
    before = operation.pad.val
    # What is padded counts from the last axis.
    if before is None or operation.constant_val.val != 0 or any(before[: -len(pads)]) or len(before) < len(pads):
        return x, pads
    return operation.x, [int(size + more) for size, more in zip(pads, before[-len(pads) :], strict=True)]


def _check_computed_kernel(node: NodeContext, axes: int, groups: int, dilations: tuple[int, ...]) -> None:
    if any(dilation > 1 for dilation in dilations):
        node.refuse("its kernel is computed while the model runs and dilated", "a constant kernel")
    if node.is_network and (axes == 3 or groups > 1):
        node.refuse(
            "its kernel is computed while the model runs, which neural networks have without groups over one or two "
            "axes only",
            "format='mlpackage'",
        )
