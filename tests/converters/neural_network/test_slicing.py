"""Slice and crop against NumPy; exact."""

from __future__ import annotations

import numpy as np
import pytest
from running import assert_close, new_layer, run_layer

from mltoolkit.errors import InvalidModelError

AXES = {"CHANNEL_AXIS": -3, "HEIGHT_AXIS": -2, "WIDTH_AXIS": -1}


def slice_layer(start, end, stride=1, axis="WIDTH_AXIS"):
    layer, params = new_layer("slice")
    params.startIndex, params.endIndex, params.stride = start, end, stride
    params.axis = params.SliceAxis.Value(axis)
    return layer


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("start", [0, 1, 5, -4, -9, -100])
@pytest.mark.parametrize("end", [5, 9, 100, -1, -3])
@pytest.mark.parametrize("stride", [1, 2, 3, 50])
@pytest.mark.parametrize("rank5", [True, False])
def test_slice(rng, axis, start, end, stride, rank5):
    x = rng.normal(size=(2, 9, 9, 9) if rank5 else (9, 9, 9)).astype(np.float32)
    where = [slice(None)] * x.ndim
    where[AXES[axis]] = slice(start, end, stride)
    expected = x[tuple(where)]
    layer = slice_layer(start, end, stride, axis)
    if not expected.size:
        with pytest.raises(InvalidModelError, match="an axis of size 9 has nothing"):
            run_layer(layer, {"x": x}, rank5)
        return
    assert_close(run_layer(layer, {"x": x}, rank5)["y"], expected, 0)


@pytest.mark.parametrize("start", [0, 3, -2])
def test_an_unset_end_is_the_end_of_the_axis(rng, start):
    x = rng.normal(size=(1, 2, 3, 7)).astype(np.float32)
    assert_close(run_layer(slice_layer(start, 0), {"x": x})["y"], x[..., start:], 0)


def test_extreme_indices_are_clamped_as_in_numpy(rng):
    x = rng.normal(size=(1, 2, 3, 7)).astype(np.float32)
    layer = slice_layer(-(2**63), 2**63 - 1)
    assert_close(run_layer(layer, {"x": x})["y"], x, 0)
    layer = slice_layer(2, 2**63 - 1, 2**64 - 1)
    assert_close(run_layer(layer, {"x": x})["y"], x[..., 2:3], 0)


@pytest.mark.parametrize(
    ("start", "end", "stride", "what"), [(0, 3, 0, "stride is 0"), (5, 3, 1, "nothing"), (7, 9, 1, "nothing")]
)
def test_impossible_slices(start, end, stride, what):
    with pytest.raises(InvalidModelError, match=what):
        run_layer(slice_layer(start, end, stride), {"x": np.zeros((1, 2, 3, 7))})


def test_unknown_axis():
    layer = slice_layer(0, 1)
    layer.slice.axis = 9
    with pytest.raises(InvalidModelError, match="axis 9"):
        run_layer(layer, {"x": np.zeros((1, 2, 3, 7))})


def set_borders(message, *pairs):
    for start, end in pairs:
        message.borderAmounts.add(startEdgeSize=start, endEdgeSize=end)


@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (3, 8, 9), (1, 2, 3, 8, 9)])
@pytest.mark.parametrize("borders", [((0, 0), (0, 0)), ((1, 2), (3, 4)), ((0, 7), (8, 0)), ((5, 0), (0, 1))])
def test_crop_of_borders(rng, shape, borders):
    x = rng.normal(size=shape).astype(np.float32)
    layer, params = new_layer("crop")
    set_borders(params.cropAmounts, *borders)
    (top, bottom), (left, right) = borders
    expected = x[..., top : 8 - bottom, left : 9 - right]
    assert_close(run_layer(layer, {"x": x}, rank5=len(shape) == 4)["y"], expected, 0)


@pytest.mark.parametrize("offset", [(0, 0), (2, 3), (4, 5)])
def test_crop_to_a_reference(rng, offset):
    x = rng.normal(size=(2, 3, 8, 9)).astype(np.float32)
    reference = rng.normal(size=(2, 1, 4, 4)).astype(np.float32)
    layer, params = new_layer("crop", inputs=("x", "reference"))
    params.offset.extend(offset)
    expected = x[:, :, offset[0] : offset[0] + 4, offset[1] : offset[1] + 4]
    assert_close(run_layer(layer, {"x": x, "reference": reference})["y"], expected, 0)


@pytest.mark.parametrize(
    ("borders", "what"),
    [
        (((4, 4), (0, 0)), "cutting 4 . 4 off a height of 8"),
        (((0, 0), (9, 0)), "off a width of 9"),
        (((0, 2**63), (0, 0)), "cropAmounts.endEdgeSize is"),
        (((0, 0),), "cropAmounts has 1 entries"),
    ],
)
def test_impossible_borders(borders, what):
    layer, params = new_layer("crop")
    set_borders(params.cropAmounts, *borders)
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, {"x": np.zeros((1, 3, 8, 9))})


@pytest.mark.parametrize(
    ("offset", "what"),
    [
        ((5, 0), "5 to 9 are cut out of a height of only 8"),
        ((0, 2**62), "offset is"),
        ((1,), "offset has 1 values"),
        ((), "offset has 0"),
    ],
)
def test_impossible_offsets(offset, what):
    layer, params = new_layer("crop", inputs=("x", "reference"))
    params.offset.extend(offset)
    with pytest.raises(InvalidModelError, match=what):
        run_layer(layer, {"x": np.zeros((1, 3, 8, 9)), "reference": np.zeros((1, 3, 4, 4))})


def test_number_of_inputs():
    layer, _ = new_layer("crop", inputs=("x", "y", "z"))
    with pytest.raises(InvalidModelError, match="1 or 2 inputs but has 3"):
        run_layer(layer, {"x": np.zeros((1, 3, 8, 9))})
