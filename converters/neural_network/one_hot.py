"""One-hot vectors of indices.

Source: NeuralNetwork.proto, message OneHotLayerParams. ONNX's OneHot counts negative indices from the end;
here they have no place in the vector, like any other index outside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.generated import check_generated
from mltoolkit.converters.neural_network.operands import exact_inputs, scalar, whole_numbers
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.converters.neural_network.sizes import stated_size
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of


@converts("oneHot")
def one_hot(context: LayerContext, layer: Any) -> None:
    """A vector with ``onValue`` at the index, else ``offValue``, along a new axis of the output."""
    params = layer.oneHot
    builder = context.builder
    value, *given = exact_inputs(context, 1, 2)
    shape = shape_of(value)
    rank = len(shape) + 1
    if not -rank <= params.axis < rank:
        raise InvalidModelError(f"axis {params.axis} is outside the output's rank {rank}", where=context.where)
    axis = int(params.axis) % rank
    if given:
        length = whole_numbers(context, scalar(context, given[0]))
        positions = builder.op("Range", builder.constant(0), length, builder.constant(1))
    else:
        size = stated_size(context, "oneHotVectorSize", params.oneHotVectorSize)
        check_generated(context.where, (*shape, size))
        positions = builder.constant(np.arange(size, dtype=np.int64))
    # Behind the new axis lie the input's axes from there on, along which the positions repeat.
    if axis < rank - 1:
        positions = builder.op("Unsqueeze", positions, builder.constant(list(range(1, rank - axis))))
    indices = builder.op("Unsqueeze", whole_numbers(context, value), builder.constant([axis]))
    hit = builder.op("Equal", indices, positions)
    on, off = (builder.constant(float(number)) for number in (params.onValue, params.offValue))
    context.output(builder.op("Where", hit, on, off))
