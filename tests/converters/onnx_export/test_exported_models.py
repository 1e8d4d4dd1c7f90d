"""Every shared model as an ONNX file: onnxruntime of the file gives what the model predicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from numpy.typing import NDArray

import mltoolkit as mlt
from mltoolkit.comparison.metrics import snr_db
from mltoolkit.converters.onnx_export import export as export_module
from mltoolkit.converters.onnx_export.export import export_graph, to_onnx
from mltoolkit.converters.onnx_export.interface import INTERFACE_KEY, target_from_metadata
from mltoolkit.converters.onnx_export.source import graph_for_export
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import ArgumentError, ModelFileError
from mltoolkit.formats.features import ArrayFeature, ImageFeature
from mltoolkit.formats.weights import read_weight
from mltoolkit.graph.builder import CUSTOM_DOMAIN, GraphBuilder

# Open sizes: kraken_overfit works for a width of 4 only. The larger of equal networks are left out.
MODELS = {
    "DeepLabV3Int8LUT.mlmodel": 0,
    "FNS-Candy.mlmodel": 0,
    "MNIST_ph1ps.mlmodel": 0,
    "NeuralMcNeuralNet_custom_swish.mlmodel": 0,
    "SqueezeNetFP16.mlmodel": 0,
    "SqueezeNetInt8LUT.mlmodel": 0,
    "activity_lstm_mariozusag.mlmodel": 0,
    "basic_pitch_nmp.mlpackage": 0,
    "grid_sample_custom_layer.mlmodel": 0,
    "kraken_blla.mlmodel": 80,
    "kraken_overfit.mlmodel": 4,
    "pose_cpm.mlmodel": 0,
}


def load(shared_data: Path, name: str) -> mlt.Model:
    return mlt.load(shared_data / "coreml" / name)


def exported(model: mlt.Model, path: Path, **options: Any) -> Path:
    graph = graph_for_export(model.spec, weights=model._weights, custom_layers=CustomLayerSet())
    return export_graph(graph, path, **options)


def inputs(model: mlt.Model, open_size: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The same values as ``predict`` takes them and as the file does."""
    rng = np.random.default_rng(0)
    data: dict[str, Any] = {}
    feeds: dict[str, NDArray[Any]] = {}
    for feature in model.inputs:
        if isinstance(feature, ImageFeature):
            pixels = rng.integers(0, 256, (feature.height, feature.width, 3)).astype(np.uint8)
            data[feature.name] = model.prepare_image(feature, pixels)
            feeds[feature.name] = data[feature.name].array
        else:
            assert isinstance(feature, ArrayFeature)
            values = rng.uniform(-1, 1, [size or open_size for size in feature.shape]).astype(np.float32)
            feeds[feature.name] = data[feature.name] = values
    return data, feeds


