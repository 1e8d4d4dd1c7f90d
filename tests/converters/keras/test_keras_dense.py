from __future__ import annotations

import keras
import pytest
from keras import layers
from keras_check import check_layer, check_model, node_counts


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(7,), (5, 7), (4, 5, 7), (2, 3, 4, 7)])
def test_dense(shape, use_bias):
    check_layer(layers.Dense(6, activation="tanh", use_bias=use_bias), shape)


def test_dense_on_feature_maps_stays_channels_first():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3)(layers.Dense(5)(layers.Conv2D(6, 3)(x)))
    assert node_counts(check_model(keras.Model(x, y))) == {"Transpose": 2, "Conv": 3}


def test_lora_is_merged():
    x = keras.Input((7,))
    layer = layers.Dense(6)
    model = keras.Model(x, layer(x))
    layer.enable_lora(2)
    check_model(model)
