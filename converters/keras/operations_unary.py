"""Operations of ``keras.ops`` on single elements of one tensor."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.dtypes import hub_dtype
from mltoolkit.converters.keras.registry import converts_operation
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import dtype_of

# Operators of ONNX that do the same, on floating numbers.
_STANDARD = {
    "Arccos": "Acos",
    "Arccosh": "Acosh",
    "Arcsin": "Asin",
    "Arcsinh": "Asinh",
    "Arctan": "Atan",
    "Arctanh": "Atanh",
    "Ceil": "Ceil",
    "Cos": "Cos",
    "Cosh": "Cosh",
    "Erf": "Erf",
    "Exp": "Exp",
    "Floor": "Floor",
    "Isinf": "IsInf",
    "Isnan": "IsNaN",
    "Log": "Log",
    "Reciprocal": "Reciprocal",
    "Round": "Round",
    "Sin": "Sin",
    "Sinh": "Sinh",
    "Sqrt": "Sqrt",
    "Tan": "Tan",
}
# The same on integers too.
_ANY_NUMBER = {"Abs": "Abs", "Absolute": "Abs", "Fabs": "Abs", "Negative": "Neg", "Sign": "Sign"}


@converts_operation(*_STANDARD)
def convert_standard(context: LayerContext) -> Tensor:
    """One operator; integers become floats first."""
    if context.class_name == "Round" and context.source.decimals:
        context.refuse("it rounds to decimals", "round(x * 10 ** decimals) / 10 ** decimals")
    x = floating(context, context.tensor())
    return Tensor(context.op(_STANDARD[context.class_name], x.value), x.moved)


@converts_operation(*_ANY_NUMBER)
def convert_any_number(context: LayerContext) -> Tensor:
    """One operator, of the same type."""
    return context.like_input(context.op(_ANY_NUMBER[context.class_name], context.tensor().value))


@converts_operation("LogicalNot")
def convert_not(context: LayerContext) -> Tensor:
    """Of truth values."""
    return context.like_input(context.op("Not", as_type(context, context.tensor(), np.dtype(np.bool_)).value))


@converts_operation("Cast", "SaturateCast")
def convert_cast(context: LayerContext) -> Tensor:
    """To a type of the hub; what it has no type for is refused."""
    wanted = hub_dtype(context.source.dtype, f"layer {context.name!r}")
    return as_type(context, context.tensor(), wanted)


@converts_operation("Clip")
def convert_clip(context: LayerContext) -> Tensor:
    """Within constant bounds."""
    bounds = [context.source.x_min, context.source.x_max]
    if any(isinstance(bound, Tensor) or context.array(bound).ndim for bound in bounds):
        context.refuse("its bounds are not single numbers", "keras.ops.minimum and keras.ops.maximum")
    x = context.tensor()
    if dtype_of(x.value).kind != "f" and any(context.array(bound).dtype.kind == "f" for bound in bounds):
        x = floating(context, x)
    low, high = (context.constant(context.array(bound).astype(dtype_of(x.value))) for bound in bounds)
    return Tensor(context.op("Clip", x.value, low, high), x.moved)


def floating(context: LayerContext, x: Tensor) -> Tensor:
    """The tensor as float32."""
    return as_type(context, x, np.dtype(np.float32))


def as_type(context: LayerContext, x: Tensor, dtype: np.dtype[np.generic]) -> Tensor:
    """The tensor in a type, as it is if it has that already."""
    if dtype_of(x.value) == dtype:
        return x
    return Tensor(context.op("Cast", x.value, to=int(ir.DataType.from_numpy(dtype))), x.moved)


def _scaled(op_type: str, factor: float) -> Callable[[LayerContext, ir.Value], ir.Value]:
    return lambda context, x: context.op("Mul", context.op(op_type, x), context.constant(factor))


def _trunc(context: LayerContext, x: ir.Value) -> ir.Value:
    return context.op("Mul", context.op("Sign", x), context.op("Floor", context.op("Abs", x)))


def _finite(context: LayerContext, x: ir.Value) -> ir.Value:
    return context.op("Not", context.op("Or", context.op("IsInf", x), context.op("IsNaN", x)))


_COMPOSED: dict[str, Callable[[LayerContext, ir.Value], ir.Value]] = {
    "Deg2rad": lambda context, x: context.op("Mul", x, context.constant(math.pi / 180)),
    "Erfc": lambda context, x: context.op("Sub", context.constant(1.0), context.op("Erf", x)),
    "Exp2": lambda context, x: context.op("Pow", context.constant(2.0), x),
    "Expm1": lambda context, x: context.op("Sub", context.op("Exp", x), context.constant(1.0)),
    "Isfinite": _finite,
    "Log10": _scaled("Log", 1 / math.log(10)),
    "Log1p": lambda context, x: context.op("Log", context.op("Add", x, context.constant(1.0))),
    "Log2": _scaled("Log", 1 / math.log(2)),
    "Rad2deg": lambda context, x: context.op("Mul", x, context.constant(180 / math.pi)),
    "Rsqrt": lambda context, x: context.op("Reciprocal", context.op("Sqrt", x)),
    "Trunc": _trunc,
}


@converts_operation(*_COMPOSED)
def convert_composed(context: LayerContext) -> Tensor:
    """What takes two or three operators."""
    x = floating(context, context.tensor())
    return Tensor(_COMPOSED[context.class_name](context, x.value), x.moved)


@converts_operation("Square")
def convert_square(context: LayerContext) -> Tensor:
    """X · x."""
    x = context.tensor()
    return context.like_input(context.op("Mul", x.value, x.value))


@converts_operation("ZerosLike", "OnesLike", "FullLike")
def convert_constant_like(context: LayerContext) -> Tensor:
    """A tensor of one value, in the shape of another."""
    x = context.tensor()
    given = context.source.dtype
    dtype = hub_dtype(given, f"layer {context.name!r}") if given else dtype_of(x.value)
    if context.class_name == "FullLike":
        fill = context.argument("fill_value")
        if isinstance(fill, Tensor):
            context.refuse("its value is a tensor", "a constant value")
    else:
        fill = int(context.class_name == "OnesLike")
    shape = x.stored_shape
    if all(isinstance(size, int) for size in shape):
        return Tensor(
            context.constant(np.full([int(size) for size in shape if isinstance(size, int)], fill, dtype)), x.moved
        )
    value = ir.Tensor(np.asarray([fill], dtype))
    return Tensor(context.op("ConstantOfShape", context.op("Shape", x.value), value=value), x.moved)
