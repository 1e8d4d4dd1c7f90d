from __future__ import annotations

import keras
import pytest
from keras import layers
from keras_check import check_layer, check_model

SHAPES = {"1D": (11, 3), "2D": (10, 11, 3), "3D": (6, 7, 8, 2)}


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides"), [(2, None), (3, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize("kind", ["MaxPooling", "AveragePooling"])
def test_pooling(kind, rank, size, strides, padding):
    check_layer(getattr(layers, kind + rank)(size, strides, padding), SHAPES[rank])


@pytest.mark.parametrize("kind", ["MaxPooling2D", "AveragePooling2D"])
def test_channels_first_pooling(kind):
    # Keras' pooling of channels-first maps pads them at both ends alike only where that is even.
    check_layer(getattr(layers, kind)(3, 2, "valid", data_format="channels_first"), (3, 9, 11))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_zeros_before_max_pooling_count(padding):
    # Unlike the padding of the pooling itself. onnxruntime merges a Pad with the pooling behind it.
    x = keras.Input((6, 7, 3))
    negative = -keras.ops.abs(layers.Conv2D(3, 1)(x))
    y = layers.MaxPooling2D(3, 2, padding)(layers.ZeroPadding2D(1)(negative))
    check_model(keras.Model(x, y))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize("kind", ["GlobalMaxPooling", "GlobalAveragePooling"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_global_pooling(kind, rank, keepdims, data_format):
    check_layer(getattr(layers, kind + rank)(data_format=data_format, keepdims=keepdims), SHAPES[rank])


@pytest.mark.parametrize("size", [1, 3, 4, 5])
@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize("kind", ["AdaptiveMaxPooling", "AdaptiveAveragePooling"])
def test_adaptive_pooling(kind, rank, size):
    check_layer(getattr(layers, kind + rank)(size), SHAPES[rank])
