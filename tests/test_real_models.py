"""The published models of the shared data load, predict, and mean what they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import mltoolkit as mlt
from mltoolkit.errors import MissingCustomLayerError
from mltoolkit.formats.features import ArrayFeature, ImageFeature
from mltoolkit.formats.model_file import read_spec
from mltoolkit.formats.networks import network_of


def load(shared_data: Path, name: str) -> mlt.Model:
    return mlt.load(shared_data / "coreml" / f"{name}.mlmodel")


def random_inputs(model: mlt.Model, open_size: int = 64) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    data: dict[str, Any] = {}
    for feature in model.inputs:
        if isinstance(feature, ImageFeature):
            data[feature.name] = rng.integers(0, 256, (feature.height, feature.width, 3)).astype(np.uint8)
        elif isinstance(feature, ArrayFeature) and not feature.optional:
            data[feature.name] = rng.uniform(-1, 1, [size or open_size for size in feature.shape])
    return data


# name → an input size for dimensions that the file leaves open
MODELS = {
    "DeepLabV3Int8LUT": 0,
    "FNS-Candy": 0,
    "FNS-Mosaic": 0,
    "MNIST_ph1ps": 0,
    "NeuralMcNeuralNet_custom_swish": 0,
    "SqueezeNetFP16": 0,
    "SqueezeNetInt8LUT": 0,
    "SqueezeNet_fp32": 0,
    "SqueezeNet_fp32_meanfix": 0,
    "activity_lstm_mariozusag": 0,
    "grid_sample_custom_layer": 0,
    "kraken_blla": 48,
    # Its inner product takes C · H · W = 512 values, which is one column after two strides of 2.
    "kraken_overfit": 4,
    "pose_cpm": 0,
}


def test_every_model_is_covered(shared_data: Path) -> None:
    found = {path.stem for path in (shared_data / "coreml").glob("*.mlmodel")}
    assert found - {"UpdatableDrawingClassifier"} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_model_loads_and_predicts(shared_data: Path, name: str) -> None:
    model = load(shared_data, name)
    outputs = model.predict(random_inputs(model, MODELS[name]))
    assert set(outputs) == {feature.name for feature in model.outputs}
    for value in outputs.values():
        if isinstance(value, np.ndarray):
            assert np.isfinite(value).all()


@pytest.mark.parametrize("name", ["kraken_overfit", "NeuralMcNeuralNet_custom_swish"])
def test_missing_custom_layers_are_named(shared_data: Path, name: str) -> None:
    spec = read_spec(shared_data / "coreml" / f"{name}.mlmodel")
    for layer in network_of(spec).layers:
        if layer.WhichOneof("layer") == "custom":
            layer.custom.className = "Unheard"
    model = mlt.Model.from_spec(spec)
    with pytest.raises(MissingCustomLayerError, match=r"'Unheard'.*register_custom_layer"):
        model.predict(random_inputs(model, 4))


def test_mnist_accuracy_is_the_published_one(shared_data: Path) -> None:
    model = load(shared_data, "MNIST_ph1ps")
    archive = np.load(shared_data / "datasets" / "mnist.npz")
    images, labels = archive["x_test"], archive["y_test"]
    answers = [output["classLabel"] for output in model.predict([{"image": image} for image in images])]
    accuracy = float(np.mean(np.array(answers) == labels))
    assert len(labels) == 10_000
    assert round(accuracy, 4) == 0.9887, f"accuracy {accuracy:.4f}"


def test_squeezenet_equals_its_onnx_twin(shared_data: Path) -> None:
    # The twin holds the same float16 weights; its input is BGR minus the means (104, 117, 123).
    model = load(shared_data, "SqueezeNet_fp32_meanfix")
    twin = onnxruntime.InferenceSession(shared_data / "onnx" / "squeezenet_v1.1_from_apple_fp16.onnx")
    for path in sorted((shared_data / "images" / "imagenet").glob("*.JPEG"))[:20]:
        prepared = model.prepare_image("image", path)
        pixels = prepared.array - np.array([104, 117, 123], np.float32).reshape(1, 3, 1, 1)
        expected = twin.run(None, {"image": pixels})[0].reshape(-1)
        found = model.predict_raw({"image": prepared})["classLabelProbs"]
        # The same operations in the same engine; only the order of fused additions may differ.
        assert np.abs(found - expected).max() <= 1e-5, f"{path.name}: {np.abs(found - expected).max():.2e}"


def test_published_float16_and_8_bit_squeezenets_mostly_agree(shared_data: Path) -> None:
    report = mlt.compare_models(
        load(shared_data, "SqueezeNetFP16"),
        load(shared_data, "SqueezeNetInt8LUT"),
        shared_data / "images" / "imagenet",
        progress=False,
    )
    assert report.count == 500
    assert report.top1_agreement is not None
    # Measured: 482 of 500. Both files are Apple's own and the engine is deterministic up to float32 rounding, which
    # may tip a picture whose two best classes are close.
    assert abs(report.top1_agreement - 0.964) <= 0.006, f"agreement {report.top1_agreement:.4f}"


def test_lstm_states_carry_over(shared_data: Path) -> None:
    model = load(shared_data, "activity_lstm_mariozusag")
    inputs = random_inputs(model)
    first = model.predict(inputs)
    names = [feature.name for feature in model.inputs if feature.optional]
    state = {name: first[name.replace("_in", "_out")] for name in names}
    second = model.predict({**inputs, **state})
    zeros = model.predict({**inputs, **{name: np.zeros(100) for name in names}})
    np.testing.assert_array_equal(zeros["bidirectional_3_h_out"], first["bidirectional_3_h_out"])
    # After 250 steps next to nothing of the first state is left, but not nothing.
    assert not np.array_equal(second["bidirectional_3_h_out"], first["bidirectional_3_h_out"])
