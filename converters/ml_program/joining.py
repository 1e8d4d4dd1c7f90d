"""Joining tensors along an axis, and taking them apart."""

from __future__ import annotations

from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import converts
from mltoolkit.errors import InvalidModelError


@converts("concat")
def convert_concat(context: MilContext) -> None:
    """Tensors one after the other along an axis, or interleaved; scalars make a vector."""
    values = context.values("values")
    if not values:
        raise InvalidModelError("there is nothing to join", where=context.where)
    if context.rank(values[0]) == 0:
        scalars = [context.op("Reshape", value, context.constant([1])) for value in values]
        context.output(context.op("Concat", *scalars, axis=0))
        return
    shape = context.shape(values[0])
    axis = context.axis(context.const("axis"), len(shape))
    if not context.const("interleave", False):
        context.output(context.op("Concat", *values, axis=axis))
        return
    # Stacking behind the axis puts elements of equal index side by side; both axes then count as one.
    behind = context.constant([axis + 1])
    stacked = context.op("Concat", *(context.op("Unsqueeze", value, behind) for value in values), axis=axis + 1)
    sizes = context.static_shape(values[0])
    joined = [*sizes[:axis], sizes[axis] * len(values), *sizes[axis + 1 :]]
    context.output(context.op("Reshape", stacked, context.constant(joined)))


@converts("stack")
def convert_stack(context: MilContext) -> None:
    """Tensors of equal shape along a new axis."""
    values = context.values("values")
    if not values:
        raise InvalidModelError("there is nothing to join", where=context.where)
    axis = context.axis(context.const("axis"), context.rank(values[0]) + 1)
    position = context.constant([axis])
    context.output(context.op("Concat", *(context.op("Unsqueeze", value, position) for value in values), axis=axis))


@converts("split")
def convert_split(context: MilContext) -> None:
    """Pieces along an axis, of equal or of given sizes."""
    x = context.value("x")
    axis = context.axis(context.const("axis"), context.rank(x))
    count = len(context.operation.outputs)
    sizes = context.optional("split_sizes")
    attributes = {"axis": axis} if sizes is not None else {"axis": axis, "num_outputs": count}
    pieces = context.builder.ops("Split", x, sizes, attributes=attributes, names=("",) * count)
    for index, piece in enumerate(pieces):
        context.output(piece, index)
