"""Operations of ``keras.ops.image`` besides resizing."""

from __future__ import annotations

import numpy as np

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.converters.keras.convolution import convolution_kernel, convolve
from mltoolkit.converters.keras.registry import converts_operation
from mltoolkit.converters.keras.tensors import Tensor
from mltoolkit.graph.builder import shape_of


@converts_operation("ExtractPatches")
def convert_extract_patches(context: LayerContext) -> Tensor:
    """The pixels of each window as channels, its rows first."""
    source = context.source
    if context.tensor().rank != 4 or len(context.each_axis(source.size, context.tensor().value)) != 2:
        context.refuse(f"its input has the rank {context.tensor().rank}", "a batch of pictures, of rank 4")
    value = context.feature_map()
    window = context.each_axis(source.size, value)
    strides = window if not source.strides else context.each_axis(source.strides, value)
    dilations = context.each_axis(source.dilation_rate, value)
    channels, *sizes = shape_of(value)[1:]
    assert isinstance(channels, int)
    whole = all(isinstance(size, int) and size % window[0] == 0 for size in sizes)
    if whole and window[0] == window[1] and strides == window and dilations == [1, 1]:
        return context.feature_result(context.op("SpaceToDepth", value, blocksize=window[0]))
    count = window[0] * window[1] * channels
    kernel = np.eye(count, dtype=np.float32).reshape(*window, channels, count)
    options = {"strides": strides, "dilations": dilations, "padding": source.padding}
    return context.feature_result(convolve(context, value, convolution_kernel(kernel), **options))


@converts_operation("RGBToGrayscale")
def convert_rgb_to_grayscale(context: LayerContext) -> Tensor:
    """A weighted sum of the channels, with the weights of Keras' backend."""
    if context.tensor().rank != 4:
        context.refuse(f"its input has the rank {context.tensor().rank}", "a batch of pictures, of rank 4")
    value = context.feature_map()
    if shape_of(value)[1] == 1:
        return context.tensor()
    keras = context.walk.keras
    colours = keras.ops.convert_to_tensor(np.eye(3, dtype=np.float32)[:, None, None, :])
    weights = context.array(keras.ops.image.rgb_to_grayscale(colours, data_format="channels_last"))
    return context.feature_result(convolve(context, value, weights.reshape(1, 3, 1, 1)))
