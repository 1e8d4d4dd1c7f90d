from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import convert_layer, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

SHAPES = [(5,), (2, 3), (2, 1, 3, 2, 4)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("known", [True, False])
def test_like(shape: tuple[int, ...], known: bool) -> None:
    layer, params = new_layer("fillLike")
    params.value = 1.5
    shapes: Any = {} if known else {"x": ("n",) * len(shape)}
    y = run_layer(layer, {"x": np.zeros(shape)}, rank5=False, shapes=shapes)["y"]
    np.testing.assert_array_equal(y, np.full(shape, 1.5))


@pytest.mark.parametrize("shape", SHAPES)
def test_static(shape: tuple[int, ...]) -> None:
    layer, params = new_layer("fillStatic", ())
    params.value = -2
    params.targetShape.extend(shape)
    np.testing.assert_array_equal(run_layer(layer, {}, rank5=False)["y"], np.full(shape, -2))


@pytest.mark.parametrize("shape", SHAPES)
def test_dynamic(shape: tuple[int, ...]) -> None:
    layer, params = new_layer("fillDynamic")
    params.value = 0.25
    y = run_layer(layer, {"x": np.array(shape)}, rank5=False)["y"]
    np.testing.assert_array_equal(y, np.full(shape, 0.25))


@pytest.mark.parametrize("shape", [(), (3, 0), (1 << 40,), (1 << 20, 1 << 20)])
def test_absurd_shapes_are_refused(shape: tuple[int, ...]) -> None:
    layer, params = new_layer("fillStatic", ())
    params.targetShape.extend(shape)
    with pytest.raises(InvalidModelError, match=r"targetShape|limit here|GiB"):
        convert_layer(layer, {}, rank5=False)


def test_a_shape_of_rank_two_is_refused() -> None:
    layer, _ = new_layer("fillDynamic")
    with pytest.raises(InvalidModelError, match=r"rank 1, but gets one of shape \(1, 3\)"):
        convert_layer(layer, {"x": (1, 3)}, rank5=False)


@pytest.mark.parametrize(("kind", "count"), [("fillStatic", 1), ("fillLike", 0), ("fillDynamic", 2)])
def test_a_wrong_number_of_inputs_is_refused(kind: str, count: int) -> None:
    layer, _ = new_layer(kind, ("x",) * count)
    with pytest.raises(InvalidModelError, match=f"inputs but has {count}"):
        convert_layer(layer, {"x": (3,)}, rank5=False)


# Input shape, target shape.
BROADCASTS = [((3,), (3,)), ((1,), (4,)), ((2, 1), (2, 5)), ((3, 1), (2, 4, 3, 2)), ((1, 1, 2), (1, 3, 2))]


@pytest.mark.parametrize(("given", "target"), BROADCASTS)
@pytest.mark.parametrize("kind", ["broadcastToLike", "broadcastToStatic", "broadcastToDynamic"])
@pytest.mark.parametrize("known", [True, False])
def test_broadcast(
    given: tuple[int, ...], target: tuple[int, ...], kind: str, known: bool, rng: np.random.Generator
) -> None:
    x = rng.normal(size=given).astype(np.float32)
    layer, params = new_layer(kind, ("x",) if kind == "broadcastToStatic" else ("x", "shape"))
    if kind == "broadcastToStatic":
        params.targetShape.extend(target)
    shape = np.zeros(target) if kind == "broadcastToLike" else np.array(target)
    shapes: Any = {} if known else {"x": ("n",) * len(given)}
    if kind == "broadcastToLike" and not known:
        shapes["shape"] = (None,) * len(target)
    y = run_layer(layer, {"x": x, "shape": shape}, rank5=False, shapes=shapes)["y"]
    np.testing.assert_array_equal(y, np.broadcast_to(x, target))


@pytest.mark.parametrize(("given", "target"), [((3,), (1,)), ((2, 3), (3,)), ((2, 3), (4, 2, 4))])
@pytest.mark.parametrize("kind", ["broadcastToLike", "broadcastToStatic"])
def test_a_broadcast_that_numpy_refuses(given: tuple[int, ...], target: tuple[int, ...], kind: str) -> None:
    layer, params = new_layer(kind, ("x",) if kind == "broadcastToStatic" else ("x", "like"))
    if kind == "broadcastToStatic":
        params.targetShape.extend(target)
    with pytest.raises(InvalidModelError, match="cannot be broadcast to"):
        convert_layer(layer, {"x": given, "like": target}, rank5=False)
