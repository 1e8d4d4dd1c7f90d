"""The comparison with Core ML finds differences; on a Mac, there are none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_ml_cases import Case, digit_cases, network_cases, published_cases
from core_ml_comparison import ABSENT, Difference, compare, core_ml, table
from PIL import Image

import mltoolkit as mlt

off_a_mac = pytest.mark.skipif(sys.platform == "darwin", reason="Core ML is here")


@pytest.fixture(scope="module")
def digits() -> Case:
    return next(digit_cases())


def ourselves(path: Path) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Stands for Core ML: the saved file in this runtime, with what coremltools asks of inputs."""
    model = mlt.load(path)

    def predict(data: Mapping[str, Any]) -> Mapping[str, Any]:
        for feature in model.inputs:
            value = data[feature.name]
            if isinstance(value, Image.Image):
                assert value.size == (feature.width, feature.height)
                assert value.mode == ("L" if feature.color_space == "GRAY" else "RGB")
        return model.predict(data)

    return predict


def test_every_case_runs_here() -> None:
    found = [*digit_cases(), *network_cases()]
    differences = compare(found, ourselves)
    assert {row.case for row in differences} == {case.name for case in found}
    # Half-precision weights and recomputed packages are this very runtime: the files must say the same.
    assert all(row.agrees for row in differences), table("here", differences)


def test_published_models_are_cases(shared_data: Path) -> None:
    names = {case.name for case in published_cases()}
    assert {"SqueezeNet_fp32", "MNIST_ph1ps", "FNS-Candy"} <= names


def changed(
    by: Callable[[Any], Any], output: str
) -> Callable[[Path], Callable[[Mapping[str, Any]], Mapping[str, Any]]]:
    def oracle(path: Path) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        predict = ourselves(path)
        return lambda data: {**predict(data), output: by(predict(data)[output])}

    return oracle


def test_another_label_is_found(digits: Case) -> None:
    rows = compare([digits], changed(lambda label: "0", "classLabel"))
    (label,) = (row for row in rows if row.output == "classLabel")
    assert (label.agrees, label.largest, label.decibels) == (False, 9, None)
    assert "**no**" in table("here", rows)


def test_other_numbers_are_found(digits: Case) -> None:
    def louder(probabilities: dict[str, float]) -> dict[str, float]:
        return {key: value * 1.01 for key, value in probabilities.items()}

    rows = compare([digits], changed(louder, "labelProbabilities"))
    (numbers,) = (row for row in rows if row.output == "labelProbabilities")
    # One per cent of itself: 20 log10(1.01 / 0.01) dB, to float32's rounding of one.
    assert numbers.decibels == pytest.approx(40.086, abs=0.01)
    assert not numbers.agrees
    assert replace(numbers, wanted=40.0).agrees


def test_nan_does_not_agree() -> None:
    from core_ml_comparison import decibels

    ratio = decibels(np.ones(3), np.array([1, np.nan, 1]))
    assert not Difference("a", "y", 1, ratio, 0, 20).agrees


@off_a_mac
def test_the_script_says_that_core_ml_is_absent(tmp_path: Path) -> None:
    script = Path(__file__).with_name("core_ml_comparison.py")
    home = str(Path(mlt.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([home, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, str(script), "--report", str(tmp_path / "report.md")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ABSENT in done.stdout
    assert ABSENT in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "darwin", reason=ABSENT)
def test_core_ml_computes_the_same() -> None:
    differences = compare([*digit_cases(), *network_cases()], core_ml("CPU_ONLY"))
    assert all(row.agrees for row in differences), table("CPU_ONLY", differences)
