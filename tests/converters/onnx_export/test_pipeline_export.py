"""Pipelines as one ONNX file: the runtime, which runs stage after stage, is the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import mltoolkit as mlt
from mltoolkit.converters.onnx_export.export import export_graph
from mltoolkit.converters.onnx_export.source import graph_for_export
from mltoolkit.errors import MLToolkitError, UnsupportedModelError
from mltoolkit.formats.protobuf import new_model

ARRAY, DOUBLE, RGB, BGR = 65568, 65600, 20, 30


def add_array(features: Any, name: str, shape: tuple[int, ...], dtype: int = ARRAY) -> None:
    feature = features.add(name=name)
    feature.type.multiArrayType.shape.extend(shape)
    feature.type.multiArrayType.dataType = dtype


def add_picture(features: Any, name: str, color: int, size: int = 6) -> None:
    image = features.add(name=name).type.imageType
    image.width = image.height = size
    image.colorSpace = color


def mixing(name: str, given: str, made: str, seed: int) -> Any:
    """A network with one 1×1 convolution that mixes three channels."""
    spec = new_model()
    spec.specificationVersion = 1
    layer = spec.neuralNetwork.layers.add(name=name, input=[given], output=[made])
    layer.convolution.outputChannels = layer.convolution.kernelChannels = 3
    layer.convolution.nGroups = 1
    layer.convolution.kernelSize.extend([1, 1])
    layer.convolution.stride.extend([1, 1])
    layer.convolution.dilationFactor.extend([1, 1])
    layer.convolution.valid.SetInParent()
    layer.convolution.hasBias = True
    rng = np.random.default_rng(seed)
    layer.convolution.weights.floatValue.extend(rng.uniform(-0.6, 0.9, 9).tolist())
    layer.convolution.bias.floatValue.extend(rng.uniform(-30, 30, 3).tolist())
    return spec


def classifier(given: str, shape: tuple[int, ...]) -> Any:
    """A linear classifier over an array, as a neural network."""
    spec = new_model()
    spec.specificationVersion = 1
    network = spec.neuralNetworkClassifier
    size = int(np.prod(shape))
    flat = network.layers.add(name="flat", input=[given], output=["flat"])
    flat.flatten.SetInParent()
    layer = network.layers.add(name="scores", input=["flat"], output=["scores"])
    layer.innerProduct.inputChannels, layer.innerProduct.outputChannels = size, 3
    layer.innerProduct.weights.floatValue.extend(np.random.default_rng(9).normal(0, 0.01, 3 * size).tolist())
    soft = network.layers.add(name="soft", input=["scores"], output=["probs"])
    soft.softmax.SetInParent()
    network.stringClassLabels.vector.extend(["a", "b", "c"])
    add_array(spec.description.input, given, shape)
    spec.description.output.add(name="probs").type.dictionaryType.stringKeyType.SetInParent()
    spec.description.output.add(name="label").type.stringType.SetInParent()
    spec.description.predictedFeatureName, spec.description.predictedProbabilitiesName = "label", "probs"
    return spec


def pipeline(*stages: Any, kind: str = "pipeline") -> Any:
    spec = new_model()
    spec.specificationVersion = 1
    target = spec.pipeline if kind == "pipeline" else spec.pipelineClassifier.pipeline
    for index, stage in enumerate(stages):
        target.models.add().CopyFrom(stage)
        target.names.append(f"stage {index}")
    spec.description.input.extend(stages[0].description.input)
    spec.description.output.extend(stages[-1].description.output)
    if kind == "pipelineClassifier":
        spec.description.predictedFeatureName = stages[-1].description.predictedFeatureName
        spec.description.predictedProbabilitiesName = stages[-1].description.predictedProbabilitiesName
    return spec


def run(path: Path, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path))
    return dict(zip([item.name for item in session.get_outputs()], session.run(None, feeds), strict=True))


def pictures(second_color: int, size: int = 6) -> Any:
    first = mixing("first", "image", "middle", 1)
    add_picture(first.description.input, "image", RGB)
    add_picture(first.description.output, "middle", RGB)
    second = mixing("second", "middle", "out", 2)
    add_picture(second.description.input, "middle", second_color, size)
    add_array(second.description.output, "out", (3, size, size))
    return pipeline(first, second)


@pytest.mark.parametrize("color", [RGB, BGR])
def test_pictures_between_stages_are_rounded_clipped_and_reordered(tmp_path: Path, color: int) -> None:
    model = mlt.load(pictures(color))
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    expected = model.predict_raw({"image": pixels})["out"]
    path = export_graph(graph_for_export(model.spec), tmp_path / "p.onnx")
    found = run(path, {"image": pixels.transpose(2, 0, 1)[None].astype(np.float32)})["out"]
    assert found.shape == expected.shape
    # The same operations in the same engine.
    assert np.abs(found - expected).max() <= 1e-4, np.abs(found - expected).max()


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"6×6 .* 5×5 .*stage 1"):
        graph_for_export(pictures(RGB, 5))


def test_arrays_labels_and_names(tmp_path: Path) -> None:
    first = mixing("conv", "x", "features", 3)
    add_array(first.description.input, "x", (3, 4, 4), DOUBLE)
    add_array(first.description.output, "features", (3, 4, 4), DOUBLE)
    # Both stages have a layer and a blob of the same names.
    last = classifier("features", (3, 4, 4))
    last.neuralNetworkClassifier.layers[0].name = "conv"
    model = mlt.load(pipeline(first, last, kind="pipelineClassifier"))
    x = np.random.default_rng(4).uniform(-20, 20, (3, 4, 4)).astype(np.float32)
    expected = model.predict_raw({"x": x})
    graph = graph_for_export(model.spec)
    assert graph.probabilities == "probs"
    found = run(export_graph(graph, tmp_path / "p.onnx"), {"x": x})
    assert list(found) == ["probs"] == list(expected)
    np.testing.assert_allclose(found["probs"], expected["probs"], atol=1e-6)
    assert graph.interface.class_labels == ("a", "b", "c")


def test_an_input_that_nothing_makes_is_named() -> None:
    spec = pipeline(classifier("features", (3, 4, 4)), kind="pipelineClassifier")
    del spec.description.input[:]
    add_array(spec.description.input, "featurez", (3, 4, 4))
    with pytest.raises(MLToolkitError, match=r"features.*featurez"):
        graph_for_export(spec)


def test_a_stage_that_is_no_network_is_named(shared_data: Path) -> None:
    model = mlt.load(shared_data / "coreml" / "UpdatableDrawingClassifier.mlmodel")
    with pytest.raises(UnsupportedModelError, match=r"kNearestNeighborsClassifier.*pipeline stage"):
        graph_for_export(model.spec)
