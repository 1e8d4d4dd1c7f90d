"""Layers with seeded damage: the converters answer with an error of the project's own, or with a graph."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor import FieldDescriptor
from running import convert_layer, new_layer, set_weight

from mltoolkit.errors import InvalidModelError, MLToolkitError, UnsupportedModelError

BLOB = (1, 6, 8, 8)
INTEGERS = [0, 1, 2, 3, 5, 7, 9, 255, 2**16, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
FLOATS = [0.0, -0.0, 1.0, -1.0, 1e-45, 1e38, -1e38, float("inf"), float("-inf"), float("nan")]


def _convolution(params: Any) -> None:
    params.outputChannels, params.kernelChannels, params.nGroups, params.hasBias = 4, 3, 2, True
    params.kernelSize.extend((3, 2))
    params.stride.extend((1, 2))
    params.dilationFactor.extend((1, 2))
    for _ in range(2):
        params.valid.paddingAmounts.borderAmounts.add(startEdgeSize=1, endEdgeSize=2)
    set_weight(params.weights, np.ones(4 * 3 * 3 * 2))
    set_weight(params.bias, np.ones(4))


def _deconvolution(params: Any) -> None:
    params.outputChannels, params.kernelChannels, params.nGroups = 4, 6, 2
    params.isDeconvolution = True
    params.kernelSize.extend((3, 2))
    params.stride.extend((1, 2))
    params.outputShape.extend((9, 15))
    params.same.SetInParent()
    set_weight(params.weights, np.ones(6 * 2 * 3 * 2))


def _pooling(params: Any) -> None:
    params.type = 1
    params.kernelSize.extend((3, 2))
    params.stride.extend((1, 2))
    params.includeLastPixel.paddingAmounts.extend((1, 0))


def _batchnorm(params: Any) -> None:
    params.channels = 6
    for name in ("gamma", "beta", "mean", "variance"):
        set_weight(getattr(params, name), np.ones(6))


def _inner_product(params: Any) -> None:
    params.inputChannels, params.outputChannels, params.hasBias = 6 * 8 * 8, 2, True
    set_weight(params.weights, np.ones(6 * 8 * 8 * 2))
    set_weight(params.bias, np.ones(2))


def _embedding(params: Any) -> None:
    params.inputDim, params.outputChannels = 5, 2
    set_weight(params.weights, np.ones(10))


def _scale(params: Any) -> None:
    params.shapeScale.append(6)
    set_weight(params.scale, np.ones(6))
    params.hasBias = True
    params.shapeBias.extend((1, 8, 8))
    set_weight(params.bias, np.ones(64))


def _bias(params: Any) -> None:
    params.shape.extend((6, 1, 1))
    set_weight(params.bias, np.ones(6))


def _load_constant(params: Any) -> None:
    params.shape.extend((6, 8, 8))
    set_weight(params.data, np.ones(384))


def _softplus(params: Any) -> None:
    set_weight(params.parametricSoftplus.alpha, np.ones(6))
    set_weight(params.parametricSoftplus.beta, np.ones(1))


def _prelu(params: Any) -> None:
    set_weight(params.PReLU.alpha, np.ones(6))


def _linear(params: Any) -> None:
    params.linear.alpha, params.linear.beta = 2, 1


def _unary(params: Any) -> None:
    params.type, params.alpha, params.epsilon, params.shift, params.scale = 3, 2, 1, 1, 2


def _lrn(params: Any) -> None:
    params.alpha, params.beta, params.localSize, params.k = 1, 0.75, 5, 1


LAYERS: list[tuple[str, Callable[[Any], None]]] = [
    ("convolution", _convolution),
    ("convolution", _deconvolution),
    ("pooling", _pooling),
    ("batchnorm", _batchnorm),
    ("innerProduct", _inner_product),
    ("embedding", _embedding),
    ("scale", _scale),
    ("bias", _bias),
    ("loadConstant", _load_constant),
    ("activation", _softplus),
    ("activation", _prelu),
    ("activation", _linear),
    ("unary", _unary),
    ("lrn", _lrn),
]


def _messages(message: Any) -> list[Any]:
    """The message and everything inside it that is set."""
    found = [message]
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                found += _messages(part)
    return found


def _damage(message: Any, rng: random.Random) -> str:
    """Change one field somewhere in the message; says what was done."""
    target = rng.choice(_messages(message))
    fields = list(target.DESCRIPTOR.fields)
    if not fields:
        return "nothing"
    field = rng.choice(fields)
    if rng.random() < 0.2:
        target.ClearField(field.name)
        return f"clear {field.full_name}"
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        part = getattr(target, field.name)
        if field.is_repeated:
            part.add()
        else:
            part.SetInParent()
        return f"add {field.full_name}"
    value: Any
    if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        value = rng.choice(FLOATS)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        value = rng.randbytes(rng.choice([1, 2, 7, 12, 54, 144]))
    elif field.type == FieldDescriptor.TYPE_BOOL:
        value = rng.random() < 0.5
    elif field.type == FieldDescriptor.TYPE_ENUM:
        value = rng.choice([0, 1, 2, 5, 100])
    else:
        value = rng.choice(INTEGERS)
    if field.is_repeated:
        values = getattr(target, field.name)
        if len(values) and rng.random() < 0.7:
            values[rng.randrange(len(values))] = value
        elif len(values) and rng.random() < 0.5:
            values.pop()
        else:
            values.append(value)
    else:
        setattr(target, field.name, value)
    return f"{field.full_name} ← {value!r}"


@pytest.mark.parametrize("number", range(len(LAYERS)), ids=[f"{kind}{fill.__name__}" for kind, fill in LAYERS])
def test_damage_gives_errors_of_our_own(number: int) -> None:
    kind, fill = LAYERS[number]
    refused = 0
    for seed in range(150):
        rng = random.Random(1000 * number + seed)
        layer, params = new_layer(kind)
        fill(params)
        done = [_damage(params, rng) for _ in range(rng.choice([1, 1, 2, 4]))]
        try:
            _, context = convert_layer(layer, {"x": (6, 1, 1, 1) if kind == "embedding" else BLOB})
        except (InvalidModelError, UnsupportedModelError) as error:
            refused += 1
            assert "layer" in str(error), (done, str(error))
        except MLToolkitError as error:
            raise AssertionError(f"seed {seed}, {done}: {type(error).__name__} is not for a damaged model") from error
        except Exception as error:
            raise AssertionError(f"seed {seed}, {done}: {type(error).__name__}: {error}") from error
        else:
            for name in layer.output:
                assert context.values[name].shape is not None, (seed, done)
    assert refused, "no damage was found"
