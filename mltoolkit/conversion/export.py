"""Core ML models as ONNX files, checked in onnxruntime."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.conversion.array_check import DEFAULT_TOLERANCE, check_arrays
from mltoolkit.conversion.imported import Arrays
from mltoolkit.conversion.index_limits import index_limit
from mltoolkit.conversion.onnx_session import open_session, run_session
from mltoolkit.conversion.options import checked_seed, checked_tolerance
from mltoolkit.conversion.report import ConversionReport, OutputCheck
from mltoolkit.conversion.report_making import StopWatch
from mltoolkit.conversion.samples import Case, SourceInput, given_cases, seeded_cases
from mltoolkit.converters.onnx_export.export import export_graph
from mltoolkit.converters.onnx_export.interface import describe_texts
from mltoolkit.converters.onnx_export.source import graph_for_export
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import ArgumentError, MLToolkitError, UnsupportedModelError, VerificationError, did_you_mean
from mltoolkit.formats.features import ArrayFeature, ImageFeature, ScalarFeature
from mltoolkit.formats.model_file import path_of
from mltoolkit.graph.builder import dtype_of, known_shape
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.model import Model, load

logger = logging.getLogger(__name__)


def export_onnx(
    model: Any,
    path: str | os.PathLike[str],
    *,
    quantize_dequantize: bool = False,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    verify: bool = True,
    verification_inputs: Mapping[str, Any] | Iterable[Any] | None = None,
    tolerance_db: float | None = None,
    seed: int = 0,
) -> ConversionReport:
    """Write a Core ML network, ML Program or pipeline as ONNX file, and check that it computes the same.

    Pictures are float32 (1, C, H, W) pixel values from 0 to 255; scale and bias are part of the graph. A classifier
    gives its probabilities; labels and metadata stand in the file's metadata, from which :func:`convert` takes them.
    States become inputs and outputs. Custom layers are nodes of the domain ``mltoolkit.custom``.

    Args:
        model: what :func:`mltoolkit.load` takes.
        path: the .onnx file; an existing one is replaced.
        quantize_dequantize: keep compressed weights as codes behind DequantizeLinear and Gather.
        input_shapes: fixed shapes of arrays, and (height, width) of pictures, for inputs that have several.
        verify: run the written file in onnxruntime and compare.
        verification_inputs: as for :func:`convert`.
        tolerance_db: lowest signal to noise ratio of an output; 60 by default.
        seed: of the values to compare on.

    Returns:
        The report.

    Raises:
        ArgumentError: an argument is wrong.
        ModelFileError: the model cannot be read, or the file not be written.
        UnsupportedModelError: the model cannot be expressed in ONNX.
        VerificationError: the file computes something else; it stays where it was written.
    """
    watch = StopWatch()
    tolerance_db, seed = checked_tolerance(tolerance_db), checked_seed(seed)
    path = path_of(path)
    if input_shapes is not None and not isinstance(input_shapes, Mapping):
        raise ArgumentError(f"input_shapes is {input_shapes!r}", fix="Give {'x': (1, 3, 224, 224)}, say")
    with watch.step("import"):
        source = load(model)
        graph, notes = _graph(source, input_shapes)
    with watch.step("write"):
        written = export_graph(
            graph,
            path,
            quantize_dequantize=quantize_dequantize,
            metadata=describe_texts(source.spec.description.metadata),
        )
    checks: list[OutputCheck] = []
    if verify:
        with watch.step("verify"):
            cases = _cases(source, graph, verification_inputs, seed)
            checks = _verify(source, graph, written, cases, tolerance_db or DEFAULT_TOLERANCE["float32"], notes)
    operators = Counter(node.op_type for node in graph.model.graph)
    report = ConversionReport(
        source=source.name or source.kind,
        source_kind="Core ML",
        way=f"Core ML ({source.kind}) → hub → ONNX",
        format="onnx",
        precision="float32",
        seconds={name: round(seconds, 3) for name, seconds in watch.seconds.items()},
        layers_in=sum(count for kind, count in source.summary().layer_types.items() if kind != "const"),
        operations_out=dict(operators.most_common()),
        transposes=operators["Transpose"],
        bytes=sum(part.stat().st_size for part in (written, Path(f"{written}.data")) if part.exists()),
        notes=tuple(notes),
        custom_layers=dict(Counter(node.implementation.class_name for node in graph.custom_layers.values())),
        checks=tuple(checks),
    )
    for note in notes:
        logger.warning("%s: %s", report.source, note)
    failed = next((check for check in checks if check.passed is False), None)
    if failed is not None:
        raise VerificationError(
            f"the ONNX file computes something else than the Core ML model: {failed.output!r} "
            + (failed.reason or f"agrees to {failed.decibels:.1f} dB, {failed.tolerance_db:g} dB are asked"),
            where=str(written),
            fix="Report the fault; lower tolerance_db or give verify=False if the difference is acceptable",
            report=report,
        )
    return report


def _graph(model: Model, input_shapes: Mapping[str, Sequence[int]] | None) -> tuple[ModelGraph, list[str]]:
    """The graph to write, with symbolic sizes where the model's inputs have several; pipelines are joined."""
    notes: list[str] = []
    names = [feature.name for feature in model.inputs]
    for name in input_shapes or {}:
        if name not in names:
            raise ArgumentError(f"the model has no input {name!r}", fix=did_you_mean(name, names))
    graph = graph_for_export(
        model.spec,
        weights=model._weights,
        function=model.function_name or "",
        custom_layers=CustomLayerSet(model.custom_layers),
        input_shapes={name: tuple(shape) for name, shape in (input_shapes or {}).items()},
        notes=notes,
    )
    return graph, notes


