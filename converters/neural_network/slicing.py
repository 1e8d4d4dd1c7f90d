"""Slice and crop layers: a part of a blob.

Source: NeuralNetwork.proto, messages SliceLayerParams and CropLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.borders import AXES, read_borders
from mltoolkit.converters.neural_network.context import CHANNEL, HEIGHT, WIDTH, LayerContext
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import MAX_SIZE, stated_size
from mltoolkit.errors import InvalidModelError

# SliceLayerParams.SliceAxis
_SLICE_AXES = {0: CHANNEL, 1: HEIGHT, 2: WIDTH}


@converts("slice")
def convert_slice(context: LayerContext, layer: Any) -> None:
    """Every ``stride``-th element of [startIndex, endIndex) of an axis; negative indices count from its end.

    An ``endIndex`` of 0 stands for the end of the axis: so does Apple's shape inference
    (NeuralNetworkShapes.cpp) read the unset field, and no other reading leaves any element.
    """
    params = layer.slice
    if params.axis not in _SLICE_AXES:
        raise InvalidModelError(f"the axis {params.axis} is unknown", where=context.where)
    value = context.input()
    axis = context.axis(value, _SLICE_AXES[params.axis])
    # A longer stride takes the first element only, as this one does.
    stride = min(stated_size(context, "stride", min(params.stride, MAX_SIZE)), MAX_SIZE)
    start = max(-MAX_SIZE, min(params.startIndex, MAX_SIZE))
    end = max(-MAX_SIZE, min(params.endIndex or MAX_SIZE, MAX_SIZE))
    size = context.shape(value)[axis]
    if isinstance(size, int) and not range(*slice(start, end, stride).indices(size)):
        raise InvalidModelError(
            f"an axis of size {size} has nothing from index {params.startIndex} to {params.endIndex}",
            where=context.where,
        )
    constant = context.builder.constant
    context.output(
        context.builder.op("Slice", value, constant([start]), constant([end]), constant([axis]), constant([stride]))
    )


@converts("crop")
def convert_crop(context: LayerContext, layer: Any) -> None:
    """One input: ``cropAmounts`` are cut off. Two: the size of the second is cut out at ``offset``."""
    if len(layer.input) == 1:
        _crop_borders(context, layer)
    elif len(layer.input) == 2:
        _crop_to_reference(context, layer)
    else:
        raise InvalidModelError(f"the layer needs 1 or 2 inputs but has {len(layer.input)}", where=context.where)


def _crop_borders(context: LayerContext, layer: Any) -> None:
    value = context.input()
    borders = read_borders(context, "cropAmounts", layer.crop.cropAmounts)
    shape = context.shape(value)
    for name, axis, (start, end) in zip(AXES, (HEIGHT, WIDTH), borders, strict=True):
        size = shape[context.axis(value, axis)]
        if isinstance(size, int) and start + end >= size:
            raise InvalidModelError(
                f"cutting {start} + {end} off a {name} of {size} leaves nothing", where=context.where
            )
    if borders == ((0, 0), (0, 0)):
        context.output(value)
        return
    constant = context.builder.constant
    starts = constant([start for start, _ in borders])
    ends = constant([-end if end else MAX_SIZE for _, end in borders])
    axes = constant([context.axis(value, HEIGHT), context.axis(value, WIDTH)])
    context.output(context.builder.op("Slice", value, starts, ends, axes))


def _crop_to_reference(context: LayerContext, layer: Any) -> None:
    value, reference = context.inputs()
    if len(layer.crop.offset) != 2:
        raise InvalidModelError(
            f"offset has {len(layer.crop.offset)} values where 2, [H, W], are needed", where=context.where
        )
    starts, ends, axes = [], [], []
    for name, axis, offset in zip(AXES, (HEIGHT, WIDTH), layer.crop.offset, strict=True):
        start = stated_size(context, "offset", offset, minimum=0)
        end = start + context.size(reference, axis)
        size = context.shape(value)[context.axis(value, axis)]
        if isinstance(size, int) and end > size:
            raise InvalidModelError(
                f"elements {start} to {end} are cut out of a {name} of only {size}", where=context.where
            )
        starts.append(start)
        ends.append(end)
        axes.append(context.axis(value, axis))
    constant = context.builder.constant
    context.output(context.builder.op("Slice", value, constant(starts), constant(ends), constant(axes)))
