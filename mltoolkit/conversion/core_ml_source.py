"""Core ML models: read for the other format, and run as they are."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.conversion.imported import Arrays, Imported
from mltoolkit.conversion.options import Options
from mltoolkit.conversion.sources import Source
from mltoolkit.converters.core_ml_pipeline import convert_pipeline
from mltoolkit.converters.core_ml_source import import_core_ml
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import ArgumentError, MLToolkitError, UnsupportedModelError
from mltoolkit.formats.features import ImageFeature
from mltoolkit.graph.model_graph import GraphLayer, ModelGraph
from mltoolkit.model import CustomLayers, Model, load

_CONVERTIBLE = ("neuralNetwork", "neuralNetworkClassifier", "neuralNetworkRegressor", "mlProgram")


def open_core_ml(source: Source, options: Options) -> Imported:
    """Read a network or program; see :func:`~mltoolkit.converters.core_ml_source.import_core_ml` for what it raises.

    Labels, images, sizes and metadata are the model's own where the caller says nothing else.
    """
    model = load(source.value, custom_layers=options.custom_layers)
    layers = options.custom_layers or model.custom_layers
    if model.stages:
        return _open_pipeline(model, source.title, layers, options)
    if model.kind not in _CONVERTIBLE:
        raise UnsupportedModelError(
            f"a model of kind {model.kind} is not converted: it has no network that formats could differ in",
            where=model.name or None,
            fix="Neural networks, ML Programs and pipelines of them can be",
        )
    shapes = options.shapes_by_name([feature.name for feature in model.inputs]) or {}
    read = import_core_ml(
        model.spec,
        weights=model._weights,
        function=model.function_name or "",
        hooks=options.hooks,
        custom_layers=CustomLayerSet(layers),
        native_layers=options.target.format == "mlpackage",
        input_shapes={name: tuple(size or 1 for size in shape) for name, shape in shapes.items()},
    )
    return Imported(
        kind="Core ML",
        title=model.name or source.title,
        way=f"Core ML ({model.kind}) → hub → Core ML",
        layers=sum(count for kind, count in model.summary().layer_types.items() if kind != "const"),
        hub=read.source,
        target=read.target,
        reference=CoreMLReference(model, read.graph),
        custom_layers=layers,
        notes=list(read.notes),
    )


def _open_pipeline(model: Model, title: str, layers: CustomLayers, options: Options) -> Imported:
    """A pipeline, whose stages are converted one by one."""
    target = options.target
    if target.inputs or target.outputs or target.classifier or options.names or options.input_shapes:
        raise ArgumentError(
            "a pipeline keeps its inputs, outputs and labels",
            fix="Leave inputs, outputs, names, input_shapes and class_labels out",
        )
    written = convert_pipeline(
        model.spec, target, weights=model._weights, hooks=options.hooks, custom_layers=CustomLayerSet(layers)
    )
    try:
        converted = Model(written.spec, custom_layers=layers, weights_dir=written.weights_dir)
    finally:
        if written.weights_dir is not None:
            shutil.rmtree(written.weights_dir, ignore_errors=True)
    described = {feature.name for feature in model.outputs} - {model.predicted_feature_name}
    last = list(model.stages.values())[-1]
    comparable = bool(described) and last.kind in _CONVERTIBLE
    return Imported(
        kind="Core ML",
        title=model.name or title,
        way=f"Core ML ({model.kind}) → hub → Core ML, stage by stage",
        layers=sum(
            count
            for stage in model.stages.values()
            for kind, count in stage.summary().layer_types.items()
            if kind != "const"
        ),
        model=converted,
        inputs={feature.name: np.dtype(np.float32) for feature in model.inputs},
        reference=CoreMLReference(model, None) if comparable else None,
        without_reference="" if comparable else "the pipeline gives nothing but a label",
        custom_layers=layers,
        notes=list(written.notes),
    )


class CoreMLReference:
    """Runs the original Core ML model.

    Args:
        model: the model.
        graph: the graph with which it runs; None for a pipeline, which has several.
    """

    def __init__(self, model: Model, graph: ModelGraph | None) -> None:
        self._model = model
        self._outputs = None if graph is None else [value.name or "" for value in graph.model.graph.outputs]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        """The outputs by name: a classifier's scores by class index, pictures as (1, C, H, W)."""
        raw = self._model.predict_raw(self._data(feeds))
        pictures = {feature.name for feature in self._model.outputs if isinstance(feature, ImageFeature)}
        names = list(raw) if self._outputs is None else self._outputs
        return {name: raw[name][None] if name in pictures else raw[name] for name in names}

    def layer_outputs(self, feeds: Mapping[str, NDArray[Any]], layers: Sequence[GraphLayer]) -> Arrays:
        """Outputs of those layers that the original's own graph has under the same names."""
        data = self._data(feeds)
        try:
            known = {value.name for node in self._model.graph().model.graph for value in node.outputs}
            taps = {blob.name: blob.value for layer in layers for blob in layer.outputs if blob.value in known}
            raw = self._model.predict_raw(data, taps=list(dict.fromkeys(taps.values())))
        except MLToolkitError:
            return {}
        return {name: raw[value] for name, value in taps.items()}

    def _data(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """What the hub is fed, as ``Model.predict`` takes it."""
        data: dict[str, Any] = {}
        for feature in self._model.inputs:
            array = feeds[feature.name]
            if isinstance(feature, ImageFeature):
                pixels = np.moveaxis(array[0], 0, -1)
                array = pixels[..., ::-1] if feature.color_space == "BGR" else pixels
            data[feature.name] = array
        return data
