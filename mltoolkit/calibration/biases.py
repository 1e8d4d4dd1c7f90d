"""The bias that is added to a product in the hub."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.calibration.recurrences import BIAS, bias_part, bias_size, has_bias

Array = NDArray[Any]
Index = tuple[int | slice, ...]
_WITH_BIAS = ("Conv", "ConvTranspose", "Gemm")


def read_bias(node: ir.Node, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """The constant that is added to each output of a node, flat; None where none is.

    Args:
        node: a Conv, ConvTranspose, Gemm or MatMul.
        shape: such that a bias of it broadcasts against the node's result: (C, 1, 1) for a 2-D convolution.
    """
    found = _find(node, shape)
    return np.broadcast_to(_numbers(*found).reshape(-1), (math.prod(shape),)).copy() if found is not None else None


def shift_bias(graph: ir.Graph, node: ir.Node, shape: tuple[int, ...], shift: NDArray[np.floating[Any]]) -> None:
    """Add to the bias of a node, or make one.

    Args:
        graph: the node's graph.
        node: see :func:`read_bias`.
        shape: likewise.
        shift: one number for each output, flat.
    """
    found = _find(node, shape)
    flat = np.asarray(shift, dtype=np.float32).reshape(-1)
    if found is None:
        if node.op_type in _WITH_BIAS and (len(node.inputs) < 3 or node.inputs[2] is None):
            if len(node.inputs) < 3:
                node.resize_inputs(3)
            node.replace_input_with(2, new_constant(graph, f"{node.name}/bias", flat))
        else:
            _insert_add(graph, node, flat.reshape(shape))
        return
    adder, place = found
    before = _numbers(adder, place)
    # A single number for all outputs becomes one for each.
    own = before.shape if before.size == flat.size else flat.shape if adder is node else shape
    set_constant(graph, adder, place, (before.reshape(-1) + flat).reshape(own))


def read_step_bias(node: ir.Node, place: int, part: Index) -> NDArray[np.float32] | None:
    """The same for a part of the matrices of a recurrent node; None where the node has no constant bias."""
    if not has_bias(node):
        return None
    return _numbers(node, BIAS)[bias_part(node, place, part)].copy()


def shift_step_bias(graph: ir.Graph, node: ir.Node, place: int, part: Index, shift: NDArray[np.floating[Any]]) -> None:
    """The same for a part of the matrices of a recurrent node."""
    whole = np.zeros(bias_size(node), dtype=np.float32)
    if has_bias(node):
        whole += _numbers(node, BIAS)
    whole[bias_part(node, place, part)] += np.asarray(shift, dtype=np.float32).reshape(-1)
    if has_bias(node):
        set_constant(graph, node, BIAS, whole)
    else:
        if len(node.inputs) <= BIAS:
            node.resize_inputs(BIAS + 1)
        node.replace_input_with(BIAS, new_constant(graph, f"{node.name}/bias", whole))


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


def _find(node: ir.Node, shape: tuple[int, ...]) -> tuple[ir.Node, int] | None:
    """The node that adds the bias, and which of its inputs that is."""
    if node.op_type in _WITH_BIAS and len(node.inputs) > 2 and node.inputs[2] is not None:
        return (node, 2) if _is_bias(node.inputs[2], (math.prod(shape),)) else None
    product = node.outputs[0]
    uses = list(product.uses())
    if node.op_type in _WITH_BIAS or len(uses) != 1 or product.is_graph_output() or uses[0].node.op_type != "Add":
        return None
    add, place = uses[0].node, 1 - uses[0].idx
    return (add, place) if _is_bias(add.inputs[place], shape) else None


def _is_bias(value: ir.Value | None, shape: tuple[int, ...]) -> bool:
    """Whether it is a constant with one number for each output, or one for all."""
    if value is None or value.const_value is None:
        return False
    own = tuple(int(size) for size in value.const_value.shape.numpy())
    return all(size == 1 for size in own) or _without_leading_ones(own) == _without_leading_ones(shape)


def _without_leading_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    first = next((axis for axis, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]


def _numbers(node: ir.Node, place: int) -> NDArray[np.float32]:
    value = node.inputs[place]
    assert value is not None and value.const_value is not None
    array: Array = value.const_value.numpy()
    return array.astype(np.float32, copy=False)


def _insert_add(graph: ir.Graph, node: ir.Node, bias: Array) -> None:
    product = node.outputs[0]
    constant = new_constant(graph, f"{node.name}/bias", bias)
    total = ir.Value(name=f"{product.name}/with_bias", type=product.type, shape=product.shape)
    users = list(product.uses())
    add = ir.node("Add", [product, constant], outputs=[total], name=f"{node.name}/Add")
    add.metadata_props.update(node.metadata_props)
    graph.insert_after(node, add)
    for use in users:
        use.node.replace_input_with(use.idx, total)
    for index, output in enumerate(graph.outputs):
        if output is product:
            # The output keeps its name.
            total.name, product.name = product.name, f"{product.name}/without_bias"
            graph.outputs[index] = total
