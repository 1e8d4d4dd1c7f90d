"""Pipelines with ML Programs in them, as coremltools makes them: weight files by stage, networks beside programs."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_packages import adding_program
from mil_programs import counter

import mltoolkit as mlt
from mltoolkit.errors import InvalidModelError, UnsupportedModelError
from mltoolkit.formats.protobuf import new_model

X = np.linspace(-1, 1, 20, dtype=np.float32)


def linear_model(given: str, made: str, weight: np.ndarray, backend: str) -> Any:
    """A coremltools model of one matrix product in float32."""
    ct = pytest.importorskip("coremltools")
    from coremltools.converters.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import Function, Program

    program, inputs = Program(), {given: mb.placeholder(shape=(weight.shape[1],))}
    with Function(inputs) as function:
        function.set_outputs([mb.linear(x=function.inputs[given], weight=weight, name=made)])
        program.add_function("main", function)
    options = {"compute_precision": ct.precision.FLOAT32} if backend == "mlprogram" else {}
    return ct.convert(program, convert_to=backend, **options)


@pytest.mark.parametrize("backends", list(itertools.product(["mlprogram", "neuralnetwork"], repeat=2)))
def test_pipelines_of_coremltools(tmp_path: Path, backends: tuple[str, str]) -> None:
    ct = pytest.importorskip("coremltools")
    rng = np.random.default_rng(5)
    weights = [rng.normal(size=sizes).astype(np.float32) for sizes in ((40, 20), (50, 40))]
    models = [
        linear_model(given, made, weight, backend)
        for (given, made), weight, backend in zip((("x", "middle"), ("middle", "y")), weights, backends, strict=True)
    ]
    theirs = ct.utils.make_pipeline(*models)
    theirs.save(str(tmp_path / "theirs.mlpackage"))
    mlt.load(theirs).save(tmp_path / "ours.mlpackage")
    expected = weights[1].astype(np.float64) @ (weights[0].astype(np.float64) @ X)
    for source in (theirs, tmp_path / "theirs.mlpackage", tmp_path / "ours.mlpackage"):
        found = mlt.load(source).predict({"x": X})
        assert list(found) == ["y"]
        error = np.abs(found["y"] - expected).max() / np.abs(expected).max()
        # Float32 sums of 20 and 40 terms.
        assert error < 1e-5, f"{source}: {error:.2g}"


def one_stage(stage: Any) -> Any:
    spec = new_model()
    spec.specificationVersion = stage.specificationVersion
    spec.description.input.extend(stage.description.input)
    spec.description.output.extend(stage.description.output)
    spec.pipeline.models.add().CopyFrom(stage)
    spec.pipeline.names.append("only")
    return spec


def test_a_stage_without_its_weights_is_named(tmp_path: Path) -> None:
    spec, _ = adding_program(tmp_path, file="0-weight.bin")
    with pytest.raises(InvalidModelError, match=r"no folder of weights was given.*stage 'only'"):
        mlt.load(one_stage(spec)).predict({"x": np.zeros(40, np.float32)})
    (tmp_path / "0-weight.bin").rename(tmp_path / "1-weight.bin")
    with pytest.raises(InvalidModelError, match=r"'0-weight\.bin' is missing.*stage 'only'.*'1-weight\.bin'"):
        mlt.Model.from_spec(one_stage(spec), weights_dir=tmp_path).predict({"x": np.zeros(40, np.float32)})


def test_states_inside_a_pipeline_are_refused() -> None:
    model = mlt.load(one_stage(counter()))
    with pytest.raises(UnsupportedModelError, match=r"with states cannot be run inside a pipeline.*stage 'only'"):
        model.predict({"x": np.zeros(2, np.float32)})
    stage = model.stages["only"]
    assert stage.predict({"x": np.ones(2, np.float32)}, state=stage.make_state())["y"].tolist() == [1, 1]


def test_inspect_counts_the_weights_of_all_stages(tmp_path: Path) -> None:
    summary = mlt.Model.from_spec(one_stage(adding_program(tmp_path)[0]), weights_dir=tmp_path).summary()
    assert summary.total.parameters == 40 and list(summary.stages) == ["only"]
    assert [layer.type for layer in summary.stages["only"].layers] == ["add"]
