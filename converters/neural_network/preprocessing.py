"""The image preprocessing that a network's file carries (NeuralNetworkPreprocessing)."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.features import ImageFeature
from mltoolkit.formats.float_field import read_floats
from mltoolkit.graph.builder import GraphBuilder, shape_of


def preprocess(builder: GraphBuilder, network: Any, feature: ImageFeature, value: ir.Value) -> ir.Value:
    """Scale and shift, or subtract the mean image from, an image input (1, C, H, W) as the file says.

    Signs are followed as they stand: a file whose biases look wrong (both published SqueezeNets) is not repaired.
    """
    with builder.scope(f"{feature.name}/preprocessing"):
        for step in network.preprocessing:
            if step.featureName not in ("", feature.name):
                continue
            if step.WhichOneof("preprocessor") == "scaler":
                value = _scale(builder, step.scaler, feature, value)
            elif step.WhichOneof("preprocessor") == "meanImage":
                value = _subtract_mean(builder, step.meanImage, feature, value)
    return value


def _biases(scaler: Any, color_space: str) -> NDArray[np.float32]:
    red, green, blue = scaler.redBias, scaler.greenBias, scaler.blueBias
    orders = {"RGB": (red, green, blue), "BGR": (blue, green, red)}
    return np.array(orders.get(color_space, (scaler.grayBias,)), dtype=np.float32).reshape(1, -1, 1, 1)


def _scale(builder: GraphBuilder, scaler: Any, feature: ImageFeature, value: ir.Value) -> ir.Value:
    biases = _biases(scaler, feature.color_space)
    if scaler.channelScale != 1:
        value = builder.op("Mul", value, builder.constant(np.float32(scaler.channelScale).reshape(1)))
    if biases.any():
        value = builder.op("Add", value, builder.constant(biases))
    return value


def _subtract_mean(builder: GraphBuilder, mean_image: Any, feature: ImageFeature, value: ir.Value) -> ir.Value:
    mean = read_floats(mean_image, "meanImage")
    shape = shape_of(value)
    if mean.size != np.prod([size for size in shape if isinstance(size, int)]):
        raise InvalidModelError(
            f"the mean image has {mean.size} values where the picture has shape {shape}",
            where=f"input {feature.name!r}",
        )
    return builder.op("Sub", value, builder.constant(mean.reshape([int(size) for size in shape if size]), "meanImage"))
