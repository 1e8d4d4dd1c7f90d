"""Pipelines in the other format, stage by stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core_ml_pipelines import BGR, DOUBLE, RGB, add_array, classifier, mixing, pictures, pipeline

import mltoolkit as mlt
from mltoolkit.converters.core_ml_pipeline import convert_pipeline
from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.errors import UnsupportedModelError
from mltoolkit.formats.networks import pipeline_stages

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)


@pytest.mark.parametrize("color", [RGB, BGR])
def test_a_pipeline_of_networks_becomes_one_of_programs(tmp_path: Path, color: int) -> None:
    old = mlt.load(pictures(color))
    written = convert_pipeline(old.spec, CoreMLTarget())
    mlt.Model(written.spec, weights_dir=written.weights_dir).save(tmp_path / "new.mlpackage")
    new = mlt.load(tmp_path / "new.mlpackage")
    assert [stage.kind for stage in new.stages.values()] == ["mlProgram", "mlProgram"]
    assert new.inputs == old.inputs
    expected, found = old.predict_raw({"image": PIXELS})["out"], new.predict_raw({"image": PIXELS})["out"]
    # Between the stages pictures are rounded: a sum of another order may round the other way once.
    assert np.abs(found - expected).max() <= 1e-3


def test_each_stage_has_weights_of_its_own(tmp_path: Path) -> None:
    first = mixing("conv", "x", "features", 3)
    add_array(first.description.input, "x", (3, 4, 4), DOUBLE)
    add_array(first.description.output, "features", (3, 4, 4), DOUBLE)
    old = mlt.load(pipeline(first, classifier("features", (3, 4, 4)), kind="pipelineClassifier"))
    written = convert_pipeline(old.spec, CoreMLTarget())
    assert written.weights_dir is not None
    # The first stage's nine numbers stand in the program itself.
    assert [path.name for path in written.weights_dir.iterdir()] == ["1-weight.bin"]
    new = mlt.Model(written.spec, weights_dir=written.weights_dir)
    assert new.class_labels == ("a", "b", "c") and new.predicted_feature_name == "label"
    x = np.random.default_rng(4).uniform(-20, 20, (3, 4, 4)).astype(np.float32)
    expected, found = old.predict({"x": x}), new.predict({"x": x})
    assert expected["label"] == found["label"]
    assert found["probs"] == pytest.approx(expected["probs"], abs=1e-6)
    # Doubles become float32, in the stages and in the pipeline's own description.
    assert written.spec.description.input[0].type.multiArrayType.dataType == 65568


def test_back_to_networks() -> None:
    programs = convert_pipeline(pictures(BGR), CoreMLTarget())
    new = mlt.Model(programs.spec, weights_dir=programs.weights_dir)
    networks = convert_pipeline(new.spec, CoreMLTarget(format="mlmodel"), weights=new._weights)
    assert networks.weights_dir is None
    assert [stage.WhichOneof("Type") for stage in pipeline_stages(networks.spec).values()] == ["neuralNetwork"] * 2
    expected = new.predict_raw({"image": PIXELS})["out"]
    assert np.abs(mlt.Model(networks.spec).predict_raw({"image": PIXELS})["out"] - expected).max() <= 1e-3


def test_what_cannot_be_converted_is_named_with_its_stage() -> None:
    spec = pictures(RGB)
    layer = spec.pipeline.models[1].neuralNetwork.layers.add(name="odd", input=["out"], output=["odd"])
    layer.custom.className = "Nobody'sLayer"
    with pytest.raises(UnsupportedModelError, match=r"Nobody'sLayer.*pipeline stage 'stage 1'"):
        convert_pipeline(spec, CoreMLTarget())
    nested = pipeline(pictures(RGB))
    with pytest.raises(UnsupportedModelError, match="a pipeline inside a pipeline"):
        convert_pipeline(nested, CoreMLTarget())


def test_other_models_stay_as_they_are(shared_data: Path) -> None:
    old = mlt.load(shared_data / "coreml" / "UpdatableDrawingClassifier.mlmodel")
    written = convert_pipeline(old.spec, CoreMLTarget())
    new = mlt.Model(written.spec, weights_dir=written.weights_dir)
    assert [stage.kind for stage in new.stages.values()] == ["mlProgram", "kNearestNeighborsClassifier"]
    picture = np.random.default_rng(1).integers(0, 256, (28, 28)).astype(np.uint8)
    assert new.predict({"drawing": picture}) == old.predict({"drawing": picture})
    first, second = (next(iter(model.stages.values())).predict_raw({"drawing": picture}) for model in (old, new))
    for name, array in first.items():
        np.testing.assert_allclose(second[name], array, rtol=1e-5, atol=1e-5)


def test_the_front_door_takes_pipelines() -> None:
    new = mlt.convert(mlt.load(pictures(BGR)), format="mlpackage")
    assert new.conversion_report is not None and new.conversion_report.verified is True
    with pytest.raises(mlt.MLToolkitError, match="a pipeline keeps its inputs"):
        mlt.convert(mlt.load(pictures(BGR)), format="mlpackage", class_labels=["a"])
