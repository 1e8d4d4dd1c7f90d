from __future__ import annotations

import keras
import pytest
from keras import layers
from keras_check import check_layer, check_model, node_counts


def test_upsampling_repeats():
    check_layer(layers.UpSampling1D(3), (5, 4))
    check_layer(layers.UpSampling3D((2, 3, 2)), (3, 4, 5, 2))
    check_layer(layers.UpSampling3D(2, data_format="channels_first"), (2, 3, 4, 5))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [2, (3, 1), (1, 2)])
def test_upsampling_2d(size, interpolation, data_format):
    counts = node_counts(check_layer(layers.UpSampling2D(size, data_format, interpolation), (4, 5, 3)))
    if interpolation != "bicubic":
        assert counts["Resize"] == 1


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(14, 6), (3, 4), (9, 20), (9, 10)])
def test_resizing(size, interpolation, antialias):
    check_layer(layers.Resizing(*size, interpolation, antialias=antialias), (9, 10, 3))


@pytest.mark.parametrize("option", ["crop_to_aspect_ratio", "pad_to_aspect_ratio"])
@pytest.mark.parametrize("size", [(8, 8), (5, 12), (20, 8)])
def test_resizing_that_keeps_the_aspect(size, option):
    check_layer(layers.Resizing(*size, **{option: True}), (9, 16, 3))


def test_padding_has_a_value():
    check_layer(layers.Resizing(8, 8, pad_to_aspect_ratio=True, fill_value=3.0), (16, 9, 3))


@pytest.mark.parametrize("size", [(6, 7), (3, 8), (12, 5), (12, 13)])
def test_center_crop(size):
    check_layer(layers.CenterCrop(*size), (9, 10, 3))


def test_the_operation():
    x = keras.Input((6, 7, 3))
    check_model(keras.Model(x, keras.ops.image.resize(layers.Conv2D(2, 1)(x), (9, 10), interpolation="bicubic")))
