"""What torch's two exporters write, with open sizes: little of the shape computations is left, and all agree."""

from __future__ import annotations

import io
import logging
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_models import decibels, operators, run

import mltoolkit as mlt
from mltoolkit.converters.onnx_import.importer import import_onnx

torch = pytest.importorskip("torch")
nn = torch.nn


class Vision(nn.Module):  # type: ignore[misc,name-defined]
    """Patches, a class token, attention: the batch's size is read many times."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 32))
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Any) -> Any:
        words = self.patches(x).flatten(2).transpose(1, 2)
        words = torch.cat([self.token.expand(x.shape[0], -1, -1), words], 1)
        normal = self.norm(words)
        words = words + self.attention(normal, normal, normal, need_weights=False)[0]
        return self.head(words[:, 0]).softmax(-1)


class Recurrent(nn.Module):  # type: ignore[misc,name-defined]
    """Initial states are made from the batch's size."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.LSTM(8, 16, 2, bidirectional=True, batch_first=True)
        self.second = nn.GRU(32, 12, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x)[0])[0]


class Grid(nn.Module):  # type: ignore[misc,name-defined]
    """Positions computed from the picture's size."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 18, 1)

    def forward(self, x: Any) -> Any:
        y = self.convolution(x)
        batch, _, height, width = y.shape
        y = y.view(batch, 3, 6, height, width).permute(0, 1, 3, 4, 2)
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        places = (y[..., :2].sigmoid() * 2 - 0.5 + torch.stack((columns, rows), -1).float()) * 8
        return torch.cat((places, y[..., 2:].sigmoid()), -1).view(batch, -1, 6)


CASES = {
    "vision": (Vision, (2, 3, 32, 32), {0: "batch"}),
    "recurrent": (Recurrent, (2, 7, 8), {0: "batch", 1: "steps"}),
    "grid": (Grid, (1, 3, 8, 6), {2: "height", 3: "width"}),
}


def exported(name: str, *, newer: bool) -> tuple[onnx.ModelProto, Any]:
    """The model of a case and an input; the newer exporter is given no open sizes."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.manual_seed(0)
    made, shape, open_axes = CASES[name]
    module, x = made().eval(), torch.randn(*shape)
    if newer:
        return torch.onnx.export(module, (x,), dynamo=True, verbose=False, input_names=["x"]).model_proto, x.numpy()
    stream = io.BytesIO()
    options = {"opset_version": 17, "dynamo": False, "input_names": ["x"], "dynamic_axes": {"x": open_axes}}
    torch.onnx.export(module, (x,), stream, **options)
    return onnx.load_from_string(stream.getvalue()), x.numpy()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("newer", [False, True], ids=["open sizes", "newer exporter"])
@pytest.mark.parametrize("name", CASES)
def test_the_import_equals_its_source(name: str, newer: bool) -> None:
    model, x = exported(name, newer=newer)
    source = import_onnx(model)
    inputs = [x] if newer else [x, np.concatenate([x, x[:1]])] if name != "grid" else [x, x[:, :, 1:, :]]
    for fed in inputs:
        found = decibels(run(model, {"x": fed})[0], run(source, {"x": fed})[0])
        assert found > 110, f"{found:.1f} dB"


@pytest.mark.filterwarnings("ignore")
def test_an_open_batch_leaves_few_shapes() -> None:
    model, _ = exported("vision", newer=False)
    found = operators(import_onnx(model))
    assert sum(node.op_type == "Shape" for node in model.graph.node) >= 6
    # One Expand of the token needs the batch's size; attention's projection flattens it.
    assert found.count("Shape") <= 3, found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", ["mlpackage", "mlmodel"])
@pytest.mark.parametrize("name", CASES)
def test_both_formats_agree(name: str, format: str) -> None:
    model, _ = exported(name, newer=False)
    report = mlt.convert(model, format=format).conversion_report
    assert report is not None
    assert report.verified, str(report)
    assert report.lowest_db is not None
    assert report.lowest_db > 100, str(report)
