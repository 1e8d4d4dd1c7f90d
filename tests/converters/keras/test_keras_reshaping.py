from __future__ import annotations

import keras
import pytest
from keras import layers
from keras_check import check_layer, check_model, node_counts


@pytest.mark.parametrize("shape", [(6, 20), (-1, 5), (2, 3, 4, 5), (120,), (5, 4, 3, 2, 1)])
def test_reshape(shape):
    check_layer(layers.Reshape(shape), (4, 5, 6))


def test_flatten():
    check_layer(layers.Flatten(), (4, 5, 6))
    check_layer(layers.Flatten(), (7,))
    check_layer(layers.Flatten(), ())


def test_squeeze_and_excite_has_no_transposes_inside():
    x = keras.Input((8, 8, 6))
    y = layers.Conv2D(6, 3, padding="same")(x)
    gate = layers.Reshape((1, 1, 6))(layers.GlobalAveragePooling2D()(y))
    gate = layers.Conv2D(6, 1, activation="sigmoid")(layers.Conv2D(2, 1, activation="silu")(gate))
    z = layers.Flatten()(layers.GlobalAveragePooling2D(keepdims=True)(layers.Multiply()([y, gate])))
    counts = node_counts(check_model(keras.Model(x, z)))
    assert counts["Transpose"] == 1
    assert counts["Reshape"] == 2


@pytest.mark.parametrize("dims", [(1, 2, 3), (3, 1, 2), (2, 3, 1), (3, 2, 1)])
def test_permute(dims):
    check_layer(layers.Permute(dims), (4, 5, 6))


def test_permute_after_a_convolution():
    x = keras.Input((8, 9, 3))
    source = check_model(keras.Model(x, layers.Permute((3, 1, 2))(layers.Conv2D(4, 3)(x))))
    assert node_counts(source)["Transpose"] == 1  # what Permute wants is how the map is stored


def test_repeat_vector():
    check_layer(layers.RepeatVector(4), (5,))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_cropping_and_padding(data_format):
    check_layer(layers.Cropping2D(((1, 0), (2, 3)), data_format), (8, 9, 8))
    check_layer(layers.ZeroPadding2D(((1, 0), (2, 3)), data_format), (4, 5, 6))
    check_layer(layers.Cropping3D(((1, 0), (0, 1), (2, 1)), data_format), (5, 6, 7, 4))
    check_layer(layers.ZeroPadding3D((1, 2, 3), data_format), (3, 4, 5, 2))


def test_cropping_and_padding_of_sequences():
    check_layer(layers.Cropping1D((1, 2)), (8, 3))
    check_layer(layers.ZeroPadding1D((1, 2)), (8, 3))


def test_dense_after_flatten_of_a_feature_map():
    x = keras.Input((6, 7, 3))
    y = layers.Dense(5)(layers.Flatten()(layers.Conv2D(4, 3)(x)))
    check_model(keras.Model(x, y))
