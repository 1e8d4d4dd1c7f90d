from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
from keras import activations, layers
from keras_check import check_layer, check_model, node_counts

NAMES = sorted(
    name
    for name in dir(activations)
    if not name.startswith("_") and name not in ("deserialize", "get", "serialize", "threshold")
)


def inputs(*shape: int) -> list[np.ndarray]:
    """Both sides of every bend of the activations."""
    return [np.random.default_rng(0).uniform(-8, 8, (1, *shape)).astype(np.float32)]


def test_every_activation_of_keras_is_named():
    assert len(NAMES) >= 31


@pytest.mark.parametrize("name", NAMES)
def test_as_layer_and_as_argument(name):
    check_layer(layers.Activation(name), (4, 6), inputs=inputs(4, 6))
    if name != "glu":  # which halves the channels, so that Keras' own shape inference of Dense is wrong
        check_layer(layers.Dense(6, activation=name), (8,), inputs=inputs(8))
    source = (
        check_layer(layers.Conv2D(4, 1, activation=name), (3, 3, 4), inputs=inputs(3, 3, 4)) if name != "glu" else None
    )
    assert source is None or node_counts(source)["Transpose"] == 2


@pytest.mark.parametrize(
    "function",
    [
        functools.partial(activations.threshold, threshold=0.5, default_value=-2.0),
        functools.partial(activations.relu, negative_slope=0.1, max_value=4.0, threshold=1.0),
        functools.partial(activations.relu, negative_slope=0.1, max_value=4.0),
        functools.partial(activations.gelu, approximate=True),
        functools.partial(activations.softmax, axis=1),
        functools.partial(activations.celu, alpha=0.5),
        functools.partial(activations.squareplus, b=2.0),
        keras.ops.gelu,  # its approximate is True where that of keras.activations is False
        keras.ops.relu,
        layers.LeakyReLU(0.2),
    ],
)
def test_functions_with_parameters(function):
    check_layer(layers.Activation(function), (4, 6), inputs=inputs(4, 6))


def test_a_function_of_the_users_own_is_followed():
    check_layer(layers.Activation(lambda x: x * keras.ops.sigmoid(1.702 * x)), (6,), inputs=inputs(6))


@pytest.mark.parametrize(
    "layer",
    [
        layers.ReLU(),
        layers.ReLU(max_value=6),
        layers.ReLU(max_value=2.0, negative_slope=0.1),
        layers.ReLU(max_value=5.0, negative_slope=0.1, threshold=1.5),
        layers.ReLU(threshold=1.0),
        layers.LeakyReLU(0.15),
        layers.ELU(0.7),
        layers.Softmax(),
        layers.Softmax(axis=1),
        layers.Softmax(axis=[1, 2]),
        layers.Softmax(axis=[2, 3]),
        layers.PReLU(),
        layers.PReLU(shared_axes=[1, 2]),
    ],
    ids=lambda layer: layer.name,
)
def test_activation_layers(layer):
    check_layer(layer, (4, 5, 6), inputs=inputs(4, 5, 6))


OPERATIONS = ["relu", "relu6", "sigmoid", "softplus", "softsign", "silu", "log_sigmoid", "leaky_relu", "hard_sigmoid"]
OPERATIONS += ["hard_silu", "elu", "selu", "gelu", "celu", "glu", "softmax", "log_softmax", "sparsemax", "squareplus"]
OPERATIONS += ["soft_shrink", "hard_shrink", "tanh_shrink", "hard_tanh", "sparse_plus", "sparse_sigmoid", "tanh"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_as_operations(name):
    x = keras.Input((5, 6))
    check_model(keras.Model(x, getattr(keras.ops, name)(x)), inputs=inputs(5, 6))
