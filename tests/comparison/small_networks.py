"""Small networks whose layers can be computed in NumPy in a line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from core_ml_pipelines import add_array

from mltoolkit.custom_layers import CustomLayer
from mltoolkit.formats.protobuf import new_model

Shape = tuple[int, ...]


def new_network(inputs: dict[str, Shape], output: tuple[str, Shape]) -> Any:
    """A neural network without layers."""
    spec = new_model()
    spec.specificationVersion = 1
    for name, shape in inputs.items():
        add_array(spec.description.input, name, shape)
    add_array(spec.description.output, *output)
    spec.neuralNetwork.SetInParent()
    return spec


def add_product(spec: Any, name: str, given: str, made: str, weights: np.ndarray) -> None:
    """made = weights · given; weights of shape (outputs, inputs)."""
    layer = spec.neuralNetwork.layers.add(name=name, input=[given], output=[made])
    layer.innerProduct.outputChannels, layer.innerProduct.inputChannels = weights.shape
    layer.innerProduct.weights.floatValue.extend(weights.reshape(-1).tolist())


def add_relu(spec: Any, name: str, given: str, made: str) -> None:
    spec.neuralNetwork.layers.add(name=name, input=[given], output=[made]).activation.ReLU.SetInParent()


def add_scaling(spec: Any, name: str, given: str, made: str, factor: float) -> None:
    layer = spec.neuralNetwork.layers.add(name=name, input=[given], output=[made])
    layer.activation.linear.alpha = factor


def add_custom(spec: Any, name: str, given: str, made: str, weights: Sequence[float]) -> None:
    layer = spec.neuralNetwork.layers.add(name=name, input=[given], output=[made])
    layer.custom.className = "Weighted"
    layer.custom.weights.add().floatValue.extend(weights)


class Weighted(CustomLayer):
    """x · weights, channel by channel."""

    class_name = "Weighted"

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        return [input_shapes[0]]

    def evaluate(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [inputs[0] * self.weights[0].reshape(-1, 1, 1)]


def perceptron(first: np.ndarray, second: np.ndarray) -> Any:
    """x → product "dense1" (hidden) → ReLU "relu" (positive) → product "dense2" (y)."""
    spec = new_network({"x": (first.shape[1],)}, ("y", (second.shape[0],)))
    add_product(spec, "dense1", "x", "hidden", first)
    add_relu(spec, "relu", "hidden", "positive")
    add_product(spec, "dense2", "positive", "y", second)
    return spec
