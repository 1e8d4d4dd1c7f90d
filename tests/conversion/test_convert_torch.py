"""PyTorch models through the front door: every form, both ways, the same options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.errors import ArgumentError, InputError, ModelFileError, UnsupportedModelError
from mltoolkit.formats.features import ArrayFeature, ImageFeature

torch = pytest.importorskip("torch")
FORMATS = ("mlmodel", "mlpackage")
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


class Net(torch.nn.Module):  # type: ignore[misc, name-defined]  # torch may be missing
    """Picture → five probabilities; dropout and batch statistics differ in training."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(8)
        self.drop = torch.nn.Dropout(0.5)
        self.linear = torch.nn.Linear(8, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm(self.conv(image))).mean((2, 3))
        return torch.softmax(self.linear(self.drop(y)), -1)


def report_of(model: mlt.Model) -> mlt.ConversionReport:
    assert model.conversion_report is not None
    return model.conversion_report


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("form", ["module", "exported", "scripted", "traced", ".pt2", ".pt"])
def test_every_form(tmp_path: Path, form: str, format: str) -> None:
    module, example = Net(), torch.randn(1, 3, 6, 8)
    arguments: dict[str, Any] = {} if form in ("exported", ".pt2") else {"input_shapes": (1, 3, 6, 8)}
    source: Any = module
    if form in ("exported", ".pt2"):
        source = torch.export.export(module.eval(), (example,))
    elif form == "scripted":
        source = torch.jit.script(module.eval())
    elif form in ("traced", ".pt"):
        source = torch.jit.trace(module.eval(), example)
    if form == ".pt2":
        torch.export.save(source, tmp_path / "net.pt2")
        source = tmp_path / "net.pt2"
    elif form == ".pt":
        torch.jit.save(source, tmp_path / "net.pt")
        source = tmp_path / "net.pt"
    model = mlt.convert(source, format=format, **arguments)
    report = report_of(model)
    assert report.verified is True, report
    assert report.way == "PyTorch → coremltools"
    assert [feature.name for feature in model.outputs] == ["output"]


def test_a_module_in_training_is_converted_as_it_is_evaluated_and_left_in_training() -> None:
    module = Net().train()
    model = mlt.convert(module, input_shapes=(1, 3, 6, 8))
    assert report_of(model).verified is True
    assert module.training and module.norm.training


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("scale", "bias"), [(1 / 255, -0.5), ([0.01, 0.02, 0.03], [-0.1, 0.2, -0.3])])
def test_the_same_options(format: str, scale: Any, bias: Any) -> None:
    module = Net()
    model = mlt.convert(
        module,
        format=format,
        inputs=mlt.ImageInput(size=(6, 8), scale=scale, bias=bias, color="BGR"),
        names={"image": "photo"},
        class_labels=list("abcde"),
        predicted_feature_name="kind",
        author="me",
        precision="float16",
    )
    (photo,) = model.inputs
    assert isinstance(photo, ImageFeature)
    assert (photo.name, photo.width, photo.height, photo.color_space) == ("photo", 8, 6, "BGR")
    assert report_of(model).verified is True
    assert model.summary().metadata.author == "me"
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    fed = pixels[..., ::-1].transpose(2, 0, 1) * np.reshape(scale, (-1, 1, 1)) + np.reshape(bias, (-1, 1, 1))
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(fed[None].astype(np.float32)))[0]
    assert model.predict({"photo": pixels})["kind"] == "abcde"[int(expected.argmax())]


@pytest.mark.parametrize("format", FORMATS)
def test_flexible_sizes(format: str) -> None:
    model = mlt.convert(Net(), format=format, inputs={"image": (1, 3, mlt.SizeRange(4, 16, 6), 8)})
    (feature,) = model.inputs
    assert isinstance(feature, ArrayFeature)
    assert feature.allows((1, 3, 16, 8)) and not feature.allows((1, 3, 17, 8))
    assert {check.inputs for check in report_of(model).checks} == {"seeded", "seeded, other sizes"}


