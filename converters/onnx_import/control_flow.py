"""If, Loop and Scan: decided or unrolled where that is possible, else with bodies of the hub."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts
from mltoolkit.graph.builder import known_shape
from mltoolkit.graph.common_type import common_type
from mltoolkit.graph.folding import known_truth

# A loop of a known number of turns is unrolled up to this many nodes.
_MAX_UNROLLED_NODES = 4096


@adapts("If")
def adapt_if(node: SourceNode) -> Sequence[ir.Value]:
    """A branch, where it is known which; else an If of the hub."""
    then_graph, else_graph = (node.attributes[name].as_graph() for name in ("then_branch", "else_branch"))
    known = known_truth(node.input(0))
    if known is not None:
        return node.walker.walk_graph(then_graph if known else else_graph)
    bodies, results = {}, []
    for name, graph in (("then_branch", then_graph), ("else_branch", else_graph)):
        with node.walker.building(node.builder.subgraph(f"{node.name}/{name}")) as builder:
            values = node.walker.walk_graph(graph)
            _check_tensors(node, values)
            results.append(values)
            bodies[name] = builder.body(values)
    types = [common_type(first, second) for first, second in zip(*results, strict=True)]
    return node.builder.control_flow("If", [_scalar_of(node, node.input(0))], bodies, types)


def _scalar_of(node: SourceNode, value: ir.Value) -> ir.Value:
    """Exporters also write conditions and numbers of turns as arrays of one element."""
    if known_shape(value) in (None, ()):
        return value
    return node.op("Reshape", value, node.builder.constant(np.zeros(0, dtype=np.int64)))


@adapts("Loop")
def adapt_loop(node: SourceNode) -> Sequence[ir.Value]:
    """Its turns one behind the other where their number is known, else a Loop of the hub."""
    graph = node.attributes["body"].as_graph()
    turns, condition = node.constant(0), node.optional_input(1)
    goes_on = condition is None or known_truth(condition)
    if goes_on is False or (turns is not None and int(turns.reshape(())) <= 0):
        return _turns(node, graph, 0)
    if goes_on and turns is not None and _condition_stays(graph):
        count = int(turns.reshape(()))
        if count * (len(graph) + 1) <= _MAX_UNROLLED_NODES:
            return _turns(node, graph, count)
    return _hub_loop(node, graph)


def _turns(node: SourceNode, graph: ir.Graph, count: int) -> list[ir.Value]:
    carried: list[ir.Value] = [value for value in node.inputs[2:] if value is not None]
    scans: list[list[ir.Value]] = [[] for _ in range(len(graph.outputs) - 1 - len(carried))]
    for turn in range(count):
        given = [node.builder.constant(np.asarray(turn)), node.builder.constant(np.asarray(True)), *carried]
        for source, value in zip(graph.inputs, given, strict=True):
            node.walker.bind(source, value)
        results = node.walker.walk_graph(graph)[1:]
        carried = results[: len(carried)]
        for collected, value in zip(scans, results[len(carried) :], strict=True):
            collected.append(value)
    if scans and not count:
        raise RefusedNode("it makes no turn, so the arrays that it collects are empty")
    return carried + [_stacked(node, collected, 0) for collected in scans]


def _stacked(node: SourceNode, values: Sequence[ir.Value], axis: int) -> ir.Value:
    rows = [node.op("Unsqueeze", value, node.builder.constant([axis])) for value in values]
    return node.op("Concat", *rows, axis=axis) if len(rows) > 1 else rows[0]


def _condition_stays(graph: ir.Graph) -> bool:
    """Whether a body hands its condition on as it got it, or says constantly true."""
    value = graph.outputs[0]
    while True:
        if len(graph.inputs) > 1 and value is graph.inputs[1]:
            return True
        if value.const_value is not None:
            return bool(value.const_value.numpy().all())
        producer = value.producer()
        if producer is None:
            return False
        if producer.op_type == "Constant" and "value" in producer.attributes:
            return bool(producer.attributes["value"].as_tensor().numpy().all())
        if producer.op_type not in ("Identity", "Cast") or producer.inputs[0] is None:
            return False
        value = producer.inputs[0]


def _hub_loop(node: SourceNode, graph: ir.Graph) -> Sequence[ir.Value]:
    carried = [value for value in node.inputs[2:] if value is not None]
    _check_tensors(node, carried)
    types = [ir.Value(type=value.type, shape=value.shape) for value in carried]
    # What a turn makes of a carried value may have another shape than it began with: widened until it holds.
    for _ in range(1 + sum(len(known_shape(value) or ()) + 1 for value in carried)):
        builder = node.builder.subgraph(f"{node.name}/body")
        with node.walker.building(builder):
            inputs = [builder.input(f"{node.name}/turn", np.int64, ()), builder.input(f"{node.name}/go", np.bool_, ())]
            for index, value in enumerate(types):
                assert value.dtype is not None
                inputs.append(builder.input(f"{node.name}/carried_{index}", value.dtype.numpy(), known_shape(value)))
            for source, value in zip(graph.inputs, inputs, strict=True):
                node.walker.bind(source, value)
            results = node.walker.walk_graph(graph)
        _check_tensors(node, results)
        after = results[1 : 1 + len(carried)]
        wider = [common_type(first, second) for first, second in zip(types, after, strict=True)]
        if all(_same_shape(first, second) for first, second in zip(types, wider, strict=True)):
            body = builder.body(results)
            scans = [_scanned(value) for value in results[1 + len(carried) :]]
            limits = [node.optional_input(index) for index in range(2)]
            given = [*(None if value is None else _scalar_of(node, value) for value in limits), *carried]
            return node.builder.control_flow("Loop", given, {"body": body}, [*wider, *scans])
        builder.discard()
        types = wider
    raise RefusedNode("the shapes of its carried values do not settle")


def _same_shape(first: ir.Value, second: ir.Value) -> bool:
    one, other = known_shape(first), known_shape(second)
    if one is None or other is None:
        return one is other
    return [size if isinstance(size, int) else None for size in one] == [
        size if isinstance(size, int) else None for size in other
    ]


def _scanned(value: ir.Value) -> ir.Value:
    shape = known_shape(value)
    return ir.Value(type=value.type, shape=None if shape is None else ir.Shape([None, *shape]))


def _check_tensors(node: SourceNode, values: Sequence[ir.Value]) -> None:
    if any(value in node.walker.sequences or not isinstance(value.type, ir.TensorType) for value in values):
        raise RefusedNode("it hands on sequences or optional values", "tensors")


@adapts("Scan", since=9)
def adapt_scan(node: SourceNode) -> Sequence[ir.Value]:
    """Its turns one behind the other; the scanned length must be known."""
    graph = node.attributes["body"].as_graph()
    scanned = int(node.attribute("num_scan_inputs"))
    states = [node.input(index) for index in range(len(node.inputs) - scanned)]
    rank = [node.rank(len(states) + index) for index in range(scanned)]
    axes = [axis % rank[index] for index, axis in enumerate(node.attribute("scan_input_axes", [0] * scanned))]
    backwards = node.attribute("scan_input_directions", [0] * scanned)
    lengths = {node.static_shape(len(states) + index)[axis] for index, axis in enumerate(axes)}
    if len(lengths) != 1:
        raise RefusedNode(f"the arrays that it scans have different lengths {sorted(lengths)}")
    length = lengths.pop()
    if length * (len(graph) + scanned) > _MAX_UNROLLED_NODES or not length:
        raise RefusedNode(f"it makes {length} turns of {len(graph)} nodes", "an LSTM, GRU or RNN, or a shorter Scan")
    results: list[list[ir.Value]] = [[] for _ in range(len(graph.outputs) - len(states))]
    for turn in range(length):
        rows = []
        for index, axis in enumerate(axes):
            place = length - 1 - turn if backwards[index] else turn
            rows.append(node.op("Gather", node.input(len(states) + index), _scalar(node, place), axis=axis))
        for source, value in zip(graph.inputs, [*states, *rows], strict=True):
            node.walker.bind(source, value)
        made = node.walker.walk_graph(graph)
        states = made[: len(states)]
        for collected, value in zip(results, made[len(states) :], strict=True):
            collected.append(value)
    out_axes = node.attribute("scan_output_axes", [0] * len(results))
    out_backwards = node.attribute("scan_output_directions", [0] * len(results))
    stacked = []
    for collected, axis, reverse in zip(results, out_axes, out_backwards, strict=True):
        known = len(known_shape(collected[0]) or ()) + 1
        stacked.append(_stacked(node, collected[::-1] if reverse else collected, axis % known))
    return [*states, *stacked]


def _scalar(node: SourceNode, value: int) -> ir.Value:
    return node.builder.constant(np.asarray(value, dtype=np.int64))


@adapts("Scan", before=9)
def adapt_batched_scan(node: SourceNode) -> Sequence[ir.Value]:
    """Opset 8: the first axis is the batch. A batch of one is the newer Scan behind a Squeeze."""
    graph = node.attributes["body"].as_graph()
    scanned = int(node.attribute("num_scan_inputs"))
    if node.optional_input(0) is not None:
        raise RefusedNode("its sequences have lengths of their own (opset 8)", "Scan of opset 9 or newer")
    given = [node.input(index) for index in range(1, len(node.inputs))]
    backwards = node.attribute("directions", [0] * scanned)
    first = len(given) - scanned
    batch, length = node.static_shape(1 + first)[:2]
    if batch * length * (len(graph) + scanned) > _MAX_UNROLLED_NODES or not length or not batch:
        raise RefusedNode(f"it makes {batch} × {length} turns of {len(graph)} nodes", "an LSTM, GRU or RNN")
    finals: list[list[ir.Value]] = []
    for item in range(batch):
        values = [node.op("Gather", value, _scalar(node, item), axis=0) for value in given]
        states = values[:first]
        collected: list[list[ir.Value]] = [[] for _ in range(len(graph.outputs) - first)]
        for turn in range(length):
            rows = [
                node.op("Gather", value, _scalar(node, length - 1 - turn if reverse else turn), axis=0)
                for value, reverse in zip(values[first:], backwards, strict=True)
            ]
            for source, value in zip(graph.inputs, [*states, *rows], strict=True):
                node.walker.bind(source, value)
            made = node.walker.walk_graph(graph)
            states = made[:first]
            for into, value in zip(collected, made[first:], strict=True):
                into.append(value)
        finals.append([*states, *(_stacked(node, rows, 0) for rows in collected)])
    return [_stacked(node, list(values), 0) for values in zip(*finals, strict=True)]
