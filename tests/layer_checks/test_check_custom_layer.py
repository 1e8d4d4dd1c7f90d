"""``check_custom_layer`` passes what is right and names what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from layer_models import shipped_layers

import mltoolkit as mlt
from mltoolkit.custom_layers import CustomLayer, CustomLayerSet
from mltoolkit.custom_layers.grid_sampler import layer as grid_sampler_layer
from mltoolkit.custom_layers.keras_module import load_keras
from mltoolkit.custom_layers.mish import Mish
from mltoolkit.errors import ArgumentError, CustomLayerError
from mltoolkit.layer_checks import check_custom_layer

Shape = tuple[int, ...]
X = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)


class Good(CustomLayer):
    """x + 1."""

    class_name = "Good"

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        return [input_shapes[0]]

    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        return [inputs[0] + 1]


class Raises(Good):
    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        raise ValueError("nothing works")


class ShapesRaise(Good):
    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        raise KeyError("width")


class TwoOutputs(Good):
    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        return [inputs[0] + 1, inputs[0]]


class WrongShape(Good):
    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        return [inputs[0][:1] + 1]


class Doubles(Good):
    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        return [inputs[0].astype(np.float64)]


class NotANumber(Good):
    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        with np.errstate(invalid="ignore"):
            return [np.sqrt(inputs[0])]


class ChangesInput(Good):
    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        inputs[0] += 1
        return [inputs[0].copy()]


class GivesInput(Good):
    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        return [inputs[0]]


class Counts(Good):
    calls = 0

    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        self.calls += 1
        return [inputs[0] + self.calls]


class MixesBatch(Good):
    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[Any]:
        return [inputs[0] - inputs[0].mean(axis=0, keepdims=True)]


def test_good_layers_pass() -> None:
    result = mlt.check_custom_layer(Good({}, []), [X])
    assert result.batches == 1
    assert result.faces == ()
    assert "Good: 1 examples" in str(result)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Raises, "ValueError: nothing works"),
        (ShapesRaise, "output_shapes failed .* KeyError"),
        (TwoOutputs, "list of 1 arrays, not 2 arrays"),
        (WrongShape, r"shape \(1, 3, 4, 5\) where output_shapes announced \(2, 3, 4, 5\)"),
        (Doubles, "float32 array, not float64"),
        (NotANumber, "NaN of 120 numbers"),
        (ChangesInput, "changes its input 0"),
        (GivesInput, "memory of an input"),
        (Counts, "differs when evaluate is called again"),
        (MixesBatch, "picture 0 of the batch gives another output"),
    ],
)
def test_what_is_wrong_is_said(layer: type[CustomLayer], words: str) -> None:
    with pytest.raises(CustomLayerError, match=words) as caught:
        check_custom_layer(layer({}, []), [X])
    assert "custom layer 'Good'" in str(caught.value)


def test_layers_without_examples_need_inputs() -> None:
    with pytest.raises(ArgumentError, match="example_input_shapes"):
        check_custom_layer(Good({}, []))
    with pytest.raises(ArgumentError, match="subclass of CustomLayer"):
        check_custom_layer("Mish", [X])  # type: ignore[arg-type]


@pytest.mark.parametrize("line", shipped_layers(), ids=lambda line: f"{line[0]} {line[1]}")
def test_all_faces_of_the_shipped_layers_agree(line: Any) -> None:
    name, parameters, weights, _ = line
    load_keras("The Keras faces")
    result = check_custom_layer(CustomLayerSet().find(name, "")(parameters, list(weights)))
    found = {item.face for item in result.faces}
    # One output element, or the sampling of early Keras transformers, has no ONNX form.
    has_operators = not (parameters.get("output_height") == 1 or "convention" in parameters)
    assert ("ONNX" in found) == has_operators, str(result)
    if name in ("Swish", "Mish", "GroupNorm", "GridSampler", "PixelShuffle", "reshape"):
        assert "Keras" in found, str(result)


def test_a_face_that_differs_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(theta: np.ndarray, *args: Any, **kwargs: Any) -> Any:
        x, y = original(theta, *args, **kwargs)
        return y, x

    original = grid_sampler_layer.affine_coordinates
    monkeypatch.setattr(grid_sampler_layer, "affine_coordinates", swapped)
    layer = CustomLayerSet().find("GridSampler", "")({"output_height": 4, "output_width": 4}, [])
    with pytest.raises(CustomLayerError, match="ONNX form computes something else"):
        check_custom_layer(layer)


def test_subclasses_of_shipped_layers_are_other_layers() -> None:
    class Mine(Mish):
        def function(self, x: np.ndarray) -> np.ndarray:
            return x * 2

    assert check_custom_layer(Mine({}, [])).faces == ()
