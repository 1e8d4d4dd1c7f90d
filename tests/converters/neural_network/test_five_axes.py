"""Networks with RANK5_ARRAY_MAPPING whose layers name any axis of [Sequence, Batch, C, H, W]."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_network import array, layer, new_network, predict

from mltoolkit.errors import InvalidModelError


def _network(shape: tuple[int, ...], kind: str, output: tuple[int, ...] = ()) -> tuple[Any, Any]:
    spec = new_network(4)
    array(spec.description.input, "x", *shape)
    array(spec.description.output, "y", *output)
    return spec, layer(spec.neuralNetwork, kind, ["x"], ["y"])


@pytest.mark.parametrize(
    ("shape", "full"),
    [
        ((3,), (1, 1, 3, 1, 1)),
        ((3, 4, 5), (1, 1, 3, 4, 5)),
        ((2, 3, 4, 5), (1, 2, 3, 4, 5)),
        ((6, 2, 3, 4, 5), (6, 2, 3, 4, 5)),
    ],
)
@pytest.mark.parametrize("axis", [0, 1, 2, 4, -5, -3, -1])
def test_softmax_along_every_axis(
    shape: tuple[int, ...], full: tuple[int, ...], axis: int, rng: np.random.Generator
) -> None:
    spec, params = _network(shape, "softmaxND", shape)
    params.axis = axis
    x = rng.normal(size=shape).astype(np.float32)
    powers = np.exp(x.astype(np.float64).reshape(full))
    expected = (powers / powers.sum(axis=axis, keepdims=True)).reshape(shape)
    # float32 exponentials, against float64.
    np.testing.assert_allclose(predict(spec, x=x)["y"], expected, rtol=1e-6)


def test_transposition_between_older_layers(rng: np.random.Generator) -> None:
    spec, params = _network((2, 3, 4), "transpose")
    params.axes.extend([0, 1, 4, 2, 3])
    spec.neuralNetwork.layers[0].output[0] = "t"
    pooling = layer(spec.neuralNetwork, "pooling", ["t"], ["y"])
    pooling.kernelSize.extend((1, 3))
    pooling.valid.SetInParent()
    x = rng.normal(size=(2, 3, 4)).astype(np.float32)
    turned = x.transpose(2, 0, 1)
    np.testing.assert_array_equal(predict(spec, x=x)["y"], turned.max(axis=2, keepdims=True))


def test_leading_axes_given_at_run_time(rng: np.random.Generator) -> None:
    spec, params = _network((3,), "reduceSum")
    params.axes.append(0)
    params.keepDims = True
    x = rng.normal(size=(4, 2, 3)).astype(np.float32)
    y = predict(spec, x=x)["y"]
    # Three float32 additions.
    np.testing.assert_allclose(y, x.sum(axis=0, dtype=np.float64).reshape(1, 2, 3, 1, 1), atol=1e-6)


def test_a_lower_rank_stays(rng: np.random.Generator) -> None:
    spec, params = _network((3, 4, 5), "reduceMax")
    params.axes.extend((-1, 0))
    x = rng.normal(size=(3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(predict(spec, x=x)["y"], x.max(axis=2).reshape(1, 3, 4))


def test_elementwise_layers_need_no_five_axes(rng: np.random.Generator) -> None:
    spec, _ = _network((3, 4, 5), "ceil", (3, 4, 5))
    x = rng.normal(size=(3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(predict(spec, x=x)["y"], np.ceil(x))


def test_a_matrix_has_no_place() -> None:
    spec, _ = _network((3, 4), "softmaxND")
    with pytest.raises(InvalidModelError, match=r"rank 2 cannot be mapped.*'x'"):
        predict(spec, x=np.zeros((3, 4)))
