"""Pipelines of classical models against scikit-learn's, and what the rest of the toolkit makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classical_specs import classifier, described, linear
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

import mltoolkit as mlt
from mltoolkit.cli import app
from mltoolkit.errors import InvalidModelError, UnsupportedModelError

LABELS = ["ant", "bee", "cat"]


def data() -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    points = generator.normal(5.0, 3.0, size=(50, 4))
    return points, np.array(LABELS)[np.argmax((points - 5.0) @ generator.normal(size=(4, 3)), axis=1)]


def pipeline(fitted: Any) -> Any:
    """featureVectorizer → scaler → glmClassifier, from the numbers a and b and the array c."""
    inputs = {"a": "double", "b": "double", "c": (2,)}
    vectorizer = described(inputs, {"all": (4,)})
    for name, size in (("a", 1), ("b", 1), ("c", 2)):
        vectorizer.featureVectorizer.inputList.add(inputColumn=name, inputDimensions=size)
    standard, logistic = fitted.steps[0][1], fitted.steps[1][1]
    scaler = described({"all": (4,)}, {"scaled": (4,)})
    scaler.scaler.shiftValue.extend(-standard.mean_)
    scaler.scaler.scaleValue.extend(1 / standard.scale_)
    last = linear(
        classifier({"scaled": (4,)}, "glmClassifier", LABELS),
        "glmClassifier",
        logistic.coef_[1:] - logistic.coef_[0],
        logistic.intercept_[1:] - logistic.intercept_[0],
    )
    spec = described(inputs, {"label": "string", "probabilities": "string dictionary"})
    spec.description.predictedFeatureName = "label"
    spec.description.predictedProbabilitiesName = "probabilities"
    for stage in (vectorizer, scaler, last):
        spec.pipelineClassifier.pipeline.models.add().CopyFrom(stage)
    spec.pipelineClassifier.pipeline.names.extend(["collect", "scale", "classify"])
    return spec


def fit(**options: Any) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(**options)).fit(*data())


def named(point: Any) -> dict[str, Any]:
    return {"a": point[0], "b": point[1], "c": point[2:]}


def test_a_pipeline_equals_scikit_learn() -> None:
    fitted, (points, _) = fit(), data()
    model = mlt.Model.from_spec(pipeline(fitted))
    assert model.class_labels == tuple(LABELS)
    for point, wanted, label in zip(points, fitted.predict_proba(points), fitted.predict(points), strict=True):
        answer = model.predict(named(point))
        assert answer["label"] == label
        # Two orders of float64 additions.
        np.testing.assert_allclose([answer["probabilities"][name] for name in LABELS], wanted, atol=1e-12)
        np.testing.assert_allclose(model.predict_raw(named(point))["probabilities"], wanted, atol=1e-12)


def test_two_pipelines_are_compared() -> None:
    points, _ = data()
    reference = mlt.Model.from_spec(pipeline(fit()))
    samples = [named(point) for point in points]
    same = mlt.compare_models(reference, mlt.Model.from_spec(pipeline(fit())), samples)
    assert same.top1_agreement == 1.0
    other = mlt.compare_models(reference, mlt.Model.from_spec(pipeline(fit(C=0.001))), samples)
    assert 0.3 < other.top1_agreement < 1.0


def test_errors_name_the_stage() -> None:
    spec = pipeline(fit())
    spec.pipelineClassifier.pipeline.models[1].scaler.scaleValue.append(1.0)
    with pytest.raises(InvalidModelError, match="pipeline stage 'scale'"):
        mlt.Model.from_spec(spec).predict(named([1.0, 2.0, 3.0, 4.0]))


def test_a_refused_stage_is_named() -> None:
    spec = pipeline(fit())
    stage = spec.pipelineClassifier.pipeline.models[0]
    stage.visionFeaturePrint.scene.version = 1
    with pytest.raises(UnsupportedModelError, match=r"visionFeaturePrint.*stage 'collect'"):
        mlt.Model.from_spec(spec).predict(named([1.0, 2.0, 3.0, 4.0]))


def test_inspect_shows_every_stage(tmp_path: Path) -> None:
    mlt.Model.from_spec(pipeline(fit())).save(tmp_path / "ants.mlmodel")
    shown = CliRunner().invoke(app, ["inspect", str(tmp_path / "ants.mlmodel")])
    assert shown.exit_code == 0, shown.output
    for text in (
        "pipelineClassifier",
        "collect: featureVectorizer",
        "scale: scaler",
        "classify: glmClassifier",
    ):
        assert text in shown.output
    assert "Class labels: 3" in shown.output
    assert "not shown" not in shown.output
    plain = CliRunner().invoke(app, ["inspect", "--json", str(tmp_path / "ants.mlmodel")])
    assert plain.exit_code == 0, plain.output
