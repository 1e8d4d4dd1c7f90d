"""A seeded part of ONNX's node tests: what is imported equals the source, both in onnxruntime."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from cases import Case, load_cases
from numpy.typing import NDArray

from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.errors import MLToolkitError

COUNT = 150


def run(model: onnx.ModelProto, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]] | None:
    """The outputs; None where onnxruntime has no kernel for the model."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_inputs()]
        return [np.asarray(result) for result in session.run(None, {name: feeds[name] for name in names})]
    except Exception:  # onnxruntime's exceptions share no base class of their own
        return None


def difference(case: Case) -> str:
    """How the import differs from its source, or where onnxruntime cannot run that, from what ONNX expects."""
    try:
        imported = ir.to_proto(import_onnx(case.model).model)
    except MLToolkitError:
        return ""
    got, expected = run(imported, case.inputs), run(case.model, case.inputs)
    if got is None:
        return "" if expected is None else "onnxruntime refuses the import only"
    for name, one, other in zip(case.outputs, got, expected or case.outputs.values(), strict=True):
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"{name}: {one.dtype}{one.shape} instead of {other.dtype}{other.shape}"
        a, b = one.astype(np.float64), other.astype(np.float64)
        if not np.allclose(a, b, rtol=case.rtol, atol=max(case.atol, 1e-6), equal_nan=True):
            return f"{name} differs by {np.nanmax(np.abs(a - b)):.3g}"
    return ""


@pytest.mark.filterwarnings("ignore")
def test_the_import_equals_its_source() -> None:
    # Fourier transforms of other forms leave other roundings where the exact result is 0, random ones other numbers.
    cases = [case for case in load_cases() if not case.excluded and case.operator not in ("DFT", "STFT")]
    chosen = random.Random(4).sample(cases, COUNT)
    wrong = {case.name: found for case in chosen if (found := difference(case))}
    assert not wrong, wrong
