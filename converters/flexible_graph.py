"""One graph for many input sizes, made of the graphs for several of them.

The hub holds a Core ML model for inputs of fixed sizes. Where the model takes others too, graphs for some of them are
compared node by node: what is the same in all of them holds for every size, and sizes that differ become symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.graph.captured import bodies


class NotFlexible(Exception):  # a finding, caught where the graphs were made
    """The graphs differ in more than sizes; the message says where."""


def generalize(models: Sequence[ir.Model]) -> ir.Model:
    """The graph that all of the models are.

    Args:
        models: the same network for different input sizes, at least two. Sizes that are equal in all of them are
            taken for equal always.

    Returns:
        A copy of the first in which sizes that differ are symbols.

    Raises:
        NotFlexible: a node, an attribute or a weight depends on the input sizes.
    """
    result = models[0].clone()
    graphs = [result.graph, *(model.graph for model in models[1:])]
    columns: dict[ir.Value, tuple[ir.Value, ...]] = {}
    for inputs in _together([graph.inputs for graph in graphs], "its inputs"):
        columns[inputs[0]] = inputs
    for nodes in _together([list(graph) for graph in graphs], "its nodes"):
        _compare(nodes)
        for index, values in enumerate(_together([node.inputs for node in nodes], f"inputs of {nodes[0].name!r}")):
            _match_input(nodes[0], index, values, columns, result.graph)
        for outputs in _together([node.outputs for node in nodes], f"outputs of {nodes[0].name!r}"):
            columns[outputs[0]] = outputs
    symbols: dict[tuple[int, ...], str] = {}
    for first, column in columns.items():
        first.shape = _common_shape(first, column, symbols)
    return result


def _together(rows: Sequence[Sequence[Any]], what: str) -> list[tuple[Any, ...]]:
    if len({len(row) for row in rows}) != 1:
        raise NotFlexible(f"{what} are others for other input sizes")
    return list(zip(*rows, strict=True))


def _compare(nodes: Sequence[ir.Node]) -> None:
    first = nodes[0]
    if bodies(first):
        raise NotFlexible(f"the loop or branch {first.name!r} is made for fixed sizes")
    for node in nodes[1:]:
        if (node.op_type, node.domain) != (first.op_type, first.domain):
            raise NotFlexible(f"the operation {first.name!r} is another for other input sizes")
    attributes = [{name: _plain(item) for name, item in node.attributes.items()} for node in nodes]
    if all(found == attributes[0] for found in attributes[1:]):
        return
    without_pads = [{name: item for name, item in found.items() if name != "pads"} for found in attributes]
    if any(found != without_pads[0] for found in without_pads[1:]) or not _pads_the_same(nodes):
        raise NotFlexible(f"the parameters of {first.name!r} ({first.op_type}) depend on the input sizes")
    del first.attributes["pads"]
    first.attributes["auto_pad"] = ir.AttrString("auto_pad", "SAME_UPPER")


def _pads_the_same(nodes: Sequence[ir.Node]) -> bool:
    """Whether each node pads as ONNX's ``SAME_UPPER`` says: ceil(size / stride) elements, an odd one at the end."""
    if nodes[0].op_type not in ("Conv", "MaxPool", "AveragePool") or "auto_pad" in nodes[0].attributes:
        return False
    for node in nodes:
        source, pads = node.inputs[0], list(node.attributes.get_ints("pads", ()) or ())
        kernel = list(node.attributes.get_ints("kernel_shape", ()) or ())
        if source is None or source.shape is None or len(pads) != 2 * len(kernel) or not kernel:
            return False
        axes = len(kernel)
        strides = node.attributes.get_ints("strides", [1] * axes) or [1] * axes
        dilations = node.attributes.get_ints("dilations", [1] * axes) or [1] * axes
        for axis, size in enumerate(list(source.shape)[-axes:]):
            if not isinstance(size, int):
                return False
            extent = dilations[axis] * (kernel[axis] - 1) + 1
            total = max((-(-size // strides[axis]) - 1) * strides[axis] + extent - size, 0)
            if (pads[axis], pads[axis + axes]) != (total // 2, total - total // 2):
                return False
    return True


def _plain(attribute: ir.Attr) -> Any:
    value = attribute.value
    return value.numpy().tolist() if attribute.type == ir.AttributeType.TENSOR else value


def _match_input(
    node: ir.Node,
    index: int,
    values: Sequence[ir.Value | None],
    columns: dict[ir.Value, tuple[ir.Value, ...]],
    graph: ir.Graph,
) -> None:
    first = values[0]
    if any((value is None) != (first is None) for value in values):
        raise NotFlexible(f"the inputs of {node.name!r} are others for other input sizes")
    if first is None:
        return
    if first.const_value is None:
        if columns.get(first) != tuple(values):
            raise NotFlexible(f"the operation {node.name!r} reads something else for other input sizes")
        return
    tensors = [value.const_value for value in values if value is not None and value.const_value is not None]
    arrays = [tensor.numpy() for tensor in tensors]
    alike = {(array.shape, array.dtype) for array in arrays}
    if len(arrays) != len(values) or len(alike) != 1:
        raise NotFlexible(f"a constant of {node.name!r} depends on the input sizes")
    if all(np.array_equal(array, arrays[0]) for array in arrays[1:]):
        return
    if node.op_type != "Reshape" or index != 1:
        raise NotFlexible(f"a constant of {node.name!r} ({node.op_type}) depends on the input sizes")
    moved = _moved_ones(node, arrays, columns)
    if moved is None:
        node.replace_input_with(1, _reshape_target(node, arrays, columns, graph))
    else:
        _squeeze(node, *moved, graph)


def _reshape_target(
    node: ir.Node, arrays: Sequence[Any], columns: dict[ir.Value, tuple[ir.Value, ...]], graph: ir.Graph
) -> ir.Value:
    """The target of a Reshape with 0 (the input's size at that place) or −1 (the rest) for sizes that differ."""
    stacked = np.stack(arrays)
    target = stacked[0].copy()
    source = node.inputs[0]
    assert source is not None
    given = [value.shape for value in columns[source]]
    open_sizes = []
    for place in range(target.size):
        sizes = stacked[:, place]
        if (sizes == sizes[0]).all():
            continue
        kept = [shape[place] if shape is not None and place < len(shape) else None for shape in given]
        if kept == sizes.tolist() and not node.attributes.get_int("allowzero", 0):
            target[place] = 0
        else:
            open_sizes.append(place)
    if len(open_sizes) > 1 or (open_sizes and (target == -1).any()):
        raise NotFlexible(f"the shape that {node.name!r} gives depends on several input sizes")
    for place in open_sizes:
        target[place] = -1
    return _constant(graph, f"{node.name}/shape", target)


def _moved_ones(
    node: ir.Node, arrays: Sequence[Any], columns: dict[ir.Value, tuple[ir.Value, ...]]
) -> tuple[list[int], list[int]] | None:
    """For a Reshape that only takes out and puts in axes of size 1: which of the input's, and which of the output's."""
    source = node.inputs[0]
    assert source is not None
    shapes = [value.shape for value in columns.get(source, ())]
    if not shapes or any(shape is None or len(shape) != len(shapes[0] or ()) for shape in shapes):
        return None
    given = list(zip(*[list(shape or ()) for shape in shapes], strict=True))
    wanted = [tuple(int(size) for size in column) for column in np.stack(arrays).T]
    taken, put, place = [], [], 0
    for axis, sizes in enumerate(wanted):
        while place < len(given) and given[place] != sizes and set(given[place]) == {1}:
            taken.append(place)
            place += 1
        if place < len(given) and given[place] == sizes:
            place += 1
        elif set(sizes) == {1}:
            put.append(axis)
        else:
            return None
    rest = range(place, len(given))
    return ([*taken, *rest], put) if all(set(given[index]) == {1} for index in rest) else None


def _squeeze(node: ir.Node, taken: list[int], put: list[int], graph: ir.Graph) -> None:
    """Make a Reshape a Squeeze, an Unsqueeze or both."""
    if taken and put:
        first = ir.node("Squeeze", [node.inputs[0], _constant(graph, f"{node.name}/taken", taken)])
        first.name, first.outputs[0].name = f"{node.name}/Squeeze", f"{node.name}/squeezed"
        first.outputs[0].type = node.outputs[0].type
        first.metadata_props.update(node.metadata_props)
        graph.insert_before(node, first)
        node.replace_input_with(0, first.outputs[0])
    node.op_type = "Unsqueeze" if put else "Squeeze"
    node.attributes.clear()
    node.replace_input_with(1, _constant(graph, f"{node.name}/axes", put or taken))


def _constant(graph: ir.Graph, wanted: str, numbers: Any) -> ir.Value:
    name, number = wanted, 1
    while name in graph.initializers:
        number += 1
        name = f"{wanted}_{number}"
    tensor = ir.Tensor(np.asarray(numbers, dtype=np.int64), name=name)
    value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=tensor.shape, const_value=tensor)
    graph.register_initializer(value)
    return value


def _common_shape(first: ir.Value, column: Sequence[ir.Value], symbols: dict[tuple[int, ...], str]) -> ir.Shape | None:
    shapes = [value.shape for value in column]
    if any(shape is None for shape in shapes):
        return None
    sizes: list[Any] = []
    for places in _together([list(shape or ()) for shape in shapes], f"the axes of {first.name!r}"):
        if not all(isinstance(size, int) for size in places):
            sizes.append(None)
        elif len(set(places)) == 1:
            sizes.append(places[0])
        else:
            sizes.append(symbols.setdefault(places, f"n{len(symbols) + 1}"))
    return ir.Shape(sizes)
