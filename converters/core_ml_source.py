"""A Core ML model as the source of a conversion: its graph in the hub, and the interface that the result shall have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mltoolkit.converters.core_ml_flexible import FlexibleGraph, flexible_features, flexible_graph
from mltoolkit.converters.hooks import HookSet
from mltoolkit.converters.mil.target import (
    ArrayInput,
    Classifier,
    Color,
    CoreMLTarget,
    ImageInput,
    ImageOutput,
    Metadata,
    SizeRange,
)
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.features import ArrayFeature, ImageFeature, Interface, Range, read_interface
from mltoolkit.formats.networks import network_of
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.image_outputs import add_batch_axis
from mltoolkit.graph.model_graph import ModelGraph

_COLORS: dict[str, Color] = {"RGB": "RGB", "BGR": "BGR", "GRAY": "GRAYSCALE", "GRAY_FLOAT16": "GRAYSCALE_FLOAT16"}


@dataclass(frozen=True)
class CoreMLSource:
    """A Core ML model, ready to be written in another format.

    Attributes:
        source: its graph in the hub. Pictures are pixel values 0 to 255; what the file does to them first is part of
            the graph. A classifier gives its probabilities.
        target: its interface, labels and metadata, for the writer; the format is still to be chosen.
        graph: the graph with which it runs here, for fixed input sizes.
        notes: what the converted model will not have.
    """

    source: SourceModel
    target: CoreMLTarget
    graph: ModelGraph
    notes: tuple[str, ...] = ()


def import_core_ml(
    spec: Any,
    *,
    weights: WeightFolder | None = None,
    function: str = "",
    hooks: HookSet | None = None,
    custom_layers: CustomLayerSet | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    native_layers: bool = False,
) -> CoreMLSource:
    """Read a neural network or ML Program.

    Args:
        spec: the ``Model`` message.
        weights: the weight files of an ML Program.
        function: which function of an ML Program; by default its own default.
        hooks: conversion functions by layer name, ``className`` or layer type; for neural networks.
        custom_layers: the Python classes of custom layers.
        input_shapes: shapes of arrays and (height, width) of images, which become the only ones.
        native_layers: build the custom layers that mltoolkit brings of ONNX operators, for ML Programs and ONNX files.

    Raises:
        UnsupportedModelError: the model is neither, has a layer that cannot be converted, or keeps states.
        InvalidModelError: the model contradicts itself.
        ConversionHookError: a conversion function raised, or returned something wrong.
    """
    interface = read_interface(spec, function)
    if interface.states:
        raise UnsupportedModelError(
            f"the model keeps {', '.join(repr(state.name) for state in interface.states)} from one prediction to the "
            "next, which is not converted to another Core ML format",
            fix="mltoolkit.export_onnx makes inputs and outputs of them",
        )

    flexible = read_graph(
        spec,
        interface,
        weights=weights,
        function=function,
        hooks=hooks,
        custom_layers=custom_layers,
        native_layers=native_layers,
        input_shapes=input_shapes,
    )
    return core_ml_source(flexible, interface, spec.description.metadata)


def read_graph(
    spec: Any,
    interface: Interface,
    *,
    weights: WeightFolder | None,
    function: str,
    hooks: HookSet | None,
    custom_layers: CustomLayerSet | None,
    native_layers: bool,
    input_shapes: Mapping[str, tuple[int, ...]] | None,
) -> FlexibleGraph:
    """The graph of a network or program, for given input sizes or all that it takes; see :func:`import_core_ml`."""

    def make(shapes: Mapping[str, tuple[int, ...]]) -> ModelGraph:
        if network_of(spec) is not None:
            from mltoolkit.converters.neural_network.network import network_to_graph

            return network_to_graph(
                spec,
                custom_layers=custom_layers,
                input_shapes=shapes,
                interface=interface,
                hooks=hooks,
                native_layers=native_layers,
            )
        from mltoolkit.converters.ml_program.program import program_to_graph

        return program_to_graph(spec, weights=weights, function=function, input_shapes=shapes, interface=interface)

    if input_shapes:
        graph = make(input_shapes)
        return FlexibleGraph(graph, graph.model, dict(input_shapes))
    return flexible_graph(make, interface)


def core_ml_source(flexible: FlexibleGraph, interface: Interface, metadata: Any) -> CoreMLSource:
    """The source for a graph that was made.

    Args:
        flexible: the graph.
        interface: the model's inputs and outputs.
        metadata: its ``Metadata`` message.
    """
    graph = flexible.graph
    model = flexible.model.clone()
    for feature in interface.outputs:
        if isinstance(feature, ImageFeature):
            add_batch_axis(model.graph, feature.name)
    source = SourceModel(model, "Core ML", graph.layers, dict(graph.custom_descriptions))
    target = CoreMLTarget(
        inputs=_inputs(interface, flexible),
        outputs={
            feature.name: ImageOutput(color=_COLORS[feature.color_space])
            for feature in interface.outputs
            if isinstance(feature, ImageFeature)
        },
        classifier=_classifier(interface, graph),
        metadata=_metadata(interface, metadata),
    )
    return CoreMLSource(source, target, graph, (flexible.note,) if flexible.note else ())


def _inputs(interface: Interface, flexible: FlexibleGraph) -> dict[str, ImageInput | ArrayInput]:
    several = {feature.name for feature in flexible_features(interface)} if flexible.symbolic else set()
    inputs: dict[str, ImageInput | ArrayInput] = {}
    for feature in interface.inputs:
        if isinstance(feature, ImageFeature):
            inputs[feature.name] = _image(feature, feature.name in several)
        elif isinstance(feature, ArrayFeature):
            inputs[feature.name] = _array(feature, flexible.sizes.get(feature.name), feature.name in several)
    return inputs


def _image(feature: ImageFeature, several: bool) -> ImageInput:
    color = _COLORS[feature.color_space]
    if not several:
        return ImageInput(color=color, layout="NCHW")
    if feature.sizes:
        own = (feature.height, feature.width)
        pairs = [own, *((height, width) for width, height in feature.sizes if (height, width) != own)]
        return ImageInput(color=color, layout="NCHW", sizes=pairs)
    assert feature.height_range is not None and feature.width_range is not None
    height = _size(feature.height_range, feature.height)
    width = _size(feature.width_range, feature.width)
    return ImageInput(color=color, layout="NCHW", size=(height, width))


def _array(feature: ArrayFeature, sizes: tuple[int, ...] | None, several: bool) -> ArrayInput:
    default = 0.0 if feature.default is None else feature.default
    optional = default if feature.optional else None
    if not several:
        return ArrayInput(default=optional)
    if feature.shapes:
        shapes = list(feature.shapes)
        if feature.shape in shapes:
            shapes = [feature.shape, *(shape for shape in shapes if shape != feature.shape)]
        return ArrayInput(shapes=shapes, default=optional)
    assert sizes is not None
    if feature.ranges:
        limits = list(feature.ranges)
    else:
        limits = [Range(size, size) if size else Range(1, None) for size in feature.shape]
    return ArrayInput(shape=[_size(limit, size) for limit, size in zip(limits, sizes, strict=True)], default=optional)


def _size(limits: Range, default: int) -> int | SizeRange:
    if limits.lower == limits.upper:
        return limits.lower
    return SizeRange(max(1, limits.lower), limits.upper, default)


def _classifier(interface: Interface, graph: ModelGraph) -> Classifier | None:
    if interface.class_labels is None or not graph.probabilities:
        return None
    return Classifier(
        labels=interface.class_labels,
        predicted_feature_name=interface.predicted_feature_name or "classLabel",
        probabilities=graph.probabilities,
        probabilities_name=interface.predicted_probabilities_name or graph.probabilities,
    )


def _metadata(interface: Interface, metadata: Any) -> Metadata:
    return Metadata(
        author=metadata.author,
        license=metadata.license,
        short_description=metadata.shortDescription,
        version=metadata.versionString,
        user_defined=dict(metadata.userDefined),
        descriptions={
            feature.name: feature.description
            for feature in (*interface.inputs, *interface.outputs)
            if feature.description
        },
    )
