"""All kinds of models: each is run or refused by name, described, saved, and safe when damaged."""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classical_specs import EXAMPLES, described, glm_classifier
from field_mutations import mutate

import mltoolkit as mlt
from mltoolkit.errors import ArgumentError, MLToolkitError, UnsupportedModelError
from mltoolkit.formats.networks import NETWORK_KINDS
from mltoolkit.formats.protobuf import new_model
from mltoolkit.runtime.classical.refused import refusal
from mltoolkit.runtime.classical.registry import classical_predictors

KINDS = [field.name for field in new_model().DESCRIPTOR.oneofs_by_name["Type"].fields]
OTHERS = {*NETWORK_KINDS, "mlProgram", "pipeline", "pipelineClassifier", "pipelineRegressor"}


def equal(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - OTHERS))
def test_every_kind_runs_or_is_refused_by_name(kind: str) -> None:
    if kind in classical_predictors():
        assert any(example()[0].WhichOneof("Type") == kind for example in EXAMPLES), "no example is tested"
        return
    spec = described({"x": "string"}, {"y": "string"})
    getattr(spec, kind).SetInParent()
    with pytest.raises(UnsupportedModelError, match=kind) as caught:
        mlt.Model.from_spec(spec).predict({"x": "a"})
    assert ":" in str(caught.value), "the reason is missing"


def test_kinds_that_are_not_known_are_refused() -> None:
    assert "kind future cannot be run here" in str(refusal("future"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_models_survive_files_pickles_and_batches(example: Any, tmp_path: Path) -> None:
    spec, inputs = example()
    model = mlt.Model.from_spec(spec)
    answer = model.predict(inputs)
    assert set(answer) == {feature.name for feature in model.outputs}
    model.save(tmp_path / "model.mlmodel")
    for again in (mlt.load(tmp_path / "model.mlmodel"), pickle.loads(pickle.dumps(model))):
        assert equal(again.predict(inputs), answer)
    assert all(equal(one, answer) for one in model.predict([inputs] * 3))
    raw = model.predict_raw(inputs)
    assert all(isinstance(value, np.ndarray) and value.dtype.kind in "fi" for value in raw.values())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_summaries_name_the_kind_and_no_layers(example: Any) -> None:
    spec, _ = example()
    summary = mlt.Model.from_spec(spec).summary()
    assert summary.kind == spec.WhichOneof("Type")
    assert summary.layers == ()
    assert summary.to_dict()["inputs"]


def test_there_is_nothing_to_tap_and_no_graph() -> None:
    spec, inputs = glm_classifier()
    model = mlt.Model.from_spec(spec)
    with pytest.raises(ArgumentError, match="tap"):
        model.predict_raw(inputs, taps=["x"])
    with pytest.raises(UnsupportedModelError, match="not one graph"):
        model.graph()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_damaged_models_raise_the_projects_errors_only(example: Any) -> None:
    generator = np.random.default_rng(len(example.__name__))
    outcomes = {"runs": 0, "refused": 0}
    for _ in range(60):
        spec, inputs = example()
        for _ in range(generator.integers(1, 4)):
            mutate(spec, generator)
        started = time.perf_counter()
        try:
            mlt.Model.from_spec(spec).predict(inputs)
            outcomes["runs"] += 1
        except MLToolkitError:
            outcomes["refused"] += 1
        # Milliseconds where nothing goes wrong; this machine may be busy.
        assert time.perf_counter() - started < 5, "a damaged model keeps the machine busy"
    assert min(outcomes.values()) >= 5, outcomes
