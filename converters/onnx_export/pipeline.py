"""The models of a pipeline, joined into one graph.

What one stage hands to the next is adapted as the runtime does it: pictures are rounded to whole pixel values from 0
to 255 and reordered to the colours of the next stage, arrays reshaped and cast. A label is no tensor, so that no
later stage can read it here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.errors import InvalidModelError, UnsupportedModelError, did_you_mean
from mltoolkit.formats.features import Feature, ImageFeature, Interface
from mltoolkit.graph.builder import CUSTOM_DOMAIN, IR_VERSION, GraphBuilder, dtype_of, shape_of
from mltoolkit.graph.model_graph import CustomNode, GraphBlob, GraphLayer, GraphState, ModelGraph
from mltoolkit.graph.opset import OPSET


@dataclass(frozen=True)
class _Made:
    """A value between stages and how it is described; ``whole`` is a picture (1, C, H, W), else it is (C, H, W)."""

    value: ir.Value
    feature: Feature | None
    whole: bool = False


def join_stages(stages: Mapping[str, ModelGraph], interface: Interface) -> ModelGraph:
    """One graph for a pipeline.

    Args:
        stages: the graphs by the stage's name, in order.
        interface: the pipeline's inputs and outputs.

    Raises:
        InvalidModelError: nothing makes what a stage reads or what the pipeline gives.
        UnsupportedModelError: a stage reads a label, or a picture that would have to be resized.
    """
    return _Joiner(stages, interface).join()


class _Joiner:
    def __init__(self, stages: Mapping[str, ModelGraph], interface: Interface) -> None:
        self._stages = stages
        self._interface = interface
        # Makes the nodes between stages; their names are prefixed so that they meet no others.
        self._builder = GraphBuilder("pipeline")
        self._nodes: list[ir.Node] = []
        self._initializers: dict[str, ir.Value] = {}
        self._inputs: list[ir.Value] = []
        self._made: dict[str, _Made] = {}
        self._layers: list[GraphLayer] = []
        self._custom: dict[str, CustomNode] = {}
        self._descriptions: dict[str, CustomLayerDescription] = {}
        self._states: list[GraphState] = []
        self._probabilities: dict[str, str] = {}

    def join(self) -> ModelGraph:
        features = {feature.name: feature for feature in self._interface.inputs}
        shown: dict[str, Feature] = {}
        for stage, graph in self._stages.items():
            self._add_stage(stage, graph, features, shown)
        outputs, probabilities = self._outputs()
        states = [value for value in (self._state_outputs()) if value not in outputs]
        joined = ir.Graph(
            self._inputs,
            [*outputs, *states],
            nodes=self._nodes,
            initializers=list(self._initializers.values()),
            opset_imports={"": OPSET, CUSTOM_DOMAIN: 1},
            name="pipeline",
        )
        model = ir.Model(joined, ir_version=IR_VERSION, producer_name="mltoolkit")
        inputs = tuple(shown.get(feature.name, feature) for feature in self._interface.inputs)
        return ModelGraph(
            model=model,
            interface=replace(self._interface, inputs=inputs),
            probabilities=probabilities,
            custom_layers=self._custom,
            layers=tuple(self._layers),
            states=tuple(self._states),
            custom_descriptions=self._descriptions,
        )

    def _add_stage(
        self, stage: str, source: ModelGraph, features: Mapping[str, Feature], shown: dict[str, Feature]
    ) -> None:
        graph = source.model.clone().graph
        names = _prefix(graph, stage)
        described = {feature.name: feature for feature in source.interface.inputs}
        states = {state.input for state in source.states}
        inputs, outputs = list(graph.inputs), list(graph.outputs)
        # The joined graph takes what belongs to this one.
        graph.inputs.clear()
        graph.outputs.clear()
        for value in inputs:
            name = names[value.name or ""]
            feature = described.get(name)
            if name in states:
                self._inputs.append(value)
                continue
            if name not in self._made:
                if name not in features:
                    raise InvalidModelError(
                        f"nothing before the stage makes its input {name!r}",
                        where=f"pipeline stage {stage!r}",
                        fix=did_you_mean(name, [*self._made, *features]),
                    )
                value.name = name
                self._inputs.append(value)
                self._made[name] = _Made(value, feature, whole=True)
                if feature is not None:
                    shown[name] = feature
                continue
            adapted = self._adapted(stage, self._made[name], value, feature)
            ir.convenience.replace_all_uses_with(value, adapted)
        self._take(graph)
        self._keep_outputs(stage, source, outputs, names)

    def _take(self, graph: ir.Graph) -> None:
        self._take_between()
        for name, value in list(graph.initializers.items()):
            graph.initializers.pop(name)
            self._initializers[name] = value
        nodes = list(graph)
        graph.remove(nodes)
        self._nodes += nodes

    def _take_between(self) -> None:
        """The nodes that the builder made since it was asked last."""
        between, self._builder = self._builder, GraphBuilder("pipeline")
        graph = between.finish([]).graph
        number = len(self._nodes)
        for name, value in list(graph.initializers.items()):
            graph.initializers.pop(name)
            value.name = f"between/{number}/{name}"
            self._initializers[value.name] = value
        nodes = list(graph)
        graph.remove(nodes)
        for node in nodes:
            node.name = f"between/{number}/{node.name}"
            for value in node.outputs:
                value.name = f"between/{number}/{value.name}"
        self._nodes += nodes

    def _keep_outputs(
        self, stage: str, source: ModelGraph, outputs: Sequence[ir.Value], names: Mapping[str, str]
    ) -> None:
        described = {feature.name: feature for feature in source.interface.outputs}
        state_outputs = {state.output: state for state in source.states if state.output}
        for value in outputs:
            name = names[value.name or ""]
            if name in state_outputs:
                state = state_outputs[name]
                self._states.append(GraphState(f"{stage}/{state.name}", f"{stage}/{state.input}", value.name or ""))
                self._made[value.name or ""] = _Made(value, None)
            elif name == source.probabilities:
                self._probabilities[name] = stage
                self._made[name] = _Made(value, None)
            else:
                self._made[name] = _Made(value, described.get(name))
        for state in source.states:
            if not state.output:
                self._states.append(GraphState(f"{stage}/{state.name}", f"{stage}/{state.input}", ""))
        for node_name, node in source.custom_layers.items():
            self._custom[f"{stage}/{node_name}"] = node
        for node_name, description in source.custom_descriptions.items():
            self._descriptions[f"{stage}/{node_name}"] = description
        for layer in source.layers:
            blobs = tuple(GraphBlob(blob.name, f"{stage}/{blob.value}", blob.shape) for blob in layer.outputs)
            self._layers.append(GraphLayer(f"{stage}/{layer.name}", layer.type, blobs))

    def _adapted(self, stage: str, made: _Made, wanted: ir.Value, feature: Feature | None) -> ir.Value:
        """A value of an earlier stage in the form in which a stage takes it."""
        where = f"pipeline stage {stage!r}, input {feature.name if feature else ''!r}"
        builder, value = self._builder, made.value
        if isinstance(feature, ImageFeature):
            if not isinstance(made.feature, ImageFeature):
                raise UnsupportedModelError("a stage reads an array as a picture", where=where)
            return self._as_picture(made, feature, where)
        if made.feature is None:
            raise UnsupportedModelError("a stage reads the probabilities of another", where=where)
        shape, target = shape_of(value), shape_of(wanted)
        if shape != target:
            if not all(isinstance(size, int) for size in target):
                raise UnsupportedModelError(f"a stage takes {target} where {shape} is given", where=where)
            value = builder.op("Reshape", value, builder.constant([int(size) for size in target if size is not None]))
        if dtype_of(value) != dtype_of(wanted):
            value = builder.op("Cast", value, attributes={"to": ir.DataType.from_numpy(dtype_of(wanted))})
        return value

    def _as_picture(self, made: _Made, feature: ImageFeature, where: str) -> ir.Value:
        builder, value, source = self._builder, made.value, made.feature
        assert isinstance(source, ImageFeature)
        if (source.channels, source.height, source.width) != (feature.channels, feature.height, feature.width):
            raise UnsupportedModelError(
                f"a picture of {source.width}×{source.height} pixels and {source.channels} channels would have to be "
                f"made one of {feature.width}×{feature.height} and {feature.channels}",
                where=where,
            )
        if not made.whole:
            value = builder.op("Unsqueeze", value, builder.constant([0]))
            if source.color_space != "GRAY_FLOAT16":
                value = builder.op("Round", value)
                value = builder.op("Clip", value, builder.constant(0.0), builder.constant(255.0))
        if {source.color_space, feature.color_space} == {"RGB", "BGR"}:
            order = builder.constant(np.array([2, 1, 0], dtype=np.int64))
            value = builder.op("Gather", value, order, attributes={"axis": 1})
        return value

    def _outputs(self) -> tuple[list[ir.Value], str]:
        interface = self._interface
        outputs: list[ir.Value] = []
        probabilities = ""
        if interface.class_labels is not None and self._probabilities:
            probabilities = interface.predicted_probabilities_name
            if probabilities not in self._made:
                probabilities = list(self._probabilities)[-1]
            outputs.append(self._named(probabilities, outputs))
        for feature in interface.outputs:
            if feature.name in (interface.predicted_feature_name, probabilities) and probabilities:
                continue
            if feature.name not in self._made:
                raise InvalidModelError(
                    f"no model of the pipeline makes the output {feature.name!r}",
                    fix=did_you_mean(feature.name, self._made),
                )
            outputs.append(self._named(feature.name, outputs))
        return outputs, probabilities

    def _named(self, name: str, taken: Sequence[ir.Value]) -> ir.Value:
        value = self._made[name].value
        if value.producer() is None or any(value is other for other in taken):
            value = self._builder.op("Identity", value)
            self._take_between()
        value.name = name
        return value

    def _state_outputs(self) -> list[ir.Value]:
        return [self._made[state.output].value for state in self._states if state.output]


def _prefix(graph: ir.Graph, stage: str) -> dict[str, str]:
    """Give every name of a graph the stage's in front; the new names with the old ones."""
    names: dict[str, str] = {}

    def rename(value: ir.Value) -> None:
        if value.name:
            new = f"{stage}/{value.name}"
            names[new] = value.name
            value.name = new

    for value in (*graph.inputs, *list(graph.initializers.values())):
        if value.name not in names:
            rename(value)
    _prefix_nodes(graph, stage, rename)
    return names


def _prefix_nodes(graph: ir.Graph, stage: str, rename: Any) -> None:
    for node in graph:
        node.name = f"{stage}/{node.name}"
        for value in node.outputs:
            rename(value)
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                body = attribute.as_graph()
                for value in (*body.inputs, *list(body.initializers.values())):
                    rename(value)
                _prefix_nodes(body, stage, rename)
