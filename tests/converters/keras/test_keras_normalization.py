from __future__ import annotations

import keras
import pytest
from keras import layers
from keras_check import check_layer, check_model, node_counts


@pytest.mark.parametrize(("axis", "shape"), [(-1, (6,)), (-1, (5, 6)), (-1, (4, 5, 6)), (1, (4, 5, 6)), (2, (4, 5, 6))])
@pytest.mark.parametrize(("center", "scale"), [(True, True), (False, False)])
def test_batch_normalization(axis, shape, center, scale):
    check_layer(layers.BatchNormalization(axis, epsilon=0.01, center=center, scale=scale), shape)


def test_batch_normalization_of_feature_maps_is_one_node():
    x = keras.Input((8, 8, 3))
    source = check_model(keras.Model(x, layers.BatchNormalization()(layers.Conv2D(4, 3)(x))))
    assert node_counts(source) == {"Transpose": 2, "Conv": 1, "BatchNormalization": 1}


@pytest.mark.parametrize(("axis", "shape"), [(-1, (6,)), (-1, (5, 6)), ([1, 2], (5, 6)), (-1, (4, 5, 6))])
@pytest.mark.parametrize(("center", "scale"), [(True, True), (False, True), (True, False)])
def test_layer_normalization(axis, shape, center, scale):
    check_layer(layers.LayerNormalization(axis, epsilon=0.01, center=center, scale=scale), shape)


@pytest.mark.parametrize("axis", [[1, 3], [1, 2, 3], [2, 3], [3]])
def test_layer_normalization_of_feature_maps(axis):
    check_layer(layers.LayerNormalization(axis), (4, 5, 6))


def test_layer_normalization_between_convolutions_leaves_no_transpose():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3)(layers.LayerNormalization()(layers.Conv2D(6, 3)(x)))
    assert node_counts(check_model(keras.Model(x, y)))["Transpose"] == 2


@pytest.mark.parametrize(("axis", "shape"), [(-1, (6,)), (-1, (5, 6)), (-1, (4, 5, 6))])
def test_rms_and_unit_normalization(axis, shape):
    check_layer(layers.RMSNormalization(axis), shape)
    check_layer(layers.UnitNormalization(axis), shape)


@pytest.mark.parametrize("groups", [1, 3, 6, -1])
@pytest.mark.parametrize(("axis", "shape"), [(-1, (4, 5, 6)), (1, (6, 4, 5)), (-1, (5, 6)), (-1, (2, 3, 4, 6))])
def test_group_normalization(groups, axis, shape):
    check_layer(layers.GroupNormalization(groups, axis, epsilon=0.01), shape)


def test_spectral_normalization():
    check_layer(layers.SpectralNormalization(layers.Conv2D(4, 3)), (6, 7, 3))
    check_layer(layers.SpectralNormalization(layers.Dense(4)), (6,))


@pytest.mark.parametrize("invert", [False, True])
def test_normalization_with_given_statistics(invert):
    check_layer(layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[0.5, 2.0, 0.0], invert=invert), (4, 5, 3))
    check_layer(layers.Normalization(axis=None, mean=1.0, variance=2.0, invert=invert), (7,))
    check_layer(
        layers.Normalization(axis=(1, 2), mean=[[1.0] * 3] * 2, variance=[[2.0] * 3] * 2, invert=invert), (2, 3)
    )


def test_normalization_after_adapt():
    import numpy as np

    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).uniform(0, 9, (16, 3)))
    check_layer(layer, (3,))


def test_rescaling():
    check_layer(layers.Rescaling(1 / 255), (4, 5, 3))
    check_layer(layers.Rescaling([0.1, 0.2, 0.3], [-1.0, 0.0, 1.0]), (4, 5, 3))
    check_layer(layers.Rescaling(2, 1), (4,), dtype="int32")
