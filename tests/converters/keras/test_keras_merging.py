from __future__ import annotations

import keras
import pytest
from keras import layers, ops
from keras_check import check_layer, check_model, node_counts

KINDS = ["Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average"]


@pytest.mark.parametrize("kind", KINDS)
def test_merging(kind):
    check_layer(getattr(layers, kind)(), (4, 5, 6), (4, 5, 6))
    check_layer(getattr(layers, kind)(), (4, 5, 6), (1, 5, 1))
    check_layer(getattr(layers, kind)(), (4, 6), (6,))


@pytest.mark.parametrize("kind", ["Add", "Multiply", "Maximum", "Minimum", "Average"])
def test_merging_of_three(kind):
    check_layer(getattr(layers, kind)(), (4, 5), (4, 5), (4, 5))


@pytest.mark.parametrize("axis", [1, 2, 3, -1, -2])
def test_concatenate(axis):
    check_layer(layers.Concatenate(axis), (4, 5, 6), (4, 5, 6), (4, 5, 6))


def test_a_feature_map_and_a_vector():
    x, v = keras.Input((6, 6, 3)), keras.Input((4,))
    y = layers.Conv2D(4, 3)(x)
    counts = node_counts(check_model(keras.Model([x, v], layers.Add()([y, v]))))
    assert counts["Transpose"] == 2
    assert node_counts(check_model(keras.Model([x, v], y * v)))["Transpose"] == 2


@pytest.mark.parametrize("axes", [1, 2, (1, 2), (2, 1), -1])
def test_dot(axes):
    check_layer(layers.Dot(axes), (5, 5), (5, 5))
    check_layer(layers.Dot(axes, normalize=True), (5, 5), (5, 5))


def test_arithmetic_with_numbers_and_arrays():
    import numpy as np

    x = keras.Input((4, 5, 3))
    y = layers.Conv2D(3, 1)(x)
    z = 2.0 - (y * np.array([1.0, 2.0, 3.0], np.float32) + 1) / 3.0
    counts = node_counts(check_model(keras.Model(x, ops.maximum(z, -0.5))))
    assert counts["Transpose"] == 2


def test_integers_become_floats_where_keras_makes_them():
    x = keras.Input((4,), dtype="int32")
    check_model(keras.Model(x, x * 0.5))
    check_model(keras.Model(x, x + 3))
    check_model(keras.Model(x, x / 2))
