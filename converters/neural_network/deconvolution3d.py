"""Deconvolution (transposed convolution) over depth, height and width.

Source: NeuralNetwork.proto, message Convolution3DLayerParams. Without padding the output of an axis has
(n − 1) · stride + extent elements; padding crops it, ``same`` padding to n · stride. ``outputShape``
overrides the padding: ``custom`` amounts are taken where they lead to just that shape (coremltools writes
both), else the difference is split evenly, the odd element at the end. A shape beyond the full output has
elements at the end that no input reaches (PyTorch's ``output_padding``).

The weights lie as coremltools writes them and ONNX wants them, [inputs, outputs / groups, D, H, W]; the
comment in NeuralNetwork.proto has the first two turned round.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.sizes import check_elements, stated_size
from mltoolkit.converters.neural_network.windows import split_amount
from mltoolkit.converters.neural_network.windows3d import (
    AXES,
    CUSTOM,
    NO_BORDERS,
    SAME,
    VALID,
    Borders3D,
    Window3D,
    custom_borders,
    onnx_pads3d,
)
from mltoolkit.errors import InvalidModelError


def deconvolution3d(
    context: LayerContext, value: ir.Value, sizes: Sequence[int], window: Window3D, bias: ir.Value | None
) -> ir.Value:
    """ConvTranspose, (N, C, D, H, W) → (N, outputChannels, D_out, H_out, W_out)."""
    params = context.params
    groups = params.nGroups
    shape = (params.inputChannels, params.outputChannels // groups, *window.kernel)
    weights = context.stored_constant("weights", shape, channel_axis=1)
    full = [
        (size - 1) * stride + extent for size, stride, extent in zip(sizes, window.stride, window.extent, strict=True)
    ]
    crops = _stated_crops(context, sizes, window, full)
    if len(params.outputShape):
        crops = _crops_to_shape(context, window, full, crops)
    check_elements(context, [size - sum(crop) for size, crop in zip(full, crops, strict=True)])
    attributes = {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "dilations": list(window.dilation),
        # Elements beyond the full output stand here as a negative crop at the end.
        "pads": onnx_pads3d(tuple((start, max(0, end)) for start, end in crops)),
        "output_padding": [max(0, -end) for _, end in crops],
        "group": groups,
    }
    return context.builder.op("ConvTranspose", value, weights, bias, attributes=attributes)


def _stated_crops(context: LayerContext, sizes: Sequence[int], window: Window3D, full: Sequence[int]) -> Borders3D:
    kind = context.params.paddingType
    if kind == VALID:
        return NO_BORDERS
    if kind == SAME:
        return tuple(
            _split(most - size * stride) for size, stride, most in zip(sizes, window.stride, full, strict=True)
        )
    if kind != CUSTOM:
        raise InvalidModelError(f"the padding type {kind} is not known", where=context.where)
    crops = custom_borders(context)
    if not len(context.params.outputShape):
        for axis, most, crop in zip(AXES, full, crops, strict=True):
            if most <= sum(crop):
                raise InvalidModelError(
                    f"the padding of {sum(crop)} along the {axis.lower()} leaves nothing of the {most} elements",
                    where=context.where,
                )
    return crops


def _split(total: int) -> tuple[int, int]:
    return (0, total) if total < 0 else split_amount(total, top_left_heavy=False)


def _crops_to_shape(context: LayerContext, window: Window3D, full: Sequence[int], stated: Borders3D) -> Borders3D:
    wanted = [stated_size(context, "outputShape", size) for size in context.params.outputShape]
    if len(wanted) != 3:
        raise InvalidModelError(
            f"outputShape has {len(wanted)} entries where 3, [D, H, W], are needed", where=context.where
        )
    for axis, most, stride, size in zip(AXES, full, window.stride, wanted, strict=True):
        if size >= most + stride:
            raise InvalidModelError(
                f"the outputShape's {axis.lower()} is {size} where a deconvolution of this input can reach "
                f"at most {most + stride - 1}",
                where=context.where,
            )
    totals = [most - size for most, size in zip(full, wanted, strict=True)]
    if [sum(crop) for crop in stated] == totals:
        return stated
    return tuple(_split(total) for total in totals)
