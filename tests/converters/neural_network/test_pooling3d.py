from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from running import assert_close, convert_layer, new_layer, run_layer, run_layers
from volume_reference import pool, same_borders

from mltoolkit.errors import InvalidModelError, UnsupportedModelError

# Means of up to 60 float32 values, against float64.
TOLERANCE = 1e-6

MAX, AVERAGE = 0, 1
CUSTOM, VALID, SAME = 0, 1, 2
AXES = ("Depth", "Height", "Width")
SIDES = ("Front", "Back", "Top", "Bottom", "Left", "Right")


def _layer(
    kind: int,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: int = VALID,
    custom: tuple[int, ...] = (0,) * 6,
    exclude: bool = False,
) -> tuple[Any, Any]:
    layer, params = new_layer("pooling3d")
    params.type, params.paddingType, params.countExcludePadding = kind, padding, exclude
    for name, values in (("kernel", kernel), ("stride", stride)):
        for axis, value in zip(AXES, values, strict=True):
            setattr(params, name + axis, value)
    for side, value in zip(SIDES, custom, strict=True):
        setattr(params, f"customPadding{side}", value)
    return layer, params


FUNCTIONS = {
    "max": lambda window: np.nanmax(window, axis=-1),
    "average with zeros": lambda window: np.nan_to_num(window).mean(axis=-1),
    "average without": lambda window: np.nanmean(window, axis=-1),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("padding", ["valid", "same", (1, 1, 1, 1, 1, 1), (1, 0, 0, 2, 2, 1)])
@pytest.mark.parametrize(("kernel", "stride"), [((2, 3, 4), (1, 1, 1)), ((3, 3, 3), (2, 1, 3)), ((2, 4, 3), (3, 5, 2))])
def test_pooling(
    function: str,
    padding: str | tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    rng: np.random.Generator,
) -> None:
    # Negative values tell a padded zero from an element that is not seen.
    x = rng.normal(-3, 1, (2, 3, 5, 7, 8)).astype(np.float32)
    custom = padding if isinstance(padding, tuple) else (0,) * 6
    kind = {"valid": VALID, "same": SAME}.get(str(padding), CUSTOM)
    if kind == SAME:
        borders = same_borders(x.shape[2:], kernel, stride)
    else:
        borders = [(custom[i], custom[i + 1]) for i in (0, 2, 4)]
    layer, _ = _layer(
        MAX if function == "max" else AVERAGE, kernel, stride, kind, custom, function == "average without"
    )
    expected = pool(x, kernel, stride, borders, FUNCTIONS[function])
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], expected, TOLERANCE)


@pytest.mark.parametrize("custom", [(0,) * 6, (1, 0, 1, 1, 0, 1)])
def test_padded_zeros_before_a_maximum_stay_zeros(custom: tuple[int, ...], rng: np.random.Generator) -> None:
    x = rng.normal(-9, 1, (1, 2, 3, 4, 4)).astype(np.float32)
    padding, params = new_layer("constantPad", ("x",), ("p",))
    params.padAmounts.extend([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    layer, _ = _layer(MAX, (2, 2, 2), (1, 1, 1), CUSTOM, custom)
    layer.input[0] = "p"
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1), (1, 1)))
    borders = [(custom[i], custom[i + 1]) for i in (0, 2, 4)]
    expected = pool(padded, (2, 2, 2), (1, 1, 1), borders, FUNCTIONS["max"])
    assert_close(run_layers([padding, layer], {"x": x}, rank5=False)["y"], expected, 0)


@pytest.mark.parametrize("kind", [MAX, AVERAGE])
def test_global_pooling(kind: int, rng: np.random.Generator) -> None:
    layer, params = new_layer("globalPooling3d")
    params.type = kind
    x = rng.normal(size=(2, 3, 4, 5, 6)).astype(np.float32)
    function = np.max if kind == MAX else np.mean
    expected = function(x.astype(np.float64), axis=(2, 3, 4), keepdims=True)
    y = run_layer(layer, {"x": x}, rank5=False, shapes={"x": ("n", 3, "d", "h", "w")})["y"]
    assert_close(y, expected, TOLERANCE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernelDepth": 0}, "kernelDepth is 0"),
        ({"strideHeight": 0}, "strideHeight is 0"),
        ({"kernelWidth": -4}, "kernelWidth is -4"),
        ({"kernelWidth": 9}, "spans 9 elements along the width"),
        ({"type": 2}, "pooling type 2"),
        ({"paddingType": 7}, "padding type 7"),
        ({"paddingType": CUSTOM, "customPaddingLeft": -2}, "customPaddingLeft is -2"),
    ],
)
def test_broken_layers_are_refused(changes: dict[str, int], message: str) -> None:
    layer, params = _layer(AVERAGE, (2, 2, 2), (1, 1, 1))
    for name, value in changes.items():
        setattr(params, name, value)
    with pytest.raises(InvalidModelError, match=message):
        convert_layer(layer, {"x": (1, 2, 5, 6, 7)}, rank5=False)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_windows_of_nothing_but_padding(function: str, rng: np.random.Generator) -> None:
    custom = (0, 0, 0, 2, 0, 0)
    kind, exclude = MAX if function == "max" else AVERAGE, function == "average without"
    layer, _ = _layer(kind, (2, 2, 2), (1, 1, 1), CUSTOM, custom, exclude)
    x = rng.normal(-3, 1, (1, 2, 5, 6, 7)).astype(np.float32)
    if function != "average with zeros":
        with pytest.raises(UnsupportedModelError, match="along the height see nothing but padding"):
            run_layer(layer, {"x": x}, rank5=False)
        return
    expected = pool(x, (2, 2, 2), (1, 1, 1), [(0, 0), (0, 2), (0, 0)], FUNCTIONS[function])
    assert (expected == 0).any()
    assert_close(run_layer(layer, {"x": x}, rank5=False)["y"], expected, TOLERANCE)


def test_absurd_windows_are_refused() -> None:
    most = (1 << 31) - 1
    layer, _ = _layer(AVERAGE, (most, 1, 1), (1, 1, 1), CUSTOM, (most - 1, most - 1, 0, 0, 0, 0))
    with pytest.raises((InvalidModelError, UnsupportedModelError), match=r"windows along the depth|GiB"):
        convert_layer(layer, {"x": (1, 2, 5, 6, 7)}, rank5=False)


@pytest.mark.parametrize("kind", ["pooling3d", "globalPooling3d"])
def test_another_rank_is_refused(kind: str) -> None:
    layer, _ = new_layer(kind)
    with pytest.raises(InvalidModelError, match="blob of rank 5"):
        convert_layer(layer, {"x": (2, 5, 6, 7)}, rank5=False)
