"""ONNX models through the front door: both formats, every option of the interface, and wrong arguments."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from conversion_models import custom_onnx, onnx_classifier, onnx_model
from onnx import TensorProto, helper

import mltoolkit as mlt
from mltoolkit.errors import ArgumentError, InputError, ModelFileError, UnsupportedModelError
from mltoolkit.formats.features import ArrayFeature, ImageFeature

FORMATS = ("mlmodel", "mlpackage")
LABELS = ["ant", "bee", "cat", "dog"]


def report_of(model: mlt.Model) -> mlt.ConversionReport:
    assert model.conversion_report is not None
    return model.conversion_report


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("form", ["path", "text", "proto", "ir"])
def test_every_form_of_source(tmp_path: Path, form: str, format: str) -> None:
    proto = onnx_classifier()
    path = tmp_path / "small.onnx"
    onnx.save(proto, path)
    source: Any = {"path": path, "text": str(path), "proto": proto, "ir": ir.from_proto(proto)}[form]
    model = mlt.convert(source, format=format)
    report = report_of(model)
    assert report.verified is True
    assert {check.stages for check in report.checks} == {"source = hub", "source = file"}
    assert report.lowest_db is not None and report.lowest_db > 100, report
    assert (report.source_kind, report.format, report.layers_in) == ("ONNX", format, 6)
    assert model.kind == {"mlmodel": "neuralNetwork", "mlpackage": "mlProgram"}[format]
    saved = tmp_path / f"out.{format}"
    model.save(saved)
    picture = np.random.default_rng(3).standard_normal((1, 3, 8, 10)).astype(np.float32)
    again = mlt.load(saved).predict({"picture": picture})["probs"]
    np.testing.assert_array_equal(again, model.predict({"picture": picture})["probs"])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("scale", "bias", "color"),
    [(1 / 255, 0.0, "RGB"), (1 / 127.5, -1.0, "BGR"), ([0.01, 0.02, 0.03], [-0.1, 0.2, -0.3], "BGR")],
)
def test_pictures_labels_names_and_metadata(format: str, scale: Any, bias: Any, color: Any) -> None:
    model = mlt.convert(
        onnx_classifier(),
        format=format,
        inputs=mlt.ImageInput(scale=scale, bias=bias, color=color, description="a picture"),
        class_labels=LABELS,
        predicted_feature_name="animal",
        names={"picture": "photo"},
        author="me",
        license="MIT",
        short_description="animals",
        version="2",
        user_defined={"trained": "today"},
    )
    (photo,) = model.inputs
    assert isinstance(photo, ImageFeature)
    assert (photo.name, photo.width, photo.height, photo.color_space) == ("photo", 10, 8, color)
    assert photo.description == "a picture"
    assert model.class_labels == tuple(LABELS)
    assert model.predicted_feature_name == "animal"
    metadata = model.summary().metadata
    assert (metadata.author, metadata.license, metadata.description, metadata.version) == ("me", "MIT", "animals", "2")
    assert metadata.user_defined["trained"] == "today"
    pixels = np.random.default_rng(1).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    fed = (pixels[..., ::-1] if color == "BGR" else pixels).transpose(2, 0, 1)
    fed = fed * np.reshape(scale, (-1, 1, 1)) + np.reshape(bias, (-1, 1, 1))
    import onnxruntime as ort

    session = ort.InferenceSession(onnx_classifier().SerializeToString())
    (expected,) = session.run(None, {"picture": fed[None].astype(np.float32)})
    prediction = model.predict({"photo": pixels})
    assert prediction["animal"] == LABELS[int(expected.argmax())]
    told = prediction[str(model.predicted_probabilities_name)]
    # float32 in another order of summation
    np.testing.assert_allclose([told[label] for label in LABELS], expected[0], atol=1e-5)
    assert {check.measure for check in report_of(model).checks} == {"SQNR", "label"}


@pytest.mark.parametrize("format", FORMATS)
def test_labels_come_from_a_file(tmp_path: Path, format: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    assert mlt.convert(onnx_classifier(), format=format, class_labels=path).class_labels == tuple(LABELS)
    assert mlt.convert(onnx_classifier(), format=format, class_labels=[7, 8, 9, 10]).class_labels == (7, 8, 9, 10)


@pytest.mark.parametrize("format", FORMATS)
def test_flexible_sizes_are_verified_at_two(format: str) -> None:
    source = onnx_classifier(("batch", 3, "height", "width"))
    model = mlt.convert(
        source, format=format, inputs={"picture": (1, 3, mlt.SizeRange(6, 20, 8), mlt.SizeRange(6, 20))}
    )
    (feature,) = model.inputs
    assert isinstance(feature, ArrayFeature)
    assert feature.allows((1, 3, 20, 6)) and not feature.allows((1, 3, 21, 6))
    assert [check.inputs for check in report_of(model).checks] == ["seeded"] * 2 + ["seeded, other sizes"] * 2
    several = mlt.convert(
        source, format=format, inputs={"picture": mlt.ArrayInput(shapes=[(1, 3, 8, 8), (1, 3, 16, 4)])}
    )
    assert isinstance(several.inputs[0], ArrayFeature)
    assert set(several.inputs[0].shapes) == {(1, 3, 8, 8), (1, 3, 16, 4)}
    assert len(report_of(several).checks) == 4


def test_open_sizes_get_a_default_with_which_the_source_runs() -> None:
    pool = helper.make_node("MaxPool", ["x"], ["y"], "pool", kernel_shape=[5, 5], strides=[5, 5])
    source = onnx_model([pool], {"x": ("n", 2, "h", "w")}, {"y": ("n", 2, "p", "q")})
    (feature,) = mlt.convert(source).inputs
    assert isinstance(feature, ArrayFeature)
    assert feature.shape == (1, 2, 64, 64)


def test_fixed_sizes_by_input_shapes() -> None:
    source = onnx_classifier(("batch", 3, "height", "width"))
    for shapes in ((1, 3, 9, 11), {"picture": (1, 3, 9, 11)}):
        (feature,) = mlt.convert(source, input_shapes=shapes, verify=False).inputs
        assert isinstance(feature, ArrayFeature)
        assert (feature.shape, feature.flexible) == ((1, 3, 9, 11), False)


@pytest.mark.parametrize("format", FORMATS)
def test_half_precision_is_smaller_and_close(format: str) -> None:
    full, half = (mlt.convert(onnx_classifier(), format=format, precision=kind) for kind in ("float32", "float16"))
    report = report_of(half)
    rows = [check for check in report.checks if check.stages == "source = file"]
    assert all(check.tolerance_db == 20.0 for check in rows)
    assert report.lowest_db is not None and 40 < report.lowest_db < 120, report
    assert half.summary().total.bytes < 0.6 * full.summary().total.bytes


@pytest.mark.parametrize("format", FORMATS)
def test_whole_numbers_are_compared_exactly(format: str) -> None:
    table = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
    source = onnx_model(
        [
            helper.make_node("Gather", ["table", "ids"], ["rows"], "rows"),
            helper.make_node("ArgMax", ["rows"], ["best"], "best", axis=-1, keepdims=0),
        ],
        {"ids": (4,)},
        {"rows": (4, 3), "best": (4,)},
        {"table": table},
        {"ids": TensorProto.INT64, "best": TensorProto.INT64},
    )
    model = mlt.convert(source, format=format)
    report = report_of(model)
    assert {(check.output, check.measure) for check in report.checks} == {("rows", "SQNR"), ("best", "exact")}
    assert report.verified
    # Indices stay below the table's seven rows: random ones up to 2**31 would have failed.
    given = mlt.convert(source, format=format, verification_inputs={"ids": np.array([6, 0, 3, 3])})
    assert {check.inputs for check in report_of(given).checks} == {"given"}


def test_a_target_system_raises_the_specification() -> None:
    model = mlt.convert(onnx_classifier(), format="mlpackage", minimum_deployment_target="iOS16")
    assert model.spec.specificationVersion == 7


def test_the_report_is_text_json_html_and_travels() -> None:
    model = mlt.convert(onnx_classifier(), format="mlpackage")
    report = report_of(model)
    text = str(report)
    assert "ONNX → hub → Core ML" in text and "source = file" in text and "verified" in text.splitlines()[0]
    plain = json.loads(report.to_json())
    assert plain["verified"] is True and len(plain["checks"]) == 2
    assert plain["seconds"].keys() == {"import", "write", "verify"}
    assert "<table>" in report._repr_html_()
    assert pickle.loads(pickle.dumps(report)) == report
    network = mlt.convert(onnx_classifier())
    assert pickle.loads(pickle.dumps(network)).conversion_report == network.conversion_report
    quiet = report_of(mlt.convert(onnx_classifier(), verify=False))
    assert (quiet.verified, quiet.checks) == (None, ())
    assert "not verified" in quiet.headline


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"format": "mlmodle"}, ArgumentError, "Did you mean 'mlmodel'"),
        ({"precision": "float8"}, ArgumentError, "float8"),
        ({"minimum_deployment_target": "iOS99"}, ArgumentError, "iOS99"),
        ({"format": "mlpackage", "minimum_deployment_target": "iOS13"}, ArgumentError, "cannot run ML Programs"),
        ({"inputs": {"image": mlt.ImageInput()}}, ArgumentError, "no input 'image'"),
        ({"inputs": {"picture": "image"}}, ArgumentError, "is described by 'image'"),
        ({"inputs": {"picture": (1, 3, 9, 9)}}, ArgumentError, "does not fit the input 'picture'"),
        ({"inputs": 3}, ArgumentError, "inputs is int"),
        ({"outputs": {"probs": mlt.ImageOutput()}}, ArgumentError, "is no picture"),
        ({"class_labels": ["a", "b", "c"]}, ArgumentError, "3 class labels for the 4 classes"),
        ({"class_labels": []}, ArgumentError, "at least one"),
        ({"class_labels": ["a", "b", "c", 3]}, ArgumentError, "texts or whole numbers"),
        ({"class_labels": "no_such_file.txt"}, ArgumentError, "no_such_file.txt"),
        ({"class_labels": 4}, ArgumentError, "class_labels is 4"),
        ({"names": {"x": "y"}}, ArgumentError, "no input or output 'x'"),
        ({"names": {"picture": "probs"}}, ArgumentError, "two inputs or outputs would be called 'probs'"),
        ({"names": ["a"]}, ArgumentError, "names is"),
        ({"author": 3}, ArgumentError, "author is a text"),
        ({"tolerance_db": -1}, ArgumentError, "tolerance_db is -1"),
        ({"verification_inputs": {"picture2": 0}}, ArgumentError, "'picture2', which is no input"),
        ({"verification_inputs": {}}, ArgumentError, "no value for 'picture'"),
        ({"verification_inputs": []}, ArgumentError, "verification_inputs is empty"),
        ({"verification_inputs": {"picture": ["a"]}}, InputError, "not numbers"),
        ({"custom_conversion_functions": ["a"]}, ArgumentError, "is a dictionary"),
        ({"input_shapes": {"pictur": (1, 3, 8, 10)}}, ArgumentError, "pictur"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        mlt.convert(onnx_classifier(), **arguments)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x08\x08" + bytes(100), onnx_classifier().SerializeToString()[:-40]]
)
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    with pytest.raises((ModelFileError, UnsupportedModelError, mlt.MLToolkitError)) as raised:
        mlt.convert(path)
    assert "damaged.onnx" in str(raised.value)


def test_given_inputs_that_the_source_refuses_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    table = np.zeros((3, 2), np.float32)
    gather = helper.make_node("Gather", ["table", "ids"], ["rows"], "rows")
    source = onnx_model([gather], {"ids": (1,)}, {"rows": (1, 2)}, {"table": table}, {"ids": TensorProto.INT64})
    report = report_of(mlt.convert(source, verification_inputs=[np.array([9])]))
    assert report.verified is None
    assert "the source fails" in caplog.text and "the source fails" in str(report)


def test_random_outputs_are_not_compared() -> None:
    noise = helper.make_node("RandomNormalLike", ["x"], ["noise"], "noise")
    double = helper.make_node("Add", ["x", "x"], ["double"], "double")
    source = onnx_model([noise, double], {"x": (50,)}, {"noise": (50,), "double": (50,)})
    report = report_of(mlt.convert(source))
    assert report.verified is True
    # The hub runs in onnxruntime too, whose sessions draw the same numbers at first.
    in_file = {check.output: check.passed for check in report.checks if check.stages == "source = file"}
    assert in_file == {"noise": None, "double": True}
    assert any("'noise', which the source computes differently each time" in note for note in report.notes)


def test_a_source_that_onnxruntime_cannot_run_is_compared_from_the_hub_on() -> None:
    def warp(layer: Any) -> Any:
        return layer.builder.op(
            "Mul", layer.inputs[0], layer.builder.constant(np.float32(layer.config.get("strength", 1)))
        )

    report = report_of(mlt.convert(custom_onnx(), custom_conversion_functions={"Warp": warp, "Bend": warp}))
    assert {check.stages for check in report.checks} == {"hub = file"}
    assert report.verified
    assert any("the source itself was not run" in note for note in report.notes)
    assert report.hooks_used == {"Warp": ("warp_1",), "Bend": ("bend_1",)}
