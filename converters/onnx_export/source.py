"""A Core ML model of any kind that can be a graph, as the graph that is exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mltoolkit.converters.core_ml_source import read_graph
from mltoolkit.converters.hooks import HookSet
from mltoolkit.converters.onnx_export.pipeline import join_stages
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import MLToolkitError, UnsupportedModelError
from mltoolkit.formats.features import read_interface
from mltoolkit.formats.ml_program import program_of
from mltoolkit.formats.networks import network_of, pipeline_stages
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.model_graph import ModelGraph


def graph_for_export(
    spec: Any,
    *,
    weights: WeightFolder | None = None,
    function: str = "",
    hooks: HookSet | None = None,
    custom_layers: CustomLayerSet | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    notes: list[str] | None = None,
) -> ModelGraph:
    """The graph of a network, a program or a whole pipeline, with symbolic sizes where inputs have several.

    Custom layers that mltoolkit brings are built of ONNX operators.

    Args:
        spec: the ``Model`` message.
        weights: the weight files of ML Programs.
        function: which function of an ML Program; by default its own default.
        hooks: conversion functions by layer name, ``className`` or layer type; for neural networks.
        custom_layers: the Python classes of custom layers.
        input_shapes: shapes of arrays and (height, width) of images, which become the only ones; not for pipelines.
        notes: receives what the file will not have.

    Raises:
        UnsupportedModelError: a model (or a stage, which is named) is of another kind, or has something that ONNX does
            not.
        InvalidModelError: the model contradicts itself.
    """
    stages = pipeline_stages(spec)
    if stages:
        graphs = {}
        for name, stage in stages.items():
            try:
                graphs[name] = graph_for_export(
                    stage, weights=weights, hooks=hooks, custom_layers=custom_layers, notes=notes
                )
            except MLToolkitError as error:
                place = f"pipeline stage {name!r}" + (f", {error.where}" if error.where else "")
                raise type(error)(error.what, where=place, fix=error.fix) from error
        return join_stages(graphs, read_interface(spec))
    if network_of(spec) is None and program_of(spec) is None:
        raise UnsupportedModelError(
            f"a model of kind {spec.WhichOneof('Type')} is not written as ONNX",
            fix="Networks, ML Programs and pipelines of them are",
        )
    interface = read_interface(spec, function)
    flexible = read_graph(
        spec,
        interface,
        weights=weights,
        function=function,
        hooks=hooks,
        custom_layers=custom_layers,
        native_layers=True,
        input_shapes=input_shapes,
    )
    if flexible.note and notes is not None:
        notes.append(flexible.note)
    return replace(flexible.graph, model=flexible.model)
