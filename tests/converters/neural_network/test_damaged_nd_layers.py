"""Seeded damage to layers of specification 4 and 5: they convert and run, or raise an error of ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from running import is_refused, new_layer, run_layer, set_weight
from test_damaged_parameters import damage

from mltoolkit.converters.neural_network import generated, sizes

ROUNDS = 25
Shapes = dict[str, tuple[int, ...]]


def _nothing(params: Any) -> None:
    """The layer's parameters are valid as they are."""


def _alpha(params: Any) -> None:
    params.alpha = 0.5


def _reduction(params: Any) -> None:
    params.axes.extend((1, -1))


def _axis(params: Any) -> None:
    params.axis = -2


def _top_k(params: Any) -> None:
    params.axis, params.K = 2, 2


def _one_hot(params: Any) -> None:
    params.axis, params.oneHotVectorSize, params.onValue = 1, 4, 1


def _batched_matmul(params: Any) -> None:
    params.weightMatrixFirstDimension, params.weightMatrixSecondDimension = 5, 2
    params.hasBias = True
    set_weight(params.weights, np.ones(10))
    set_weight(params.bias, np.ones(2))


def _int8(params: Any) -> None:
    params.weightMatrixFirstDimension, params.weightMatrixSecondDimension = 5, 2
    params.int8DynamicQuantize = True
    params.weights.int8RawValue = bytes(range(10))
    params.weights.quantization.numberOfBits = 8
    params.weights.quantization.linearQuantization.scale.append(0.1)


def _embedding(params: Any) -> None:
    params.vocabSize, params.embeddingSize, params.hasBias = 4, 3, True
    set_weight(params.weights, np.ones(12))
    set_weight(params.bias, np.ones(3))


def _layer_normalization(params: Any) -> None:
    params.normalizedShape.extend((4, 5))
    params.eps = 1e-5
    set_weight(params.gamma, np.ones(20))
    set_weight(params.beta, np.ones(20))


def _clip(params: Any) -> None:
    params.maxVal = 1


def _fill(params: Any) -> None:
    params.value = 2
    params.targetShape.extend((2, 3))


def _target_shape(params: Any) -> None:
    params.targetShape.extend((2, 3, 4, 5))


def _range(params: Any) -> None:
    params.endValue, params.stepSizeValue = 5, 0.5


def _range_from(params: Any) -> None:
    params.startValue, params.stepSizeValue = -5, 0.5


def _constant(params: Any) -> None:
    params.shape.extend((2, 3))
    set_weight(params.data, np.ones(6))


def _normal(params: Any) -> None:
    params.mean, params.stdDev, params.seed = 1, 2, 3
    if hasattr(params, "outputShape"):
        params.outputShape.extend((2, 3))


def _uniform(params: Any) -> None:
    params.minVal, params.maxVal, params.seed = 1, 2, 3
    if hasattr(params, "outputShape"):
        params.outputShape.extend((2, 3))


def _bernoulli(params: Any) -> None:
    params.prob = 0.5
    params.outputShape.extend((2, 3))


def _categorical(params: Any) -> None:
    params.numSamples, params.isLogits, params.temperature = 7, True, 0.5


def _reverse(params: Any) -> None:
    params.reverseDim.extend((True, False, True, False))


def _reverse_sequences(params: Any) -> None:
    params.batchAxis, params.sequenceAxis = 0, 2


def _window(params: Any) -> None:
    for name in ("kernelDepth", "kernelHeight", "kernelWidth"):
        setattr(params, name, 2)
    for name in ("strideDepth", "strideHeight", "strideWidth"):
        setattr(params, name, 1)
    for name in ("customPaddingFront", "customPaddingBottom", "customPaddingLeft"):
        setattr(params, name, 1)


def _convolution3d(params: Any) -> None:
    _window(params)
    params.inputChannels, params.outputChannels, params.nGroups, params.hasBias = 2, 4, 2, True
    for name in ("dilationDepth", "dilationHeight", "dilationWidth"):
        setattr(params, name, 1)
    set_weight(params.weights, np.ones(4 * 8))
    set_weight(params.bias, np.ones(4))


