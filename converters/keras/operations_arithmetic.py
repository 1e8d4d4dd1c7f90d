"""Operations of ``keras.ops`` on two tensors, element by element; see also :mod:`elementwise`."""

from __future__ import annotations

import numpy as np

from mltoolkit.converters.keras.broadcasting import aligned
from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.elementwise import binary, operands
from mltoolkit.converters.keras.operations_unary import as_type, floating
from mltoolkit.converters.keras.registry import converts_operation
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import dtype_of

_COMPARISONS = {
    "Equal": "Equal",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
}
_LOGICAL = {"LogicalAnd": "And", "LogicalOr": "Or", "LogicalXor": "Xor"}


@converts_operation(*_COMPARISONS)
def convert_comparison(context: LayerContext) -> Tensor:
    """Gives truth values."""
    return binary(context, _COMPARISONS[context.class_name], *operands(context, context.args[:2]))


@converts_operation("NotEqual")
def convert_not_equal(context: LayerContext) -> Tensor:
    """Gives truth values."""
    equal = binary(context, "Equal", *operands(context, context.args[:2]))
    return Tensor(context.op("Not", equal.value), equal.moved)


@converts_operation(*_LOGICAL)
def convert_logical(context: LayerContext) -> Tensor:
    """Of truth values; numbers are true unless they are 0."""
    truths = [as_type(context, x, np.dtype(np.bool_)) for x in operands(context, context.args[:2])]
    return binary(context, _LOGICAL[context.class_name], *truths)


@converts_operation("FloorDivide")
def convert_floor_divide(context: LayerContext) -> Tensor:
    """⌊x / y⌋."""
    first, second = operands(context, context.args[:2])
    kind = dtype_of(first.value)
    ratio = binary(context, "Div", floating(context, first), floating(context, second))
    return as_type(context, Tensor(context.op("Floor", ratio.value), ratio.moved), kind)


@converts_operation("Mod")
def convert_mod(context: LayerContext) -> Tensor:
    """The rest of a division, with the sign of the divisor."""
    first, second = operands(context, context.args[:2])
    if dtype_of(first.value).kind != "f":
        return binary(context, "Mod", first, second)
    ratio = binary(context, "Div", first, second)
    floors = Tensor(context.op("Floor", ratio.value), ratio.moved)
    return binary(context, "Sub", first, binary(context, "Mul", floors, second))


@converts_operation("Hypot")
def convert_hypot(context: LayerContext) -> Tensor:
    """√(x² + y²)."""
    squares = [
        Tensor(context.op("Mul", x.value, x.value), x.moved)
        for x in (floating(context, x) for x in operands(context, context.args[:2]))
    ]
    total = binary(context, "Add", *squares)
    return Tensor(context.op("Sqrt", total.value), total.moved)


@converts_operation("Logaddexp")
def convert_logaddexp(context: LayerContext) -> Tensor:
    """max + log(1 + e^−|x − y|)."""
    first, second = (floating(context, x) for x in operands(context, context.args[:2]))
    difference = binary(context, "Sub", first, second)
    rest = context.op("Softplus", context.op("Neg", context.op("Abs", difference.value)))
    return binary(context, "Add", binary(context, "Max", first, second), Tensor(rest, difference.moved))


@converts_operation("Arctan2")
def convert_arctan2(context: LayerContext) -> Tensor:
    """The angle of (x, y): arctan(y / x), turned by π where x < 0; 0 at the origin."""
    first, second = (floating(context, x) for x in operands(context, context.args[:2]))
    (y, x), moved = aligned(context, (first, second))
    zero = context.constant(0.0)
    origin = context.op("And", context.op("Equal", x, zero), context.op("Equal", y, zero))
    ratio = context.op("Div", y, context.op("Where", origin, context.constant(1.0), x))
    half_turn = context.op("Where", context.op("Less", y, zero), context.constant(-np.pi), context.constant(np.pi))
    turned = context.op("Where", context.op("Less", x, zero), half_turn, zero)
    return Tensor(context.op("Add", context.op("Atan", ratio), turned), moved)


@converts_operation("DivideNoNan")
def convert_divide_no_nan(context: LayerContext) -> Tensor:
    """X / y, and 0 where y is 0."""
    first, second = (floating(context, x) for x in operands(context, context.args[:2]))
    ratio = binary(context, "Div", first, second)
    (is_zero, value), moved = aligned(
        context, (Tensor(context.op("Equal", second.value, context.constant(0.0)), second.moved), ratio)
    )
    return Tensor(context.op("Where", is_zero, context.constant(0.0), value), moved)


@converts_operation("Where")
def convert_where(context: LayerContext) -> Tensor:
    """One of two values, by a condition."""
    condition, first, second = (context.argument(name) for name in ("condition", "x1", "x2"))
    if first is None or second is None:
        context.refuse("it gives the places where a condition holds, whose number is only known at run time")
    choices = operands(context, [first, second]) if _has_tensor(first, second) else _constants(context, first, second)
    truth = as_type(context, context.operand(condition), np.dtype(np.bool_))
    values, moved = aligned(context, (truth, *choices))
    return Tensor(context.op("Where", *values), moved)


def _has_tensor(*values: object) -> bool:
    return any(isinstance(value, Tensor) for value in values)


def _constants(context: LayerContext, first: object, second: object) -> list[Tensor]:
    arrays = [context.array(value) for value in (first, second)]
    is_float = any(array.dtype.kind == "f" for array in arrays)
    kind = np.dtype(np.float32) if is_float else np.promote_types(arrays[0].dtype, arrays[1].dtype)
    return [Tensor(context.constant(array.astype(kind))) for array in arrays]
