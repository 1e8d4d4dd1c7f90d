"""Wrong arguments, odd samples and models that cannot be calibrated, wholly or in part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_ml_pipelines import add_array
from mil_programs import Ref, add_operation, new_program, tensor_type
from PIL import Image
from test_stage_feeds import array_model
from weighted_networks import NETWORKS

import mltoolkit as mlt
from mltoolkit.calibration.divergence import WORST, divergence
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import (
    ArgumentError,
    ComparisonError,
    InputError,
    MLToolkitError,
    QuantizationError,
    UnsupportedModelError,
)
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.validation import validate_spec
from mltoolkit.model import Model

MODEL = digit_model_path()
SHOWN = sorted(digit_images_path().rglob("*.png"))[::50]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing says how small"),
        ({"nbits": 4, "min_agreement": 0.9}, "nbits and min_agreement are given"),
        ({"max_bytes": 1, "max_bits_per_weight": 2, "min_agreement": 0.9}, "max_bytes and max_bits_per_weight and"),
        ({"nbits": 0}, "cannot have 0 bits"),
        ({"nbits": 9}, "cannot have 9 bits"),
        ({"nbits": 4.0}, "whole number"),
        ({"nbits": True}, "whole number"),
        ({"max_bytes": 0}, "max_bytes is 0"),
        ({"max_bytes": -5}, "max_bytes is -5"),
        ({"max_bytes": "700k"}, "max_bytes is '700k'"),
        ({"max_bytes": float("nan")}, "max_bytes is nan"),
        ({"max_bytes": float("inf")}, "max_bytes is inf"),
        ({"max_bits_per_weight": -1}, "max_bits_per_weight is -1"),
        ({"max_bits_per_weight": float("inf")}, "max_bits_per_weight is inf"),
        ({"min_agreement": 1.01}, "min_agreement is 1.01"),
        ({"min_agreement": 95}, "min_agreement is 95"),
        ({"min_agreement": True}, "min_agreement is True"),
        ({"nbits": 4, "held_out": 1.0}, "held_out is 1.0"),
        ({"nbits": 4, "held_out": -0.1}, "held_out is -0.1"),
        ({"nbits": 4, "held_out": "some"}, "held_out is 'some'"),
        ({"nbits": 4, "held_out": 0.01}, "cannot be held out"),
        ({"nbits": 4, "rows": 0}, "rows is 0"),
        ({"nbits": 4, "rows": 1.5}, "rows is 1.5"),
        ({"nbits": 4, "seed": -1}, "seed is -1"),
        ({"nbits": 4, "seed": "x"}, "seed is 'x'"),
        ({"nbits": 4, "limit": 0}, "limit is 0"),
        ({"nbits": 4, "limit": 2.5}, "limit is 2.5"),
        ({"nbits": 4, "crop": "middle"}, "no crop 'middle'"),
        ({"nbits": 4, "quantization_mode": "kmean"}, "no quantization mode 'kmean'"),
        ({"nbits": 1, "quantization_mode": "linear_symmetric"}, "does not know 1 bits"),
        ({"nbits": 4, "quantization_mode": "custom_lut"}, "needs a function"),
        ({"nbits": 4, "agreement": 3}, "agreement is 3"),
        ({"settings": {"defaults": {"nbits": 99}}}, "cannot have 99 bits"),
        ({"settings": {"defoults": {}}}, "defoults"),
        ({"settings": '{"layers": '}, "no JSON"),
    ],
)
def test_nonsense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        mlt.quantize_calibrated(MODEL, SHOWN, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("value", ["yes", None, 1.5, -0.1, float("nan")])
def test_an_agreement_function_that_returns_nonsense(value: Any) -> None:
    with pytest.raises(ArgumentError, match="the agreement function returned"):
        mlt.quantize_calibrated(MODEL, SHOWN, nbits=4, agreement=lambda expected, found: value)


def test_few_samples_are_warned_of() -> None:
    report = mlt.quantize_calibrated(MODEL, SHOWN[:1], nbits=4).quantization_report
    assert report.samples == 1
    assert any("1 samples are few" in warning or "1 sample is few" in warning for warning in report.warnings)
    many = [SHOWN[index % len(SHOWN)] for index in range(64)]
    assert not mlt.quantize_calibrated(MODEL, many, nbits=4).quantization_report.warnings


def test_one_black_picture_is_no_reason_to_fail() -> None:
    black = Image.new("L", (28, 28))
    small = mlt.quantize_calibrated(MODEL, [black] * 3, nbits=2)
    validate_spec(small.spec)
    assert np.isfinite(small.quantization_report.chosen.divergence)
    found = mlt.compare_models(MODEL, small, SHOWN, progress=False).mean_kl
    plain = mlt.compare_models(MODEL, mlt.quantize_weights(MODEL, 2, "kmeans"), SHOWN, progress=False).mean_kl
    assert found is not None and plain is not None and np.isfinite(found)


def test_samples_that_do_not_suit(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match="no picture"):
        mlt.quantize_calibrated(MODEL, tmp_path, nbits=4)
    with pytest.raises(ComparisonError, match="empty"):
        mlt.quantize_calibrated(MODEL, [], nbits=4)
    with pytest.raises(ComparisonError, match="does not exist"):
        mlt.quantize_calibrated(MODEL, tmp_path / "nowhere", nbits=4)
    with pytest.raises(MLToolkitError, match=r"no input 'picture'.*digits/1/000.png.*'image'"):
        mlt.quantize_calibrated(MODEL, [SHOWN[0], {"picture": SHOWN[1]}], nbits=4)
    bad = np.zeros((28, 28), np.float32)
    bad[3, 4] = np.nan
    with pytest.raises(InputError, match=r"NaN or infinite.*input 1"):
        mlt.quantize_calibrated(MODEL, [np.zeros((28, 28), np.float32), bad], nbits=4)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.open(SHOWN[0]).save(tmp_path / "good.png")
    report = mlt.quantize_calibrated(MODEL, tmp_path, nbits=4).quantization_report
    assert any("1 pictures could not be read, the first: broken.png" in warning for warning in report.warnings)


def test_weights_with_nan_are_named() -> None:
    spec, _ = NETWORKS["inner product of rows"][0]()
    spec.neuralNetwork.layers[0].innerProduct.weights.floatValue[5] = np.nan
    samples = [{"x": np.ones((4, 13), np.float32)}] * 3
    with pytest.raises(QuantizationError, match="1 of 117 values are NaN"):
        mlt.quantize_calibrated(Model.from_spec(spec), samples, nbits=4)


def relu() -> Model:
    spec = new_model()
    spec.specificationVersion = 1
    layer = spec.neuralNetwork.layers.add(name="relu", input=["x"], output=["y"])
    layer.activation.ReLU.SetInParent()
    add_array(spec.description.input, "x", (3,))
    add_array(spec.description.output, "y", (3,))
    return Model.from_spec(spec)


def test_models_without_weights() -> None:
    samples = [{"x": np.ones(3, np.float32)}] * 3
    small = mlt.quantize_calibrated(relu(), samples, nbits=4)
    assert not small.quantization_report.records
    assert small.spec == relu().spec
    with pytest.raises(QuantizationError, match="no weight of the model can be quantized: it has none"):
        mlt.quantize_calibrated(relu(), samples, max_bytes=1000)
    scaler = new_model()
    scaler.specificationVersion = 1
    scaler.scaler.scaleValue.append(2.0)
    add_array(scaler.description.input, "x", (3,))
    add_array(scaler.description.output, "y", (3,))
    with pytest.raises(UnsupportedModelError):
        mlt.quantize_calibrated(Model.from_spec(scaler), samples, nbits=4)


def test_no_weight_that_may_be_quantized() -> None:
    with pytest.raises(QuantizationError, match=r"no weight of the model can be quantized: .*skipped by the settings"):
        mlt.quantize_calibrated(MODEL, SHOWN, max_bytes=20_000, settings={"defaults": {"skip": True}})
    with pytest.raises(QuantizationError, match=r"no weight of the model can be quantized: .*not selected"):
        mlt.quantize_calibrated(MODEL, SHOWN, max_bytes=20_000, selector=lambda layer, weight: False)


def branching() -> Model:
    """A product of its own, and one inside each side of a branch."""
    spec, block = new_program({"x": ("float32", (1, 16)), "f": ("bool", ())}, {"y": ("float32", (1, 16))})
    rng = np.random.default_rng(0)
    names = ("the own", "the then", "the else")
    for name in names:
        array = rng.standard_normal((16, 16)).astype(np.float32)
        add_operation(block, "const", {}, {name: ("float32", (16, 16))}, {"name": name, "val": array})
    add_operation(block, "linear", {"x": Ref("x"), "weight": Ref(names[0])}, {"h": ("float32", (1, 16))})
    branch = add_operation(block, "cond", {"pred": Ref("f")}, {"y": ("float32", (1, 16))})
    for name, output in zip(names[1:], ("a", "b"), strict=True):
        inner = branch.blocks.add()
        add_operation(inner, "linear", {"x": Ref("h"), "weight": Ref(name)}, {output: ("float32", (1, 16))})
        inner.outputs.append(output)
    branch.outputs[0].type.CopyFrom(tensor_type("float32", (1, 16)))
    return Model.from_spec(spec)


def test_weights_in_branches_are_quantized_from_their_values() -> None:
    model = branching()
    rng = np.random.default_rng(1)
    samples = [
        {"x": rng.standard_normal((1, 16)).astype(np.float32), "f": np.array(index % 2, np.int32)}
        for index in range(20)
    ]
    small = mlt.quantize_calibrated(model, samples, nbits=4)
    remarks = [record.reason for record in small.quantization_report.changed]
    assert len(remarks) == 3 and remarks[0].startswith("output SNR")
    assert remarks[1:] == ["from its values alone: it is used inside a branch or loop"] * 2
    plain = mlt.quantize_weights(model, 4, "kmeans")
    from mltoolkit.quantization.rewriting import open_rewriter

    mine, theirs = open_rewriter(small), open_rewriter(plain)
    weights = [slot for slot in mine.slots if slot.role == "weight"]
    for slot in weights[1:]:
        (same,) = (other for other in theirs.slots if other.layer == slot.layer and other.name == slot.name)
        np.testing.assert_array_equal(mine.values(slot), theirs.values(same))
    most = small.size + 40
    mixed = mlt.quantize_calibrated(model, samples, max_bytes=most, curve=False)
    assert mixed.size <= most and len(mixed.quantization_report.changed) >= 1


def test_samples_of_other_shapes_are_left_out_with_a_warning() -> None:
    samples = [{"x": np.ones((3, size, size), np.float32)} for size in (2, 3, 3)]
    report = mlt.quantize_calibrated(array_model(), samples, nbits=4, only_if_smaller=False).quantization_report
    assert report.samples == 2 and any("1 samples of other shapes" in warning for warning in report.warnings)


def test_outputs_that_overflow_count_as_the_worst() -> None:
    from mltoolkit.formats.features import Interface
    from mltoolkit.graph.builder import GraphBuilder
    from mltoolkit.graph.model_graph import ModelGraph

    builder = GraphBuilder("test")
    graph = ModelGraph(builder.finish([builder.input("x", np.float32, (2,))]), Interface((), ()))
    good, bad = {"y": np.array([1, 2], np.float32)}, {"y": np.array([np.nan, 2], np.float32)}
    assert divergence(graph, [good], [bad]) == WORST
    assert divergence(graph, [good], [good]) == 0.0
    assert divergence(graph, [good] * 2, [{"y": np.array([1.5, 2], np.float32)}] * 2) == pytest.approx(0.5)
