"""A function of an ML Program as a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.ml_program.blocks import convert_block
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.interface import declare_inputs, finish_outputs
from mltoolkit.converters.ml_program.registry import operation_converters
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.features import Interface, read_interface
from mltoolkit.formats.ml_program import block_of, function_name, iter_operations, program_of
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.graph.model_graph import GraphState, ModelGraph
from mltoolkit.graph.passes import optimize


def program_to_graph(
    spec: Any,
    *,
    weights: WeightFolder | None = None,
    function: str = "",
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    interface: Interface | None = None,
) -> ModelGraph:
    """Convert a function of an ML Program to an ONNX graph.

    Args:
        spec: a ``Model`` message that holds an ML Program.
        weights: its weight files.
        function: which function; by default the program's own default.
        input_shapes: shapes of array inputs, and (height, width) of image inputs, that differ from the
            described
            ones. The graph is made for exactly these.
        interface: what ``read_interface(spec, function)`` gave, to save reading it again.

    Raises:
        UnsupportedModelError: the model is no ML Program, or has operations that cannot be converted: all
            are named.
        InvalidModelError: the program contradicts itself or its description.
        ArgumentError: there is no such function.
    """
    program = program_of(spec)
    if program is None:
        raise UnsupportedModelError(f"a model of kind {spec.WhichOneof('Type')} is not an ML Program")
    name = function_name(spec, function)
    message = program.functions[name]
    block = block_of(message, name)
    check_operations(block)
    interface = interface or read_interface(spec, function)
    builder = GraphBuilder(name, fold_constants=True)
    builder.reserve(feature.name for feature in interface.outputs)
    context = MilContext(builder, weights or WeightFolder())
    declare_inputs(context, message, interface, input_shapes or {})
    layers = convert_block(context, block)
    outputs, probabilities = finish_outputs(context, block, interface, described_shapes_hold=not input_shapes)
    states, state_outputs = _finish_states(context, interface)
    graph = ModelGraph(
        model=builder.finish([*outputs, *state_outputs]),
        interface=interface,
        probabilities=probabilities,
        layers=tuple(layers),
        states=states,
    )
    optimize(graph.model)
    return graph


def check_operations(block: Any) -> None:
    """Check that every operation of a block, and of those inside it, has a converter.

    Raises:
        UnsupportedModelError: names all that have none, and how often each is used.
    """
    known = operation_converters()
    unknown = Counter(operation.type for operation in iter_operations(block) if operation.type not in known)
    if not unknown:
        return
    if "custom_layer" in unknown:
        raise UnsupportedModelError(
            "the program has custom layers, which ML Programs do not support on any system",
            fix="Convert the model to a NeuralNetwork instead",
        )
    listed = ", ".join(f"{kind!r} ({count}×)" for kind, count in sorted(unknown.items()))
    raise UnsupportedModelError(f"the program uses operations that cannot be run yet: {listed}")


def _finish_states(context: MilContext, interface: Interface) -> tuple[tuple[GraphState, ...], list[ir.Value]]:
    states, outputs = [], []
    for feature in interface.states:
        if feature.name not in context.written_states:
            states.append(GraphState(feature.name, feature.name, ""))
            continue
        # The Identity keeps the value's own name free and makes an output of its own.
        value = context.builder.op("Identity", context.states[feature.name])
        value.name = context.builder.unique_name(f"{feature.name}/written")
        states.append(GraphState(feature.name, feature.name, value.name))
        outputs.append(value)
    return tuple(states), outputs
