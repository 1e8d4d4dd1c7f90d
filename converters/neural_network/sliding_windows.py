"""All windows of an axis.

Source: NeuralNetwork.proto, message SlidingWindowsLayerParams.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.generated import check_generated
from mltoolkit.converters.neural_network.operands import exact_inputs
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.shape_parts import reshaped, sizes_of
from mltoolkit.converters.neural_network.sizes import check_elements, stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("slidingWindows")
def sliding_windows(context: LayerContext, layer: Any) -> None:
    """(…, L, …) → (…, (L − windowSize) / step + 1, windowSize, …)."""
    params = layer.slidingWindows
    (value,) = exact_inputs(context, 1)
    axis = context.axis(value, int(params.axis))
    window = stated_size(context, "windowSize", params.windowSize)
    step = stated_size(context, "step", params.step)
    shape = shape_of(value)
    length = shape[axis]
    if isinstance(length, int) and window > length:
        raise InvalidModelError(f"a window of {window} is longer than the axis, {length}", where=context.where)
    count = (length - window) // step + 1 if isinstance(length, int) else 1
    check_elements(context, [*shape[:axis], count, window, *shape[axis + 1 :]])
    check_generated(context.where, [count, window])
    builder = context.builder
    if isinstance(length, int):
        starts = builder.constant(step * np.arange(count, dtype=np.int64)[:, None])
    else:
        end = builder.op("Sub", sizes_of(context, value, axis, axis + 1), builder.constant([window - 1]))
        given = builder.op("Range", builder.constant(0), reshaped(context, end, []), builder.constant(step))
        starts = reshaped(context, given, [-1, 1])
    indices = builder.op("Add", starts, builder.constant(np.arange(window, dtype=np.int64)))
    context.output(builder.op("Gather", value, indices, attributes={"axis": axis}))
