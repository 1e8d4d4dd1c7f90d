"""Axes turned round, wholly or as far as each sequence of a batch goes.

Source: NeuralNetwork.proto, messages ReverseLayerParams and ReverseSeqLayerParams.
"""

from __future__ import annotations

from typing import Any

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.operands import exact_inputs, whole_numbers
from mltoolkit.converters.neural_network.registry import converts
from mltoolkit.errors import InvalidModelError
from mltoolkit.graph.builder import shape_of

# An end that lies before the first element, whatever the size of the axis.
_BEFORE_FIRST = -(1 << 31)


@converts("reverse")
def reverse(context: LayerContext, layer: Any) -> None:
    """A slice with the step −1 of each axis that is to be turned round."""
    flags = list(layer.reverse.reverseDim)
    value = context.input()
    rank = len(shape_of(value))
    if len(flags) != rank:
        raise InvalidModelError(f"reverseDim has {len(flags)} entries for a blob of rank {rank}", where=context.where)
    axes = [axis for axis, flag in enumerate(flags) if flag]
    if not axes:
        context.output(value)
        return
    builder = context.builder
    starts, ends, steps = ([number] * len(axes) for number in (-1, _BEFORE_FIRST, -1))
    context.output(builder.op("Slice", value, *map(builder.constant, (starts, ends, axes, steps))))


@converts("reverseSeq")
def reverse_sequences(context: LayerContext, layer: Any) -> None:
    """The first ``lengths[b]`` elements of the sequence axis in reverse, for each b of the batch axis."""
    params = layer.reverseSeq
    value, lengths = exact_inputs(context, 2)
    batch, sequence = (context.axis(value, int(axis)) for axis in (params.batchAxis, params.sequenceAxis))
    if batch >= sequence:
        raise InvalidModelError(
            f"the batch axis {batch} does not lie before the sequence axis {sequence}", where=context.where
        )
    given, needed = shape_of(lengths), shape_of(value)[batch]
    if len(given) != 1 or (isinstance(given[0], int) and isinstance(needed, int) and given[0] != needed):
        raise InvalidModelError(
            f"the lengths have shape {given} where the batch axis has {needed} elements", where=context.where
        )
    builder = context.builder
    # ONNX knows sequences along the first two axes only.
    rank = len(shape_of(value))
    front = [batch, sequence, *(axis for axis in range(rank) if axis not in (batch, sequence))]
    back = [front.index(axis) for axis in range(rank)]
    moved = front != sorted(front)
    if moved:
        value = builder.op("Transpose", value, attributes={"perm": front})
    result = builder.op(
        "ReverseSequence",
        value,
        whole_numbers(context, lengths),
        attributes={"batch_axis": 0, "time_axis": 1},
    )
    if moved:
        result = builder.op("Transpose", result, attributes={"perm": back})
    context.output(result)
