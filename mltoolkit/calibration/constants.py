"""Reading and replacing constants of a hub graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

Array = NDArray[Any]
Index = tuple[int | slice, ...]


def constant_array(value: ir.Value) -> Array:
    """The numbers of a constant."""
    assert value.const_value is not None
    array: Array = np.asarray(value.const_value.numpy())
    return array


def constant_at(node: ir.Node, place: int) -> ir.Value | None:
    """The constant that a node reads as an input; None where it reads none there."""
    value = node.inputs[place] if place < len(node.inputs) else None
    return value if value is not None and value.const_value is not None else None


def constant_shape(node: ir.Node, place: int) -> tuple[int, ...] | None:
    """The shape of a float32 constant that a node reads; None where it reads none there."""
    value = constant_at(node, place)
    tensor = value.const_value if value is not None else None
    if tensor is None or tensor.dtype != ir.DataType.FLOAT:
        return None
    return tuple(int(size) for size in tensor.shape.numpy())


def floats_at(node: ir.Node, place: int) -> NDArray[np.float32]:
    """The numbers of a constant that a node reads."""
    value = constant_at(node, place)
    assert value is not None
    return constant_array(value).astype(np.float32, copy=False)


def set_constant(graph: ir.Graph, node: ir.Node, place: int, array: Array) -> None:
    """Replace a constant that a node reads; other nodes that read it keep the old one."""
    value = node.inputs[place]
    assert value is not None
    if len(value.uses()) == 1:
        tensor = ir.Tensor(np.ascontiguousarray(array), name=value.name)
        value.const_value, value.shape = tensor, tensor.shape
    else:
        node.replace_input_with(place, new_constant(graph, f"{node.name}/own", array))


def new_constant(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """A constant of that name, or of one like it that is free."""
    wanted, number = name, 1
    while wanted in graph.initializers:
        number += 1
        wanted = f"{name}_{number}"
    tensor = ir.Tensor(np.ascontiguousarray(array), name=wanted)
    value = ir.Value(name=wanted, type=ir.TensorType(tensor.dtype), shape=tensor.shape, const_value=tensor)
    graph.register_initializer(value)
    return value
