"""The digit classifier computed with NumPy straight from its specification, independent of the runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def probabilities(spec: Any, images: npt.NDArray[np.uint8]) -> Floats:
    """float64 (n, 10) for uint8 images (n, 28, 28)."""
    net = spec.neuralNetworkClassifier
    blobs = {"image": images[:, None] * float(net.preprocessing[0].scaler.channelScale)}
    for layer in net.layers:
        kind = layer.WhichOneof("layer")
        blobs[layer.output[0]] = LAYERS[kind](getattr(layer, kind), blobs[layer.input[0]])
    return blobs[net.labelProbabilityLayerName]


def _values(weights: Any, *shape: int) -> Floats:
    return np.array(weights.floatValue, dtype=np.float64).reshape(shape)


def _convolution(params: Any, x: Floats) -> Floats:
    size = params.kernelSize[0]
    assert params.WhichOneof("ConvolutionPaddingType") == "same" and size % 2 == 1
    padded = np.pad(x, ((0, 0), (0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))
    kernel = _values(params.weights, params.outputChannels, params.kernelChannels, size, size)
    return np.einsum("nchwij,kcij->nkhw", windows, kernel, optimize=True)


def _batchnorm(params: Any, x: Floats) -> Floats:
    gamma, beta, mean, variance = (
        _values(getattr(params, name), params.channels, 1, 1) for name in ("gamma", "beta", "mean", "variance")
    )
    return gamma * (x - mean) / np.sqrt(variance + params.epsilon) + beta


def _max_pool(params: Any, x: Floats) -> Floats:
    assert params.type == params.MAX and list(params.kernelSize) == list(params.stride) == [2, 2]
    height, width = x.shape[2] // 2, x.shape[3] // 2
    return x[:, :, : 2 * height, : 2 * width].reshape(*x.shape[:2], height, 2, width, 2).max(axis=(3, 5))


def _flatten(params: Any, x: Floats) -> Floats:
    assert params.mode == params.CHANNEL_FIRST
    return x.reshape(len(x), -1)


def _inner_product(params: Any, x: Floats) -> Floats:
    matrix = _values(params.weights, params.outputChannels, params.inputChannels)
    return x @ matrix.T + _values(params.bias, params.outputChannels)


def _relu(params: Any, x: Floats) -> Floats:
    assert params.WhichOneof("NonlinearityType") == "ReLU"
    return np.maximum(x, 0)


def _softmax(params: Any, x: Floats) -> Floats:
    exponentials = np.exp(x - x.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


LAYERS = {
    "convolution": _convolution,
    "batchnorm": _batchnorm,
    "activation": _relu,
    "pooling": _max_pool,
    "flatten": _flatten,
    "innerProduct": _inner_product,
    "softmax": _softmax,
}
