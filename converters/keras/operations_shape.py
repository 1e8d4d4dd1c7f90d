"""Operations of ``keras.ops`` that change shapes and orders."""

from __future__ import annotations

import itertools

import numpy as np

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.elementwise import operands
from mltoolkit.converters.keras.registry import converts_operation
from mltoolkit.converters.keras.reshaping import pad_constant, permuted, reshaped
from mltoolkit.converters.keras.tensors import Tensor


@converts_operation("Reshape")
def convert_reshape(context: LayerContext) -> Tensor:
    """To sizes of which one may be −1 or unknown."""
    x = context.tensor()
    sizes = [-1 if size is None else int(size) for size in context.source.newshape]
    if sizes.count(-1) > 1 and sizes[0] == -1 and isinstance(x.shape[0], int):
        sizes[0] = x.shape[0]  # the batch, which Keras left open
    if sizes.count(-1) > 1:
        context.refuse("more than one of its sizes is only known when the model runs", "sizes of which one is −1")
    return reshaped(context, x, sizes)


@converts_operation("Ravel")
def convert_ravel(context: LayerContext) -> Tensor:
    """All axes as one."""
    return reshaped(context, context.tensor(), [-1])


@converts_operation("Transpose")
def convert_transpose(context: LayerContext) -> Tensor:
    """The axes in another order, reversed by default."""
    x, axes = context.tensor(), context.source.axes
    return permuted(context, x, [axis % x.rank for axis in (axes or range(x.rank - 1, -1, -1))])


@converts_operation("Swapaxes")
def convert_swapaxes(context: LayerContext) -> Tensor:
    """Two axes in each other's place."""
    x = context.tensor()
    order = list(range(x.rank))
    first, second = context.source.axis1 % x.rank, context.source.axis2 % x.rank
    order[first], order[second] = order[second], order[first]
    return permuted(context, x, order)


@converts_operation("Moveaxis")
def convert_moveaxis(context: LayerContext) -> Tensor:
    """Axes to other places, the others in order."""
    x = context.tensor()
    sources, targets = (
        [axis % x.rank for axis in ([given] if isinstance(given, int) else given)]
        for given in (context.source.source, context.source.destination)
    )
    order = [axis for axis in range(x.rank) if axis not in sources]
    for target, source in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source)
    return permuted(context, x, order)


@converts_operation("ExpandDims")
def convert_expand_dims(context: LayerContext) -> Tensor:
    """New axes of size 1."""
    x, given = context.tensor(), context.source.axis
    axes = [given] if isinstance(given, int) else list(given)
    rank = x.rank + len(axes)
    places = sorted(axis % rank for axis in axes)
    return Tensor(context.op("Unsqueeze", context.logical(), context.constant(places)))


@converts_operation("Squeeze")
def convert_squeeze(context: LayerContext) -> Tensor:
    """Without axes of size 1; all of them by default."""
    x, given = context.tensor(), context.source.axis
    axes = [given] if isinstance(given, int) else list(given) if given is not None else None
    if axes is None:
        known = context.output_shapes[0] if context.output_shapes else ()
        axes = [axis for axis, size in enumerate(x.shape) if size == 1]
        if known and len(known) == x.rank - len(axes) + 1 and 0 in axes:
            axes.remove(0)  # Keras does not know that the batch is 1
    places = sorted(axis % x.rank for axis in axes)
    return Tensor(context.op("Squeeze", context.logical(), context.constant(places)))


@converts_operation("Flip")
def convert_flip(context: LayerContext) -> Tensor:
    """Axes backwards; all of them by default."""
    x, given = context.tensor(), context.source.axis
    axes = list(range(x.rank)) if given is None else [given] if isinstance(given, int) else list(given)
    places = [x.stored_axis(axis) for axis in axes]
    starts, ends = [-1] * len(places), [-(1 << 31)] * len(places)
    constants = [context.constant(values) for values in (starts, ends, places, [-1] * len(places))]
    return context.like_input(context.op("Slice", x.value, *constants))


@converts_operation("Roll")
def convert_roll(context: LayerContext) -> Tensor:
    """Elements shifted along axes, those at the end to the beginning."""
    x, source = context.tensor(), context.source
    if source.axis is None:
        context.refuse("it has no axis", "keras.ops.roll with an axis")
    axes = [source.axis] if isinstance(source.axis, int) else list(source.axis)
    shifts = [source.shift] * len(axes) if isinstance(source.shift, int) else list(source.shift)
    value = x.value
    for axis, shift in zip(axes, shifts, strict=True):
        place = x.stored_axis(axis)
        size = x.stored_shape[place]
        if not isinstance(size, int):
            context.refuse("the size of its axis is only known when the model runs", "an input of fixed size")
        if shift % size:
            head, tail = context.builder.ops(
                "Split",
                value,
                context.constant([size - shift % size, shift % size]),
                attributes={"axis": place},
                names=("", ""),
            )
            value = context.op("Concat", tail, head, axis=place)
    return context.like_input(value)


