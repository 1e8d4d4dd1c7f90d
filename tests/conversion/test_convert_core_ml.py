"""Core ML models: to the other format, to ONNX, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conversion_models import custom_onnx, onnx_classifier

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import ArgumentError, ModelFileError, VerificationError
from mltoolkit.formats.features import ArrayFeature, ImageFeature

PICTURES = sorted(digit_images_path().glob("*/*.png"))[::20]


def report_of(model: mlt.Model) -> mlt.ConversionReport:
    assert model.conversion_report is not None
    return model.conversion_report


def same_interface(a: mlt.Model, b: mlt.Model) -> bool:
    return (a.interface.inputs, a.class_labels, a.predicted_feature_name, a.predicted_probabilities_name) == (
        b.interface.inputs,
        b.class_labels,
        b.predicted_feature_name,
        b.predicted_probabilities_name,
    )


@pytest.mark.parametrize("form", ["path", "model", "spec"])
def test_the_upgrade_keeps_interface_metadata_and_answers(tmp_path: Path, form: str) -> None:
    old = mlt.load(digit_model_path())
    source: Any = {"path": digit_model_path(), "model": old, "spec": old.spec}[form]
    new = mlt.convert(source, format="mlpackage")
    assert report_of(new).verified is True
    assert same_interface(old, new)
    assert new.summary().metadata.author == old.summary().metadata.author
    assert new.short_description == old.short_description
    new.save(tmp_path / "digits.mlpackage")
    again = mlt.load(tmp_path / "digits.mlpackage")
    for picture in PICTURES:
        wanted, given = old.predict({"image": picture}), again.predict({"image": picture})
        assert given["classLabel"] == wanted["classLabel"]
    back = mlt.convert(tmp_path / "digits.mlpackage", format="mlmodel")
    assert report_of(back).verified is True
    assert same_interface(old, back)
    assert back.spec.specificationVersion <= 5


def test_compressed_weights_stay_small() -> None:
    small = mlt.quantize_weights(mlt.load(digit_model_path()), 4, "kmeans")
    package = mlt.convert(small, format="mlpackage")
    assert report_of(package).verified is True
    assert package.summary().total.bytes < 1.25 * small.summary().total.bytes, (
        package.summary().weights,
        small.summary().weights,
    )


def test_what_the_caller_says_goes_before_what_the_source_says() -> None:
    new = mlt.convert(
        digit_model_path(),
        format="mlpackage",
        author="somebody else",
        class_labels=[f"digit {number}" for number in range(10)],
        predicted_feature_name="digit",
        names={"image": "photo"},
    )
    assert report_of(new).verified is True
    assert new.summary().metadata.author == "somebody else"
    assert new.class_labels is not None and new.class_labels[3] == "digit 3"
    assert new.predicted_feature_name == "digit"
    assert new.inputs[0].name == "photo"


def test_flexible_inputs_stay_flexible() -> None:
    source = mlt.convert(
        onnx_classifier(("batch", 3, "height", "width")),
        inputs={"picture": (1, 3, mlt.SizeRange(6, 20, 8), mlt.SizeRange(6, 20, 8))},
    )
    package = mlt.convert(source, format="mlpackage")
    (feature,) = package.inputs
    assert isinstance(feature, ArrayFeature)
    assert feature.allows((1, 3, 20, 6)) and not feature.allows((1, 3, 21, 6))
    assert {check.inputs for check in report_of(package).checks} == {"seeded", "seeded, other sizes"}
    fixed = mlt.convert(source, format="mlpackage", input_shapes={"picture": (1, 3, 9, 9)})
    assert isinstance(fixed.inputs[0], ArrayFeature)
    assert (fixed.inputs[0].shape, fixed.inputs[0].flexible) == ((1, 3, 9, 9), False)


class Warp(mlt.CustomLayer):
    """y = x / 2"""

    class_name = "Warp"

    def output_shapes(self, input_shapes: Any) -> Any:
        return list(input_shapes)

    def evaluate(self, inputs: Any) -> Any:
        return [np.float32(0.5) * inputs[0]]


def model_with_custom_layers() -> mlt.Model:
    def describe(layer: Any) -> mlt.CustomLayerDescription:
        return mlt.CustomLayerDescription("Warp", output_shapes=layer.likely_output_shapes)

    hooks = {"Warp": describe, "Bend": describe}
    return mlt.convert(custom_onnx(), custom_conversion_functions=hooks, custom_layers=[Warp])


def test_a_hook_makes_a_custom_layer_native_in_the_upgrade() -> None:
    def halve(layer: Any) -> Any:
        assert layer.class_name == "Warp"
        return layer.builder.op("Mul", layer.inputs[0], layer.builder.constant(0.5))

    old = model_with_custom_layers()
    assert report_of(old).verified is True
    new = mlt.convert(old, format="mlpackage", custom_conversion_functions={"Warp": halve})
    report = report_of(new)
    assert report.verified is True, report
    assert report.custom_layers == {} and len(report.hooks_used["Warp"]) == 2
    kept = mlt.convert(old, format="mlmodel")
    assert report_of(kept).custom_layers == {"Warp": 2}
    assert report_of(kept).verified is True


@pytest.mark.parametrize("quantize_dequantize", [False, True])
def test_export_to_onnx_and_back(tmp_path: Path, quantize_dequantize: bool) -> None:
    import onnxruntime as ort

    old = mlt.quantize_weights(mlt.load(digit_model_path()), 8, "linear")
    path = tmp_path / "digits.onnx"
    report = mlt.export_onnx(old, path, quantize_dequantize=quantize_dequantize)
    assert report.verified is True and report.format == "onnx"
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert ("DequantizeLinear" in operators) is quantize_dequantize
    session = ort.InferenceSession(str(path))
    pixels = old.prepare_image("image", PICTURES[0]).array
    (found,) = session.run(None, {"image": pixels})
    expected = next(iter(old.predict_raw({"image": PICTURES[0]}).values()))
    np.testing.assert_allclose(found.reshape(-1), expected, atol=1e-5)  # float32 sums of another order
    back = mlt.convert(path, format="mlmodel")
    assert report_of(back).verified is True
    # Descriptions of single inputs have no place in the file.
    (image, wanted) = (back.inputs[0], old.inputs[0])
    assert isinstance(image, ImageFeature) and isinstance(wanted, ImageFeature)
    assert (image.name, image.width, image.color_space) == (wanted.name, wanted.width, wanted.color_space)
    assert back.class_labels == old.class_labels
    assert back.predicted_probabilities_name == old.predicted_probabilities_name


def test_export_of_a_flexible_model_has_symbolic_sizes(tmp_path: Path) -> None:
    source = mlt.convert(onnx_classifier(("n", 3, "h", "w")), inputs={"picture": (1, 3, mlt.SizeRange(6, 20, 8), 8)})
    report = mlt.export_onnx(source, tmp_path / "m.onnx")
    assert {check.inputs for check in report.checks} == {"seeded", "seeded, other sizes"}
    shape = onnx.load(tmp_path / "m.onnx").graph.input[0].type.tensor_type.shape
    assert [size.dim_value for size in shape.dim] == [1, 3, 0, 8]
    fixed = mlt.export_onnx(source, tmp_path / "f.onnx", input_shapes={"picture": (1, 3, 9, 8)})
    assert fixed.verified is True
    shape = onnx.load(tmp_path / "f.onnx").graph.input[0].type.tensor_type.shape
    assert [size.dim_value for size in shape.dim] == [1, 3, 9, 8]


def test_export_of_custom_layers_says_that_it_is_not_verified(tmp_path: Path) -> None:
    report = mlt.export_onnx(model_with_custom_layers(), tmp_path / "m.onnx")
    assert report.verified is None
    assert report.custom_layers == {"Warp": 2}
    assert any("no operator for the custom layer 'Warp'" in note for note in report.notes)


def test_a_wrong_export_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mltoolkit.conversion import export

    write = export.export_graph

    def wrong(*arguments: Any, **options: Any) -> Path:
        path = write(*arguments, **options)
        model = onnx.load(path)
        for node in model.graph.node:
            node.op_type = {"Relu": "Abs"}.get(node.op_type, node.op_type)
        onnx.save(model, path)
        return path

    monkeypatch.setattr(export, "export_graph", wrong)
    with pytest.raises(VerificationError, match="the ONNX file computes something else") as raised:
        mlt.export_onnx(digit_model_path(), tmp_path / "m.onnx")
    assert raised.value.report.verified is False
    assert mlt.export_onnx(digit_model_path(), tmp_path / "m.onnx", verify=False).checks == ()


def test_bad_sources_and_targets(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="there is no file"):
        mlt.convert(tmp_path / "none.mlmodel")
    (tmp_path / "damaged.mlmodel").write_bytes(digit_model_path().read_bytes()[:500])
    with pytest.raises(ModelFileError, match=r"damaged.mlmodel"):
        mlt.convert(tmp_path / "damaged.mlmodel", format="mlpackage")
    with pytest.raises(ArgumentError, match="is no name of an ONNX file"):
        mlt.export_onnx(digit_model_path(), tmp_path / "digits.mlmodel")
    with pytest.raises(ModelFileError, match="no such folder"):
        mlt.export_onnx(digit_model_path(), tmp_path / "nowhere" / "digits.onnx")
    with pytest.raises(ArgumentError, match="no input 'imag'"):
        mlt.export_onnx(digit_model_path(), tmp_path / "digits.onnx", input_shapes={"imag": (28, 28)})