def run(path: Path, feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    session = onnxruntime.InferenceSession(str(path))
    return dict(zip([item.name for item in session.get_outputs()], session.run(None, feeds), strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_the_file_computes_what_the_model_predicts(shared_data: Path, tmp_path: Path, name: str) -> None:
    model = load(shared_data, name)
    data, feeds = inputs(model, MODELS[name])
    expected = model.predict_raw(data)
    for codes in (False, True):
        path = exported(model, tmp_path / f"{codes}.onnx", quantize_dequantize=codes)
        found = run(path, feeds)
        assert set(found) == set(expected)
        for output, values in expected.items():
            # Custom layers run as operators there and as NumPy here; all else is the same engine.
            decibels = snr_db(values.astype(np.float64).reshape(-1), found[output].astype(np.float64).reshape(-1))
            assert decibels >= 100, f"{output}: {decibels:.1f} dB (codes: {codes})"


@pytest.mark.parametrize("name", ["SqueezeNetFP16", "SqueezeNetInt8LUT", "DeepLabV3Int8LUT"])
def test_codes_keep_the_size_of_the_source(shared_data: Path, tmp_path: Path, name: str) -> None:
    model = load(shared_data, f"{name}.mlmodel")
    size = (shared_data / "coreml" / f"{name}.mlmodel").stat().st_size
    plain = exported(model, tmp_path / "plain.onnx").stat().st_size
    small = exported(model, tmp_path / "codes.onnx", quantize_dequantize=True).stat().st_size
    assert small <= 1.05 * size < plain, f"{small} bytes for a source of {size}"


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("mode", ["linear", "kmeans"])
def test_codes_of_quantized_models_decode_to_the_same_values(tmp_path: Path, mode: str, bits: int) -> None:
    from mltoolkit.digits import digit_model_path

    model = mlt.quantize_weights(digit_model_path(), bits, mode)
    graph = to_onnx(graph_for_export(model.spec), quantize_dequantize=True).graph
    operators = {node.op_type for node in graph if "weight" in node.metadata_props}
    assert operators == ({"DequantizeLinear", "Add"} if mode == "linear" else {"Gather", "Cast"})
    x = np.random.default_rng(0).integers(0, 256, (1, 1, 28, 28)).astype(np.float32)
    path = exported(model, tmp_path / "codes.onnx", quantize_dequantize=True)
    same = exported(model, tmp_path / "plain.onnx")
    name = graph.inputs[0].name or ""
    (one,), (other,) = run(path, {name: x}).values(), run(same, {name: x}).values()
    # Equal weights in the same engine.
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_labels_colours_and_texts_come_along(shared_data: Path, tmp_path: Path) -> None:
    model = load(shared_data, "SqueezeNet_fp32.mlmodel")
    path = exported(model, tmp_path / "s.onnx", metadata={"author": "Forrest"})
    proto = onnx.load(path)
    properties = {item.key: item.value for item in proto.metadata_props}
    said = json.loads(properties[INTERFACE_KEY])
    assert said["images"] == {"image": "BGR"}
    assert said["classifier"]["labels"] == list(model.class_labels or ())
    target = target_from_metadata(properties, ["image"], ["classLabelProbs"])
    assert target is not None and target.classifier is not None
    assert target.classifier.predicted_feature_name == "classLabel"
    assert target.metadata.author == "Forrest"
    assert proto.opset_import[0].version == 21 and [item.domain for item in proto.opset_import] == [""]


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", '{"images": 3, "classifier": {"probabilities": "p"}}'])
def test_damaged_metadata_says_nothing(text: str) -> None:
    target = target_from_metadata({INTERFACE_KEY: text}, ["x"], ["p"])
    assert target is None or (not target.inputs and target.classifier is None)


def test_custom_layers_are_nodes_with_parameters_and_weights(shared_data: Path, tmp_path: Path) -> None:
    model = load(shared_data, "kraken_blla.mlmodel")
    graph = model.graph({"input": (1, 3, 1800, 64)})
    path = export_graph(graph, tmp_path / "k.onnx")
    nodes = [node for node in onnx.load(path).graph.node if node.domain == CUSTOM_DOMAIN]
    layers = [layer for layer in model.spec.neuralNetwork.layers if layer.WhichOneof("layer") == "custom"]
    assert {node.op_type for node in nodes} == {layer.custom.className for layer in layers} == {"groupnorm"}
    values = {item.name: onnx.numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer}
    for node, layer in zip(nodes, layers, strict=True):
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        assert attributes["num_groups"] == layer.custom.parameters["num_groups"].intValue
        for name, weight in zip(node.input[1:], layer.custom.weights, strict=True):
            stored = read_weight(weight, (len(weight.floatValue),), "")
            np.testing.assert_array_equal(values[name], stored)


def test_flexible_inputs_are_symbolic(shared_data: Path, tmp_path: Path) -> None:
    model = load(shared_data, "kraken_blla.mlmodel")
    path = exported(model, tmp_path / "k.onnx")
    sizes = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    assert [size.dim_param or size.dim_value for size in sizes] == [1, 3, 1800, "n1"]
    for width in (33, 64, 130):
        x = np.random.default_rng(width).uniform(-1, 1, (1, 3, 1800, width)).astype(np.float32)
        decibels = snr_db(model.predict_raw({"input": x})["output"], run(path, {"input": x})["output"])
        assert decibels >= 90, f"width {width}: {decibels:.1f} dB"


def small_graph() -> SourceModel:
    builder = GraphBuilder("small")
    x = builder.input("x", np.float32, (4, 300))
    weights = builder.constant(np.random.default_rng(0).normal(size=(300, 200)).astype(np.float32), "weights")
    y = builder.op("MatMul", x, weights)
    y.name = "y"
    return SourceModel(builder.finish([y]), "test")


def test_large_models_have_their_weights_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, x = small_graph(), np.ones((4, 300), np.float32)
    expected = run(export_graph(source, tmp_path / "one.onnx"), {"x": x})["y"]
    monkeypatch.setattr(export_module, "MAX_BYTES_IN_FILE", 1000)
    path = export_graph(source, tmp_path / "two.onnx")
    assert (tmp_path / "two.onnx.data").stat().st_size == 300 * 200 * 4 and path.stat().st_size < 1000
    np.testing.assert_array_equal(run(path, {"x": x})["y"], expected)


def test_paths(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"model\.onnx"):
        export_graph(small_graph(), tmp_path / "model.pb")
    with pytest.raises(ModelFileError, match="no such folder"):
        export_graph(small_graph(), tmp_path / "missing" / "m.onnx")


def test_what_is_given_stays_as_it_is() -> None:
    source = small_graph()
    before = ir.to_proto(source.model).SerializeToString(deterministic=True)
    to_onnx(source, quantize_dequantize=True)
    assert ir.to_proto(source.model).SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("bits", [4, 8])
def test_products_of_codes_are_computed_in_float32(tmp_path: Path, bits: int) -> None:
    from mltoolkit.graph.quantization_record import AffineRecord, attach_record

    rng = np.random.default_rng(bits)
    builder = GraphBuilder("product")
    x = builder.input("x", np.float32, (1, 5, 64))
    values = (rng.integers(0, 1 << bits, (64, 48)).astype(np.float32) - 5) * np.float32(0.03)
    weights = builder.constant(values, "weights")
    one = np.ones((1, 1), np.float32)
    attach_record(weights, AffineRecord(bits, False, np.float32(0.03) * one, 5 * one))
    y = builder.op("MatMul", x, weights)
    y.name = "y"
    path = export_graph(SourceModel(builder.finish([y]), "test"), tmp_path / "p.onnx", quantize_dequantize=True)
    assert path.stat().st_size < values.nbytes / 2
    data = rng.normal(size=(1, 5, 64)).astype(np.float32)
    # onnxruntime's own choice of kernels, as a user has it.
    decibels = snr_db((data @ values).astype(np.float64), run(path, {"x": data})["y"].astype(np.float64))
    assert decibels >= 100, f"{decibels:.1f} dB"
