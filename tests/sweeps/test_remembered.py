"""A remembered model runs once on each input."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.errors import InputError
from mltoolkit.sweeps.remembered import RememberedModel

PICTURES = sorted((digit_images_path() / "5").glob("*.png"))[:4]


class Counted:
    """The digit classifier, and how often it ran."""

    def __init__(self) -> None:
        self.model = mlt.load(digit_model_path())
        self.runs = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def predict_raw(self, data: Any, *, threads: int | None = None) -> Any:
        self.runs += 1
        return self.model.predict_raw(data, threads=threads)


def test_each_input_runs_once() -> None:
    counted = Counted()
    remembered = RememberedModel(counted)  # type: ignore[arg-type]
    prepared = [remembered.prepare_image(counted.inputs[0], path) for path in PICTURES]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda place: remembered.predict_raw({"image": prepared[place % 4]}), range(32)))
    assert counted.runs == 4
    for place, answer in enumerate(answers):
        expected = counted.model.predict_raw({"image": PICTURES[place % 4]})
        assert {name: array.tolist() for name, array in answer.items()} == {
            name: array.tolist() for name, array in expected.items()
        }


def test_what_finds_no_room_runs_again() -> None:
    counted = Counted()
    size = sum(array.nbytes for array in counted.model.predict_raw({"image": PICTURES[0]}).values())
    remembered = RememberedModel(counted, memory=2 * size)  # type: ignore[arg-type]
    for _ in range(3):
        for path in PICTURES[:3]:
            remembered.predict_raw({"image": remembered.prepare_image(counted.inputs[0], path)})
    assert counted.runs == 2 + 3


def test_errors_are_not_remembered() -> None:
    remembered = RememberedModel(mlt.load(digit_model_path()))
    for _ in range(2):
        with pytest.raises(InputError):
            remembered.predict_raw({"image": np.zeros((2, 2, 5), np.uint8)})
        with pytest.raises(InputError):
            remembered.predict_raw({"image": object()})
