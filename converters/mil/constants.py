"""Constants, casts and operators that hand on what they get."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.integers import is_integer, wrapped
from mltoolkit.converters.mil.kinds import cast_to_kind, kind_of
from mltoolkit.converters.mil.registry import writes

_FLOATS = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")


@writes("Constant")
def write_constant(node: NodeContext) -> Any:
    """Constant."""
    for name, dtype in (("value_int", np.int64), ("value_ints", np.int64), ("value_float", np.float32)):
        value = node.attribute(name, None)
        if value is not None:
            return np.array(value, dtype=dtype)
    value = node.attribute("value_floats", None)
    return np.array(value, dtype=np.float32) if value is not None else node.attribute("value")


@writes("ConstantOfShape")
def write_constant_of_shape(node: NodeContext) -> Any:
    """ConstantOfShape."""
    value = np.asarray(node.attribute("value", np.zeros(1, np.float32))).reshape(())
    shape = node.constant(0)
    if shape is not None:
        if shape.size and (shape == 0).any():
            node.refuse("its result is empty", "shapes without a size of 0")
        return np.full(tuple(int(size) for size in shape), value)
    made = node.mb.fill(shape=node.input(0), value=np.float32(value))
    return cast_to_kind(node, made, {"f": "f", "b": "b"}.get(value.dtype.kind, "i"))


@writes("Identity")
def write_identity(node: NodeContext) -> Any:
    """Identity."""
    known = node.constant(0)
    return known if known is not None and known.size <= 64 else node.mb.identity(x=node.input(0))


@writes("Dropout")
def write_dropout(node: NodeContext) -> Any:
    """Dropout, which does nothing at inference; the mask is all true."""
    training = node.constant(2)
    if node.has(2) and (training is None or bool(training.reshape(()))):
        ratio = node.constant(1)
        if ratio is None or float(ratio.reshape(())) != 0:
            node.refuse("it drops elements at random (training mode)", "training_mode=False")
    x = node.input(0)
    if len(node.outputs) == 1:
        return node.mb.identity(x=x)
    zeros = node.mb.mul(x=cast_to_kind(node, x, "f"), y=np.float32(0))
    return node.mb.identity(x=x), node.mb.equal(x=zeros, y=zeros)


@writes("Cast", "CastLike")
def write_cast(node: NodeContext) -> Any:
    """Cast; narrow integers keep the lowest bits, floating types are all float32."""
    x, target = node.input(0), node.output_dtype()
    if target == ir.DataType.BOOL:
        kind = kind_of(x)
        zero = np.float32(0) if kind == "f" else np.int32(0)
        return node.mb.identity(x=x) if kind == "b" else node.mb.not_equal(x=x, y=zero)
    if target.name in _FLOATS:
        result = cast_to_kind(node, x, "f")
    elif is_integer(target) and target.name not in ("INT4", "UINT4", "INT2", "UINT2"):
        result = cast_to_kind(node, x, "i")
        if node.dtype(0) != target and kind_of(x) != "b":
            result = wrapped(node, result, target)
    else:
        node.refuse(f"it casts to {target}, which Core ML does not have")
    return node.mb.identity(x=x) if result is x else result