@converts_operation("Repeat")
def convert_repeat(context: LayerContext) -> Tensor:
    """Each element of an axis several times, one after the other."""
    x, source = context.tensor(), context.source
    repeats = context.array(source.repeats).reshape(-1)
    if source.axis is None:
        x = reshaped(context, x, [-1])
    place = x.stored_axis(source.axis or 0)
    size = x.stored_shape[place]
    if not isinstance(size, int):
        context.refuse("the size of its axis is only known when the model runs", "an input of fixed size")
    indices = np.repeat(np.arange(size), repeats)
    return Tensor(context.op("Gather", x.value, context.constant(indices.astype(np.int64)), axis=place), x.moved)


@converts_operation("Tile")
def convert_tile(context: LayerContext) -> Tensor:
    """The whole tensor several times along each axis."""
    x, given = context.tensor(), context.source.repeats
    repeats = [given] if isinstance(given, int) else [int(count) for count in given]
    repeats = [1] * (x.rank - len(repeats)) + repeats
    if len(repeats) > x.rank:
        axes = context.constant(list(range(len(repeats) - x.rank)))
        x = Tensor(context.op("Unsqueeze", context.logical(), axes))
    return Tensor(context.op("Tile", x.value, context.constant(x.stored_order(repeats))), x.moved)


@converts_operation("BroadcastTo")
def convert_broadcast_to(context: LayerContext) -> Tensor:
    """Axes of size 1 repeated to the sizes of a shape."""
    x = context.tensor()
    sizes = [1 if size is None else int(size) for size in context.source.shape]
    return Tensor(context.op("Expand", context.layouts.logical(x), context.constant(sizes)))


@converts_operation("Stack")
def convert_stack(context: LayerContext) -> Tensor:
    """Tensors of one shape along a new axis."""
    tensors = operands(context, context.args[0])
    axis = context.source.axis % (tensors[0].rank + 1)
    parts = [context.op("Unsqueeze", context.layouts.logical(x), context.constant([axis])) for x in tensors]
    return Tensor(context.op("Concat", *parts, axis=axis))


@converts_operation("Unstack")
def convert_unstack(context: LayerContext) -> list[Tensor]:
    """A tensor for each element of an axis."""
    x = context.tensor()
    axis = context.source.axis % x.rank
    size = x.shape[axis]
    if not isinstance(size, int):
        context.refuse("the size of its axis is only known when the model runs", "an input of fixed size")
    value = context.logical()
    return [Tensor(context.op("Gather", value, context.constant(i), axis=axis)) for i in range(size)]


@converts_operation("Split", "ArraySplit")
def convert_split(context: LayerContext) -> list[Tensor]:
    """Parts of an axis: a number of equal ones, or cut at places."""
    x, given = context.tensor(), context.source.indices_or_sections
    place = x.stored_axis(context.source.axis)
    size = x.stored_shape[place]
    if not isinstance(size, int):
        context.refuse("the size of its axis is only known when the model runs", "an input of fixed size")
    if isinstance(given, int):
        lengths = [size // given + (i < size % given) for i in range(given)]
    else:
        bounds = [0, *(int(bound) % (size + 1) for bound in given), size]
        lengths = [end - start for start, end in itertools.pairwise(bounds)]
    parts = context.builder.ops(
        "Split", x.value, context.constant(lengths), attributes={"axis": place}, names=[""] * len(lengths)
    )
    return [Tensor(part, x.moved) for part in parts]


@converts_operation("Pad")
def convert_pad(context: LayerContext) -> Tensor:
    """Constant values, the border, or the mirrored inside before and behind each axis."""
    x, source = context.tensor(), context.source
    mode = {"constant": "constant", "edge": "edge", "reflect": "reflect", "symmetric": None}.get(source.mode)
    if mode is None:
        context.refuse(f"its mode is {source.mode!r}", "the modes constant, edge and reflect")
    widths = np.broadcast_to(np.asarray(source.pad_width), (x.rank, 2))
    begins, ends = (x.stored_order([int(width) for width in widths[:, side]]) for side in (0, 1))
    if mode == "constant":
        fill = context.argument("constant_values")
        if isinstance(fill, Tensor):
            context.refuse("its value is computed by the model", "a constant value")
        number = 0 if fill is None else context.array(fill).item()
        return context.like_input(pad_constant(context, x.value, begins, ends, number))
    return context.like_input(context.op("Pad", x.value, context.constant([*begins, *ends]), mode=mode))
