"""Models that onnxruntime's own tools quantized: their import is exact, and both Core ML formats follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_models import FLOAT, decibels, model_of, normal, run

import mltoolkit as mlt
from mltoolkit.converters.onnx_import.importer import import_onnx

X = normal(1, 3, 12, 12)


class Batches:
    """What calibration reads."""

    def __init__(self) -> None:
        self._left = [{"x": normal(1, 3, 12, 12, seed=seed)} for seed in range(4)]

    def get_next(self) -> dict[str, Any] | None:
        return self._left.pop() if self._left else None


def network(folder: Path) -> Path:
    weights = {
        "w1": normal(8, 3, 3, 3) / 4,
        "b1": normal(8),
        "w2": normal(8, 8, 3, 3, seed=1) / 6,
        "fc": normal(8, 5, seed=2),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("MatMul", ["f", "fc"], ["y"]),
    ]
    path = folder / "float.onnx"
    onnx.save(model_of(nodes, {"x": (FLOAT, X.shape)}, {"y": (FLOAT, (1, 5))}, weights), path)
    return path


@pytest.fixture(params=["qdq", "qdq per channel", "operators", "dynamic"])
def quantized(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    from onnxruntime import quantization as tools

    source, path = network(tmp_path), tmp_path / "quantized.onnx"
    int8 = tools.QuantType.QInt8
    if request.param == "dynamic":
        tools.quantize_dynamic(source, path)
        return path
    options: dict[str, Any] = {"quant_format": tools.QuantFormat.QDQ}
    if request.param == "qdq per channel":
        options |= {"per_channel": True, "activation_type": int8, "weight_type": int8}
    if request.param == "operators":
        uint8 = tools.QuantType.QUInt8
        options = {"quant_format": tools.QuantFormat.QOperator, "activation_type": uint8, "weight_type": uint8}
    tools.quantize_static(source, path, Batches(), **options)
    return path


def test_the_import_is_exact(quantized: Path) -> None:
    (expected,), (got,) = run(str(quantized), {"x": X}), run(import_onnx(quantized), {"x": X})
    found = decibels(expected, got)
    assert found > 120, f"{found:.1f} dB"


@pytest.mark.parametrize("format", ["mlpackage", "mlmodel"])
def test_both_formats_follow(quantized: Path, format: str) -> None:
    model = mlt.convert(quantized, format=format)
    assert model.conversion_report is not None
    assert model.conversion_report.verified
    (expected,) = run(str(quantized), {"x": X})
    found = decibels(expected, np.asarray(model.predict({"x": X})["y"]))
    # A step of 8 bits that a sum of another order tips over: 48 dB; mostly there is none.
    assert found > 40, f"{found:.1f} dB"