class Several(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Whole numbers in, a dictionary out."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = torch.nn.Embedding(9, 4)

    def forward(self, ids: torch.Tensor, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        rows = self.table(ids)
        return {"rows": rows, "sum": (rows * weight).sum(0), "best": rows.argmax(-1)}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("named", [True, False])
def test_examples_dictionaries_and_whole_numbers(format: str, named: bool) -> None:
    values = (torch.tensor([8, 0, 3]), torch.randn(4))
    given: Any = dict(zip(("ids", "weight"), values, strict=True)) if named else list(values)
    model = mlt.convert(Several(), format=format, verification_inputs=given)
    report = report_of(model)
    assert report.verified is True
    assert {check.output: check.measure for check in report.checks} == {"rows": "SQNR", "sum": "SQNR", "best": "exact"}


class Determinant(torch.nn.Module):  # type: ignore[misc, name-defined]
    """coremltools has no determinant."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.mish(x) * torch.linalg.det(x)


def test_what_coremltools_refuses_goes_through_onnx() -> None:
    def product(layer: Any) -> Any:
        """The determinant of 2×2 matrices."""
        builder, (x,) = layer.builder, layer.inputs
        flat = builder.op("Reshape", x, builder.constant([-1]))
        a, b, c, d = (builder.op("Gather", flat, builder.constant(np.array(place))) for place in range(4))
        return builder.op("Sub", builder.op("Mul", a, d), builder.op("Mul", b, c))

    model = mlt.convert(Determinant(), input_shapes=(2, 2), custom_conversion_functions={"Det": product})
    report = report_of(model)
    assert report.verified is True
    assert report.way == "PyTorch → torch.onnx → hub → Core ML"
    assert report.hooks_used.keys() == {"Det"}


def test_the_report_says_why_it_went_through_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    from mltoolkit.conversion import torch_source

    def refuse(*arguments: Any) -> Any:
        raise UnsupportedModelError("coremltools refuses the model: no such operator")

    monkeypatch.setattr(torch_source, "convert_torch", refuse)
    model = mlt.convert(Net(), input_shapes=(1, 3, 6, 8), names={"image": "photo", "output": "scores"})
    report = report_of(model)
    assert report.verified is True
    assert report.notes == ("through ONNX, since coremltools refuses the model: no such operator",)
    assert ([item.name for item in model.inputs], [item.name for item in model.outputs]) == (["photo"], ["scores"])
    flexible = mlt.convert(Net(), inputs={"image": (1, 3, mlt.SizeRange(4, 16, 6), 8)})
    assert {check.inputs for check in report_of(flexible).checks} == {"seeded", "seeded, other sizes"}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ArgumentError, "the shape of the input 'image' is not known"),
        ({"input_shapes": (1, 4, 6, 8)}, InputError, "the model fails on inputs of shape"),
        ({"inputs": {"picture": (1, 3, 6, 8)}}, ArgumentError, "takes the inputs 'image', not 'picture'"),
        ({"input_shapes": (1, 3, 6, 8), "class_labels": ["a", "b"]}, ArgumentError, "2 class labels for the 5 classes"),
        ({"input_shapes": (1, 3, 6, 8), "format": "mlprogram"}, ArgumentError, "mlprogram"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        mlt.convert(Net(), **arguments)


def test_checkpoints_hold_no_graph(tmp_path: Path) -> None:
    torch.save(Net().state_dict(), tmp_path / "weights.pt")
    torch.save(Net(), tmp_path / "module.pth")
    (tmp_path / "damaged.pt2").write_bytes(b"PK\x03\x04nothing")
    for name in ("weights.pt", "module.pth", "damaged.pt2"):
        with pytest.raises(ModelFileError, match="load it in Python and give the module") as raised:
            mlt.convert(tmp_path / name, input_shapes=(1, 3, 6, 8))
        assert name in str(raised.value)
