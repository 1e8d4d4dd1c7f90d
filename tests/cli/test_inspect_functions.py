"""``mltoolkit inspect`` and ``Model.summary()`` of ML Programs with several functions, and with states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mil_packages import two_functions
from mil_programs import counter
from test_cli import Run

import mltoolkit as mlt
from mltoolkit.errors import ArgumentError, InvalidModelError

WEIGHTS = {"float32": {"tensors": 1, "parameters": 40, "bytes": 160}}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    spec, _ = two_functions(tmp_path / "weights")
    mlt.Model.from_spec(spec, weights_dir=tmp_path / "weights").save(tmp_path / "two.mlpackage")
    return tmp_path / "two.mlpackage"


def test_the_summary_has_every_function(package: Path) -> None:
    summary = mlt.load(package).summary()
    assert (summary.function, list(summary.functions)) == ("plus", ["plus", "double_plus"])
    assert [layer.type for layer in summary.layers] == ["add"]
    other = summary.functions["double_plus"]
    assert [layer.type for layer in other.layers] == ["mul", "add"]
    assert [feature.name for feature in other.inputs] == ["z"]
    # The weight is no input: it belongs to the operation.
    assert other.layers[1].inputs == ("doubled",) and other.total.parameters == 40
    chosen = mlt.load(package, function_name="double_plus").summary()
    assert chosen.function == "double_plus" and chosen.layers == other.layers
    assert chosen.functions == summary.functions


def test_a_program_of_one_function_and_a_network_have_no_further_functions() -> None:
    one = mlt.load(counter()).summary()
    assert (one.function, one.functions) == ("main", {})
    assert [state.name for state in one.states] == ["total"]


def test_functions_are_models_and_survive_their_folder(package: Path, tmp_path: Path) -> None:
    spec, weight = two_functions(tmp_path / "gone")
    model = mlt.Model.from_spec(spec, weights_dir=tmp_path / "gone")
    (tmp_path / "gone" / "weight.bin").unlink()
    x = np.arange(40, dtype=np.float32)
    np.testing.assert_array_equal(model.functions["plus"].predict({"x": x})["y"], x + weight)
    np.testing.assert_array_equal(mlt.load(model, function_name="double_plus").predict({"z": x})["y"], 2 * x + weight)
    assert mlt.load(model, function_name="plus") is model
    with pytest.raises(ArgumentError, match="Did you mean 'double_plus'"):
        mlt.load(model, function_name="duoble_plus")


def test_a_described_function_that_is_missing(tmp_path: Path) -> None:
    spec, _ = two_functions(tmp_path)
    spec.description.functions.add(name="absent")
    with pytest.raises(InvalidModelError, match="no function 'absent', which is described"):
        mlt.Model.from_spec(spec)


def test_all_functions_are_printed_or_the_chosen_one(run: Run, package: Path) -> None:
    code, out, _ = run("inspect", package)
    assert code == 0
    first, second = out.split("Function double_plus\n")
    assert "Functions: plus, double_plus" in first and "Function plus\n" in first
    assert "mul" not in first and "mul" in second and "doubled" in second
    code, out, _ = run("inspect", package, "--function", "double_plus")
    assert code == 0 and "Function plus\n" not in out and "doubled" in out
    code, _, err = run("inspect", package, "--function", "duoble_plus")
    assert code == 1 and "Did you mean 'double_plus'" in err


@pytest.mark.parametrize("chosen", ["plus", "double_plus"])
def test_json_has_shapes_of_every_function(run: Run, package: Path, chosen: str) -> None:
    code, out, _ = run("inspect", package, "--json", "--function", chosen)
    plain: dict[str, Any] = json.loads(out)
    assert code == 0 and plain["function"] == chosen and plain["shapes_missing_because"] is None
    assert list(plain["functions"]) == ["plus", "double_plus"]
    assert [item["name"] for item in plain["functions"]["double_plus"]["inputs"]] == ["z"]
    for part in (plain, *plain["functions"].values()):
        assert all(layer["output_shapes"] == [[40]] for layer in part["layers"]), part["layers"]
        assert part["weights"] == WEIGHTS
    assert plain["layers"] == plain["functions"][chosen]["layers"]


def test_predict_runs_the_chosen_function(run: Run, package: Path) -> None:
    _, weight = two_functions(package.parent / "again")
    for function, factor in (("", 1), ("plus", 1), ("double_plus", 2)):
        code, out, err = run("predict", package, "3", "--json", "--function", function)
        assert code == 0, err
        found = np.array(json.loads(out)[0]["outputs"]["y"], dtype=np.float32)
        np.testing.assert_array_equal(found, factor * np.float32(3) + weight)
    assert run("predict", package, "3", "--function", "none")[0] == 1


def test_states_are_printed(run: Run, tmp_path: Path) -> None:
    mlt.load(counter()).save(tmp_path / "counter.mlpackage")
    code, out, _ = run("inspect", tmp_path / "counter.mlpackage")
    assert code == 0 and any(line.split()[:2] == ["state", "total"] for line in out.splitlines()), out
