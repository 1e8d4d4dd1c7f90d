"""Scaled dot-product attention against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from mil_programs import one_operation

from mltoolkit.errors import InvalidModelError
from mltoolkit.model import Model

L, S, E, EV = 7, 5, 16, 8
RNG = np.random.default_rng(3)


def reference(query: np.ndarray, key: np.ndarray, value: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    scores = query.astype(np.float64) @ np.swapaxes(key, -1, -2) / np.sqrt(query.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ value


def tensors(batch: tuple[int, ...]) -> dict[str, np.ndarray]:
    shapes = {"query": (L, E), "key": (S, E), "value": (S, EV)}
    return {name: RNG.normal(size=(*batch, *shape)).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("batch", [(3,), (3, 2), (2, 3, 4)])
@pytest.mark.parametrize("shape", [None, (S,), (1, S), (L, S)])
@pytest.mark.parametrize("kind", ["float", "bool"])
def test_attention(batch: tuple[int, ...], shape: tuple[int, ...] | None, kind: str) -> None:
    arrays = tensors(batch)
    mask = None
    constants = {}
    if shape is not None:
        mask = RNG.random(shape) < 0.6 if kind == "bool" else RNG.normal(size=shape).astype(np.float32)
        if kind == "bool":
            mask[..., 0] = True
        else:
            mask[..., 1] = -np.inf
        constants["attn_mask"] = mask
    spec = one_operation("scaled_dot_product_attention", arrays, constants, ("float32", (*batch, L, EV)))
    found = Model(spec).predict(arrays)["out"]
    # Weights sum to 1, so the error is that of float32 sums of 16 terms.
    np.testing.assert_allclose(found, reference(*arrays.values(), mask), atol=3e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"query": np.zeros((L, E))},
        {"key": np.zeros((3, S, E + 1))},
        {"value": np.zeros((3, S + 1, EV))},
        {"value": np.zeros((3, 1, S, EV))},
        {"attn_mask": np.zeros((L, S + 1))},
        {"attn_mask": np.zeros((L, S), dtype=np.int32)},
        {"attn_mask": "text"},
    ],
)
def test_damage_is_an_invalid_model(change: dict[str, object]) -> None:
    arrays = tensors((3,))
    constants = {name: array for name, array in (arrays | change).items() if name in change}
    given = {name: array for name, array in arrays.items() if name not in change}
    spec = one_operation("scaled_dot_product_attention", given, constants, ("float32", (3, L, EV)))
    with pytest.raises(InvalidModelError):
        Model(spec).graph()