def _cases(model: Model, graph: ModelGraph, given: Mapping[str, Any] | Iterable[Any] | None, seed: int) -> list[Case]:
    values = {value.name or "": value for value in graph.model.graph.inputs}
    inputs = [
        SourceInput(feature.name, _as_written(feature, value), dtype_of(value), known_shape(value), index_limit(value))
        for feature in model.inputs
        if isinstance(feature, (ArrayFeature, ImageFeature, ScalarFeature))
        for value in [values[feature.name]]
    ]
    if given is not None:
        return given_cases(inputs, model, {}, given)
    return seeded_cases(inputs, model, {}, seed)


def _as_written(
    feature: ArrayFeature | ImageFeature | ScalarFeature, value: ir.Value
) -> ArrayFeature | ImageFeature | ScalarFeature:
    """An input with the one size that the file takes, where it takes one only."""
    shape = tuple(size for size in known_shape(value) or () if isinstance(size, int))
    if len(shape) != len(known_shape(value) or ()):
        return feature
    if isinstance(feature, ArrayFeature):
        return replace(feature, shape=shape, shapes=(), ranges=())
    if isinstance(feature, ImageFeature):
        return replace(feature, height=shape[-2], width=shape[-1], sizes=(), width_range=None, height_range=None)
    return feature


def _verify(
    model: Model, graph: ModelGraph, path: Path, cases: Sequence[Case], tolerance_db: float, notes: list[str]
) -> list[OutputCheck]:
    if graph.custom_layers:
        names = ", ".join(sorted({repr(node.implementation.class_name) for node in graph.custom_layers.values()}))
        notes.append(f"not verified: onnxruntime has no operator for the custom layer {names}")
        return []
    try:
        session = open_session(path)
    except UnsupportedModelError as error:
        notes.append(f"not verified: {error.what}")
        return []
    outputs = _described_outputs(graph)
    checks = []
    for case in cases:
        try:
            expected = _expected(model, case)
        except MLToolkitError as error:
            if case.must_run:
                notes.append(f"not verified: the model fails on {case.title} inputs: {error}")
            continue
        feeds = {**case.feeds, **_zero_states(graph)}
        sizes_differ = not case.must_run and any(
            not _fits(value, feeds[value.name or ""].shape) for value in graph.model.graph.inputs
        )
        if sizes_differ:
            continue
        found = run_session(session, feeds, list(feeds), outputs)
        for name in outputs:
            checks.append(
                check_arrays(
                    name,
                    expected[name],
                    found[name],
                    stages="source = file",
                    inputs=case.title,
                    tolerance_db=tolerance_db,
                )
            )
    return checks


def _described_outputs(graph: ModelGraph) -> list[str]:
    states = {state.output for state in graph.states}
    return [value.name or "" for value in graph.model.graph.outputs if value.name not in states]


def _expected(model: Model, case: Case) -> Arrays:
    raw = model.predict_raw(case.data, state=model.make_state() if model.interface.states else None)
    pictures = {feature.name for feature in model.outputs if isinstance(feature, ImageFeature)}
    return {name: array[None] if name in pictures else array for name, array in raw.items()}


def _zero_states(graph: ModelGraph) -> dict[str, NDArray[Any]]:
    values = {value.name or "": value for value in graph.model.graph.inputs}
    return {
        state.input: np.zeros(
            [int(size or 1) for size in known_shape(values[state.input]) or ()], dtype_of(values[state.input])
        )
        for state in graph.states
    }


def _fits(value: ir.Value, shape: tuple[int, ...]) -> bool:
    """Whether the graph's input takes an array of that shape."""
    known = known_shape(value) or ()
    return len(known) == len(shape) and all(
        not isinstance(size, int) or size == given for size, given in zip(known, shape, strict=True)
    )
