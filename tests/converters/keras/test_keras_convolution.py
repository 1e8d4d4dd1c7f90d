from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from keras_check import check_layer, check_model, node_counts


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("strides", "dilation", "groups"), [(1, 1, 1), (2, 1, 1), (3, 1, 2), (1, 2, 1), (1, (1, 3), 2)]
)
def test_conv2d(padding, strides, dilation, groups):
    layer = layers.Conv2D(4, (3, 2), strides, padding, dilation_rate=dilation, groups=groups, activation="relu")
    source = check_layer(layer, (9, 10, 6))
    assert node_counts(source)["Transpose"] == 2  # at the entry and at the exit


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (1, 3)])
def test_conv1d(padding, strides, dilation):
    check_layer(layers.Conv1D(5, 3, strides, padding, dilation_rate=dilation), (11, 4))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), ((2, 1, 3), 1), (1, 2)])
def test_conv3d(padding, strides, dilation):
    check_layer(layers.Conv3D(3, (2, 3, 3), strides, padding, dilation_rate=dilation), (6, 7, 8, 2))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("layer", ["Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose"])
def test_data_formats(data_format, layer):
    arguments = (3,) if layer == "DepthwiseConv2D" else (4, 3)
    shape = (8, 9, 3) if data_format == "channels_last" else (3, 8, 9)
    source = check_layer(getattr(layers, layer)(*arguments, padding="same", data_format=data_format), shape)
    # What is channels-first in Keras needs no transpose at all.
    assert node_counts(source)["Transpose"] == (2 if data_format == "channels_last" else 0)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("strides", "dilation", "multiplier"), [(1, 1, 1), (2, 1, 3), (1, 2, 2)])
def test_depthwise(padding, strides, dilation, multiplier):
    layer = layers.DepthwiseConv2D(3, strides, padding, multiplier, dilation_rate=dilation)
    check_layer(layer, (9, 8, 4))
    check_layer(layers.DepthwiseConv1D(3, strides, padding, multiplier, dilation_rate=dilation), (9, 4))


@pytest.mark.parametrize(("padding", "strides"), [("valid", 1), ("same", 2)])
def test_separable(padding, strides):
    check_layer(layers.SeparableConv2D(5, 3, strides, padding, depth_multiplier=2, activation="tanh"), (9, 8, 4))
    check_layer(layers.SeparableConv1D(5, 3, strides, padding, depth_multiplier=2, use_bias=False), (9, 4))


TRANSPOSED = [
    (kernel, stride, padding, output_padding, 1)
    for kernel, stride in ((1, 2), (2, 2), (3, 1), (3, 2), (4, 2), (5, 3), (2, 3))
    for padding in ("valid", "same")
    for output_padding in (None, 0, 1)
    if output_padding is None or output_padding < stride
] + [(3, 1, "same", None, 2), (3, 1, "valid", None, 2)]


@pytest.mark.parametrize(("kernel", "strides", "padding", "output_padding", "dilation"), TRANSPOSED)
def test_conv2d_transpose(kernel, strides, padding, output_padding, dilation):
    check_layer(
        layers.Conv2DTranspose(
            3, kernel, strides, padding, output_padding=output_padding, dilation_rate=dilation, activation="elu"
        ),
        (5, 6, 4),
    )


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_conv_transpose_of_other_ranks(padding):
    check_layer(layers.Conv1DTranspose(3, 4, 3, padding), (5, 4))
    check_layer(layers.Conv3DTranspose(3, (2, 3, 4), (1, 2, 3), padding), (3, 4, 5, 2))


def test_sizes_that_only_the_input_knows():
    x = keras.Input((None, None, 3), name="photo")
    picture = np.random.default_rng(0).standard_normal((1, 10, 7, 3), np.float32)
    source = check_model(keras.Model(x, layers.Conv2D(4, 3, 2, "same")(x)), inputs=[picture])
    assert [str(size) for size in source.model.graph.inputs[0].shape] == ["1", "photo_1", "photo_2", "3"]