def _deconvolution3d(params: Any) -> None:
    _convolution3d(params)
    params.isDeconvolution = True
    params.outputShape.extend((4, 5, 6))


BLOB: Shapes = {"x": (2, 3, 4, 5)}
VOLUME: Shapes = {"x": (1, 2, 3, 4, 5)}
LAYERS: list[tuple[str, Callable[[Any], None], Shapes]] = [
    ("clip", _clip, BLOB),
    ("clampedReLU", _alpha, BLOB),
    ("gelu", _nothing, BLOB),
    ("lessThan", _alpha, BLOB),
    ("logicalXor", _nothing, BLOB | {"z": (5,)}),
    ("modBroadcastable", _nothing, BLOB | {"z": (4, 1)}),
    ("reduceLogSumExp", _reduction, BLOB),
    ("argMin", _axis, BLOB),
    ("topK", _top_k, BLOB),
    ("argSort", _axis, BLOB),
    ("cumSum", _axis, BLOB),
    ("oneHot", _one_hot, BLOB),
    ("batchedMatmul", _batched_matmul, BLOB),
    ("batchedMatmul", _int8, BLOB),
    ("embeddingND", _embedding, {"x": (2, 3, 1)}),
    ("softmaxND", _axis, BLOB),
    ("layerNormalization", _layer_normalization, BLOB),
    ("fillLike", _nothing, BLOB),
    ("fillStatic", _fill, {}),
    ("broadcastToStatic", _target_shape, {"x": (3, 1, 5)}),
    ("rangeStatic", _range, {}),
    ("rangeDynamic", _range_from, {"x": (1,)}),
    ("loadConstantND", _constant, {}),
    ("randomNormalStatic", _normal, {}),
    ("randomNormalLike", _normal, BLOB),
    ("randomUniformStatic", _uniform, {}),
    ("randomUniformDynamic", _uniform, {"x": (2,)}),
    ("randomBernoulliStatic", _bernoulli, {}),
    ("categoricalDistribution", _categorical, BLOB),
    ("matrixBandPart", _nothing, BLOB),
    ("upperTriangular", _nothing, BLOB),
    ("reverse", _reverse, BLOB),
    ("reverseSeq", _reverse_sequences, BLOB | {"z": (2,)}),
    ("whereBroadcastable", _nothing, BLOB | {"y": (5,), "z": (4, 1)}),
    ("convolution3d", _convolution3d, VOLUME),
    ("convolution3d", _deconvolution3d, VOLUME),
    ("pooling3d", _window, VOLUME),
    ("globalPooling3d", _nothing, VOLUME),
]


def _valid(kind: str, fill: Callable[[Any], None], shapes: Shapes) -> tuple[Any, Any]:
    layer, params = new_layer(kind, tuple(shapes), ("values", "indices") if kind == "topK" else ("out",))
    fill(params)
    return layer, params


@pytest.mark.parametrize("number", range(len(LAYERS)), ids=[f"{kind}{fill.__name__}" for kind, fill, _ in LAYERS])
def test_only_our_own_errors(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Smaller blobs than in earnest, for speed.
    monkeypatch.setattr(sizes, "MAX_ELEMENTS", 1 << 18)
    monkeypatch.setattr(generated, "MAX_GENERATED", 1 << 18)
    kind, fill, shapes = LAYERS[number]
    inputs = {name: np.ones(shape) for name, shape in shapes.items()}
    layer, _ = _valid(kind, fill, shapes)
    assert run_layer(layer, inputs, rank5=False)
    refused = 0
    for seed in range(ROUNDS):
        rng = np.random.default_rng(1000 * number + seed)
        layer, params = _valid(kind, fill, shapes)
        for _ in range(rng.integers(1, 4)):
            damage(layer, params, rng)
        refused += is_refused(partial(run_layer, layer, inputs, rank5=False), layer, seed)
    assert refused, "no damage was found"
