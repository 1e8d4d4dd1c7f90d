"""A pipeline whose networks and programs are written in the other Core ML format; its other models stay as they are.

A package holds the weights of all its programs in one folder; each stage has a file of its own there, as coremltools'
``make_pipeline`` has it.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mltoolkit.converters.core_ml_source import import_core_ml
from mltoolkit.converters.hooks import HookSet
from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.mil.write import write_core_ml
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import MLToolkitError, UnsupportedModelError
from mltoolkit.formats.ml_program import program_of, rename_weight_files
from mltoolkit.formats.networks import network_of, pipeline_of, pipeline_stages
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weight_blob import WeightFolder


@dataclass(frozen=True)
class WrittenPipeline:
    """A pipeline.

    Attributes:
        spec: the ``Model`` message.
        weights_dir: the folder of its programs' weights, a temporary one that is the caller's now; None without any.
        notes: what was chosen for the user, or could not be kept.
    """

    spec: Any
    weights_dir: Path | None
    notes: tuple[str, ...]


def convert_pipeline(
    spec: Any,
    target: CoreMLTarget,
    *,
    weights: WeightFolder | None = None,
    hooks: HookSet | None = None,
    custom_layers: CustomLayerSet | None = None,
) -> WrittenPipeline:
    """Write every network and program of a pipeline in the target's format.

    Args:
        spec: the ``Model`` message of a pipeline.
        target: format, precision and minimum deployment target; its interface is not used.
        weights: the weight files of its programs.
        hooks: conversion functions for the layers of its networks.
        custom_layers: the Python classes of custom layers.

    Raises:
        UnsupportedModelError: no stage can be converted, a pipeline stands in the pipeline, or a stage has something
            that the format does not; the stage is named.
    """
    result = new_model()
    result.CopyFrom(spec)
    pipeline = pipeline_of(result)
    assert pipeline is not None
    folder = Path(tempfile.mkdtemp(prefix="mltoolkit_weights_")) if target.format == "mlpackage" else None
    notes: list[str] = []
    # What converted stages make of arrays: their type changes from double to float32, and others must follow.
    arrays: dict[str, Any] = {}
    try:
        converted = 0
        for index, (name, stage) in enumerate(pipeline_stages(spec).items()):
            if pipeline_of(stage) is not None:
                raise UnsupportedModelError("a pipeline inside a pipeline is not converted", where=f"stage {name!r}")
            if network_of(stage) is None and program_of(stage) is None:
                _follow(pipeline.models[index].description, arrays)
                continue
            converted += 1
            written, said = _convert_stage(name, stage, target, weights, hooks, custom_layers, index, folder)
            pipeline.models[index].CopyFrom(written)
            notes += [f"stage {name!r}: {note}" for note in said]
            for feature in (*written.description.input, *written.description.output):
                if feature.type.WhichOneof("Type") == "multiArrayType":
                    arrays[feature.name] = feature.type.multiArrayType
        if not converted:
            raise UnsupportedModelError("the pipeline has no neural network or ML Program, which formats differ in")
        _follow(result.description, arrays)
        result.specificationVersion = max(model.specificationVersion for model in pipeline.models)
        if folder is not None and not any(folder.iterdir()):
            shutil.rmtree(folder)
            folder = None
    except BaseException:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return WrittenPipeline(result, folder, tuple(notes))


def _convert_stage(
    name: str,
    stage: Any,
    target: CoreMLTarget,
    weights: WeightFolder | None,
    hooks: HookSet | None,
    custom_layers: CustomLayerSet | None,
    index: int,
    folder: Path | None,
) -> tuple[Any, list[str]]:
    try:
        read = import_core_ml(
            stage,
            weights=weights,
            hooks=hooks,
            custom_layers=custom_layers,
            native_layers=target.format == "mlpackage",
        )
        own = replace(
            read.target,
            format=target.format,
            precision=target.precision,
            minimum_deployment_target=target.minimum_deployment_target,
        )
        written = write_core_ml(read.source, own)
        try:
            if written.renamed:
                raise UnsupportedModelError(
                    "other stages know its inputs and outputs by names that an ML Program cannot have: "
                    + ", ".join(map(repr, written.renamed))
                )
            if folder is not None and written.weights_dir is not None:
                _take_weights(written.spec, written.weights_dir, index, folder)
        finally:
            if written.weights_dir is not None:
                shutil.rmtree(written.weights_dir, ignore_errors=True)
    except MLToolkitError as error:
        place = f"pipeline stage {name!r}" + (f", {error.where}" if error.where else "")
        raise type(error)(error.what, where=place, fix=error.fix) from error
    return written.spec, [*read.notes, *written.notes]


def _take_weights(spec: Any, source: Path, index: int, folder: Path) -> None:
    names = {}
    for path in sorted(source.iterdir()):
        names[path.name] = f"{index}-{path.name}"
        shutil.move(path, folder / names[path.name])
    rename_weight_files(spec, names)


def _follow(description: Any, arrays: dict[str, Any]) -> None:
    """Give arrays of a description the type that a converted stage gives them."""
    for feature in (*description.input, *description.output):
        known = arrays.get(feature.name)
        if known is not None and feature.type.WhichOneof("Type") == "multiArrayType":
            feature.type.multiArrayType.dataType = known.dataType
