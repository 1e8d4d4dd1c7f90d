"""Pipelines as one ONNX file: the runtime, which runs stage after stage, is the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from core_ml_pipelines import BGR, DOUBLE, RGB, add_array, classifier, mixing, pictures, pipeline

import mltoolkit as mlt
from mltoolkit.converters.onnx_export.export import export_graph
from mltoolkit.converters.onnx_export.source import graph_for_export
from mltoolkit.errors import MLToolkitError, UnsupportedModelError


def run(path: Path, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path))
    return dict(zip([item.name for item in session.get_outputs()], session.run(None, feeds), strict=True))


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
