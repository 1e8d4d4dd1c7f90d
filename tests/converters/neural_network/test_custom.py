"""Custom layers in networks: parameters, weights, shapes, errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from test_network import array, double, layer, new_network

import mltoolkit as mlt
from mltoolkit.custom_layers import CustomLayer
from mltoolkit.errors import CustomLayerError, MissingCustomLayerError

Shape = tuple[int, ...]


class Scaled(CustomLayer):
    """x · weights[0] + offset, by channel; remembers the shapes it was asked for."""

    class_name = "Scaled"
    seen: list[Shape] = []  # noqa: RUF012 - the test reads it

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        self.seen[:] = input_shapes
        return [input_shapes[0]]

    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        weight = self.weights[0].reshape(1, 1, -1, 1, 1)
        return [inputs[0] * weight + np.float32(self.parameters["offset"])]


def scaled_network(shape: Shape = (3, 2, 2)) -> Any:
    spec = new_network()
    array(spec.description.input, "x", *shape)
    array(spec.description.output, "y", *shape)
    double(spec.neuralNetwork, "x", "a")
    custom = layer(spec.neuralNetwork, "custom", ["a"], ["b"])
    custom.className = "Scaled"
    custom.parameters["offset"].doubleValue = 0.5
    custom.weights.add().floatValue.extend([1, 10, 100])
    double(spec.neuralNetwork, "b", "y")
    return spec


def test_parameters_weights_and_rank_5_shapes() -> None:
    model = mlt.Model.from_spec(scaled_network(), custom_layers=[Scaled])
    x = np.random.default_rng(0).standard_normal((3, 2, 2)).astype(np.float32)
    expected = 2 * (2 * x * np.array([1, 10, 100], np.float32).reshape(3, 1, 1) + np.float32(0.5))
    np.testing.assert_allclose(model.predict({"x": x})["y"], expected, rtol=1e-6)  # float32 rounding
    assert Scaled.seen == [(1, 1, 3, 2, 2)]


def test_sequence_and_batch_reach_the_layer() -> None:
    model = mlt.Model.from_spec(scaled_network((4, 2, 3, 2, 2)), custom_layers=[Scaled])
    x = np.random.default_rng(0).standard_normal((4, 2, 3, 2, 2)).astype(np.float32)
    expected = 2 * (2 * x * np.array([1, 10, 100], np.float32).reshape(3, 1, 1) + np.float32(0.5))
    np.testing.assert_allclose(model.predict({"x": x})["y"], expected, rtol=1e-6)  # float32 rounding
    assert Scaled.seen == [(4, 2, 3, 2, 2)]


def test_every_kind_of_parameter() -> None:
    seen: dict[str, Any] = {}

    class Listening(Scaled):
        class_name = "Scaled"

        def evaluate(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
            seen.update(self.parameters)
            return [inputs[0].copy()]

    spec = scaled_network()
    parameters = spec.neuralNetwork.layers[1].custom.parameters
    parameters["text"].stringValue = "s"
    parameters["whole"].intValue = 3
    parameters["long"].longValue = 1 << 40
    parameters["flag"].boolValue = True
    mlt.Model.from_spec(spec, custom_layers={"Scaled": Listening}).predict({"x": np.zeros((3, 2, 2))})
    assert seen == {"offset": 0.5, "text": "s", "whole": 3, "long": 1 << 40, "flag": True}


def test_missing_class_names_layer_and_way_out() -> None:
    with pytest.raises(MissingCustomLayerError) as caught:
        mlt.Model.from_spec(scaled_network()).predict({"x": np.zeros((3, 2, 2))})
    for expected in ("'Scaled'", "custom 1", "register_custom_layer", "custom_layers="):
        assert expected in str(caught.value)


def test_registration_by_decorator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mltoolkit.custom_layers.registry._registered", {})
    mlt.register_custom_layer(Scaled)
    assert mlt.Model.from_spec(scaled_network()).predict({"x": np.zeros((3, 2, 2))})["y"].shape == (3, 2, 2)


class WrongCount(Scaled):
    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        return []


class WrongRank(Scaled):
    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        return [(3, 2, 2)]


class Raising(Scaled):
    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        raise KeyError("size")


class NotMade(Scaled):
    def __init__(self, parameters: Any, weights: Any) -> None:
        raise ValueError("bad parameters")


class Nan(Scaled):
    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [np.full_like(inputs[0], np.nan)]


@pytest.mark.parametrize(
    ("faulty", "says"),
    [
        (Nan, "12 NaN of 12 numbers"),
        (WrongCount, "gives 0 shapes for 1 outputs"),
        (WrongRank, "impossible shape (3, 2, 2)"),
        (Raising, "KeyError"),
        (NotMade, "cannot be made: ValueError: bad parameters"),
    ],
)
def test_faulty_layers_are_named(faulty: type[CustomLayer], says: str) -> None:
    model = mlt.Model.from_spec(scaled_network(), custom_layers=[faulty])
    with pytest.raises(CustomLayerError) as caught:
        model.predict({"x": np.zeros((3, 2, 2))})
    assert says in str(caught.value) and "custom 1" in str(caught.value), str(caught.value)
