"""Which layer of a conversion is the first to compute something else."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.conversion.array_check import DEFAULT_TOLERANCE, check_arrays
from mltoolkit.conversion.hub_run import HubRunner
from mltoolkit.conversion.imported import Imported
from mltoolkit.conversion.options import Options
from mltoolkit.conversion.report import ConversionReport, OutputCheck, decibels_text
from mltoolkit.conversion.samples import Case
from mltoolkit.conversion.verification import Verification
from mltoolkit.conversion.writing import write_model
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import MLToolkitError, VerificationError
from mltoolkit.graph.builder import CUSTOM_DOMAIN, known_shape
from mltoolkit.graph.model_graph import GraphBlob, GraphLayer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FirstDifference:
    """The first layer whose output differs.

    Attributes:
        layer: the layer.
        check: how its output differs.
    """

    layer: GraphLayer
    check: OutputCheck

    def __str__(self) -> str:
        measured = self.check.reason if self.check.decibels is None else decibels_text(self.check.decibels)
        return f"layer {self.layer.name!r} ({self.layer.type}), the first that differs ({measured})"


def difference_error(
    imported: Imported, options: Options, verification: Verification, report: ConversionReport
) -> VerificationError:
    """The error for a verification that failed; looks for the layer where it begins."""
    failed = verification.failed[0]
    found = None
    if imported.hub is not None and verification.case is not None:
        try:
            find = _in_hub if failed.stages == "source = hub" else _in_file
            found = find(imported, imported.hub, verification.case, options)
        except MLToolkitError as error:  # the search must not hide what it was to explain
            logger.info("the first differing layer was not found: %s", error)
    stage = {
        "source = hub": "the imported graph computes something else than the source",
        "source = file": "the written model computes something else than the source",
        "hub = file": "the written model computes something else than the imported graph",
    }[failed.stages]
    if failed.decibels is not None:
        agreement = decibels_text(failed.decibels)
        detail = f"the output {failed.output!r} agrees to {agreement}, {failed.tolerance_db:g} dB are asked"
    else:
        detail = f"the output {failed.output!r}: {failed.reason}" if failed.reason else f"the output {failed.output!r}"
    return VerificationError(
        f"{stage} on {failed.inputs} inputs: {detail}",
        where=str(found) if found is not None else None,
        fix="Convert that layer with a custom conversion function and report the fault; lower tolerance_db or give "
        "verify=False if the difference is acceptable",
        report=report,
    )


def _in_hub(imported: Imported, hub: SourceModel, case: Case, options: Options) -> FirstDifference | None:
    """Compare the layers' outputs in the source's framework with those in the hub."""
    if imported.reference is None:
        return None
    layers = _tapped_layers(hub)
    expected = imported.reference.layer_outputs(case.feeds, layers)
    taps = [blob.value for layer in layers for blob in layer.outputs if blob.name in expected]
    found = HubRunner(hub, CustomLayerSet(options.custom_layers)).run(case.feeds, list(dict.fromkeys(taps)))
    tolerance = options.tolerance_db or DEFAULT_TOLERANCE["float32"]
    for layer in layers:
        for blob in layer.outputs:
            if blob.name in expected:
                check = _compare(blob.name, expected[blob.name], found[blob.value], "source = hub", tolerance)
                if check.passed is False:
                    return FirstDifference(layer, check)
    return None


def _in_file(imported: Imported, hub: SourceModel, case: Case, options: Options) -> FirstDifference | None:
    """Write the model once more with every layer's output as an output of its own, and compare those."""
    layers = _tapped_layers(hub)
    values = {value.name or "": value for node in hub.model.graph for value in node.outputs}
    wanted = [
        values[blob.value]
        for layer in layers
        for blob in layer.outputs
        if blob.value in values and _can_be_output(values[blob.value], hub.model.graph)
    ]
    taps = list(dict.fromkeys(wanted))
    names = [value.name or "" for value in taps]
    expected = HubRunner(hub, CustomLayerSet(options.custom_layers)).run(case.feeds, names)
    found = _file_values(hub, taps, case, options)
    tolerance = options.tolerance_db or DEFAULT_TOLERANCE[options.target.precision]
    for layer in layers:
        for blob in layer.outputs:
            if blob.value in expected and blob.value in found:
                check = _compare(blob.name, expected[blob.value], found[blob.value], "hub = file", tolerance)
                if check.passed is False:
                    return FirstDifference(layer, check)
    return None


def _file_values(hub: SourceModel, taps: Sequence[ir.Value], case: Case, options: Options) -> dict[str, NDArray[Any]]:
    outputs = hub.model.graph.outputs
    count = len(outputs)
    outputs.extend(taps)
    try:
        target = replace(options.target, classifier=None)
        model, renamed = write_model(hub, replace(options, target=target))
    finally:
        del outputs[count:]
    values: Mapping[str, NDArray[Any]] = model.predict_raw(case.data)
    return {
        value.name or "": values[renamed.get(value.name or "", value.name or "")]
        for value in (*outputs, *taps)
        if renamed.get(value.name or "", value.name or "") in values
    }


def _can_be_output(value: ir.Value, graph: ir.Graph) -> bool:
    return (
        value not in graph.outputs
        and isinstance(value.type, ir.TensorType)
        and value.dtype not in (None, ir.DataType.STRING)
        and value.shape is not None
        and len(value.shape) <= 5
    )


def _tapped_layers(hub: SourceModel) -> Sequence[GraphLayer]:
    """The source's layers; the graph's nodes where the importer recorded none."""
    if hub.layers:
        return hub.layers
    return [
        GraphLayer(
            node.name or "",
            node.op_type if node.domain != CUSTOM_DOMAIN else f"custom layer {node.op_type}",
            tuple(GraphBlob(value.name or "", value.name or "", known_shape(value)) for value in node.outputs),
        )
        for node in hub.model.graph
    ]


def _compare(name: str, expected: NDArray[Any], found: NDArray[Any], stages: str, tolerance: float) -> OutputCheck:
    """Compare an inner value, which the hub may hold with its channels in front."""
    forms = [found]
    if found.ndim == expected.ndim and found.ndim >= 3:
        forms += [np.moveaxis(found, 1, -1), np.moveaxis(found, -1, 1)]
    checks = [
        check_arrays(name, expected, form, stages=stages, inputs="", tolerance_db=tolerance)
        for form in forms
        if form.shape == expected.shape
    ]
    if not checks:
        return check_arrays(name, expected, found, stages=stages, inputs="", tolerance_db=tolerance)
    return max(
        checks, key=lambda check: (bool(check.passed), check.decibels if check.decibels is not None else -np.inf)
    )
