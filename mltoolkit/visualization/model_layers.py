"""Any model as a graph: networks, programs, pipelines of them, and the kinds that are no networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltoolkit.formats.feature_text import describe
from mltoolkit.formats.features import Feature, ImageFeature
from mltoolkit.formats.ml_program import program_of
from mltoolkit.formats.networks import network_of
from mltoolkit.visualization.graph import LayerGraph, Node
from mltoolkit.visualization.network_layers import network_graph, preprocessing_of
from mltoolkit.visualization.parameters import parameters_of
from mltoolkit.visualization.program_layers import FirstUses, program_graph
from mltoolkit.visualization.shapes import RuntimeShapes

if TYPE_CHECKING:
    from mltoolkit.model import Model


def model_graph(model: Model) -> tuple[LayerGraph, tuple[str, ...]]:
    """A model's layers and values, with shapes; and remarks on what is missing.

    A whole program of several functions is a node for each of them, with its layers inside.
    """
    graph = LayerGraph()
    functions = model.functions
    if len(functions) < 2 or model.chosen_function is not None:
        return graph, _add_what_runs(model, graph, {})
    remarks: list[str] = []
    first_uses: FirstUses = {}
    for name, function in functions.items():
        inner = LayerGraph()
        remarks += (f"Function {name}: {remark}" for remark in _add_what_runs(function, inner, first_uses))
        variant = "default" if name == model.function_name else ""
        labels = [] if function.class_labels is None else [("class labels", f"{len(function.class_labels):,}")]
        graph.add(Node(name, "function", "function", variant, "control", parameters=labels, graphs=[inner]))
    return graph, tuple(remarks)


def function_graphs(model: Model, graph: LayerGraph) -> dict[str, LayerGraph]:
    """A model's graph, or those of its functions, by the function's name; "" for models that have none."""
    found = {node.name: node.graphs[0] for node in graph.nodes if node.kind == "function"}
    return found or {model.function_name or "": graph}


def _add_what_runs(model: Model, graph: LayerGraph, first_uses: FirstUses) -> tuple[str, ...]:
    """Put what runs at once into an empty graph; of several functions the chosen or the default one."""
    stages = model.stages
    if stages:
        return _add_stages(model, stages, graph)
    if network_of(model.spec) is None and program_of(model.spec) is None:
        _add_classical(model, graph)
        return ()
    shapes = RuntimeShapes(model)
    network = network_of(model.spec)
    for feature in (*model.inputs, *model.interface.states):
        node = _enter(graph, feature, shapes.inputs.get(feature.name) or describe(feature))
        if feature in model.interface.states:
            node.type = "state"
        if network is not None and isinstance(feature, ImageFeature):
            node.parameters += preprocessing_of(network, feature.name)
    if network is not None:
        network_graph(model.spec, model.interface, graph, shapes)
    else:
        function = model.function_name or ""
        message = model.spec.mlProgram.functions[function]
        for argument in message.inputs:
            if not graph.knows(argument.name):
                graph.enter(argument.name, "")
        program_graph(message, function, graph, shapes, model.weights, first_uses)
    described = {feature.name: feature for feature in model.outputs}
    for node in graph.nodes:
        if node.kind == "output" and node.name in described:
            node.parameters += _feature_parameters(described[node.name])
    for edge in graph.edges:
        if edge.target.kind == "output" and not edge.shape and edge.target.name in described:
            edge.shape = describe(described[edge.target.name])
    return (shapes.remark,) if shapes.remark else ()


def _add_stages(model: Model, stages: dict[str, Model], graph: LayerGraph) -> tuple[str, ...]:
    remarks: list[str] = []
    for feature in model.inputs:
        _enter(graph, feature, describe(feature))
    for name, stage in stages.items():
        inner = LayerGraph()
        remarks += (f"Stage {name}: {remark}" for remark in _add_what_runs(stage, inner, {}))
        makes = {feature.name: describe(feature) for feature in stage.outputs}
        node = Node(name, stage.kind, "stage", family="control", makes=makes, graphs=[inner])
        graph.add(node, [feature.name for feature in stage.inputs])
    _leave(model, graph)
    return tuple(remarks)


def _add_classical(model: Model, graph: LayerGraph) -> None:
    for feature in model.inputs:
        _enter(graph, feature, describe(feature))
    makes = {feature.name: describe(feature) for feature in model.outputs}
    parameters = parameters_of(getattr(model.spec, model.kind))
    graph.add(
        Node(model.kind, model.kind, parameters=parameters, makes=makes), [feature.name for feature in model.inputs]
    )
    _leave(model, graph)


def _enter(graph: LayerGraph, feature: Feature, shape: str) -> Node:
    node = graph.enter(feature.name, shape)
    node.parameters += _feature_parameters(feature)
    return node


def _leave(model: Model, graph: LayerGraph) -> None:
    for feature in model.outputs:
        graph.leave(feature.name, describe(feature))


def _feature_parameters(feature: Feature) -> list[tuple[str, str]]:
    described = [("kind", describe(feature))]
    return described + ([("description", feature.description)] if feature.description else [])
