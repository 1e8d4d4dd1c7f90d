"""How far a stored value can lie from the original, for any shape, scale, axis and number of bits."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_zoo import layer_spec

from mltoolkit.formats.weight_fields import iter_weight_fields
from mltoolkit.formats.weights import LinearCodes, read_codes, read_weight, write_float32
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.quantize_spec import quantize_spec


@st.composite
def convolutions(draw: st.DrawFn) -> Any:
    """A convolution or deconvolution with weights of widely different channels, some constant or zero."""
    deconvolution = draw(st.booleans())
    outputs, inputs = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    height, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.standard_normal((outputs, inputs, height, width))
    exponents = draw(st.lists(st.integers(-30, 30), min_size=outputs, max_size=outputs))
    values *= 10.0 ** np.array(exponents)[:, None, None, None]
    for channel in range(outputs):
        kind = draw(st.sampled_from(["normal", "normal", "constant", "zero"]))
        if kind != "normal":
            values[channel] = values[channel].flat[0] if kind == "constant" else 0.0
    if deconvolution:
        values = values.swapaxes(0, 1)
    sizes = {
        "outputChannels": outputs,
        "kernelChannels": inputs,
        "kernelSize": [height, width],
        "isDeconvolution": int(deconvolution),
    }
    spec = layer_spec("convolution", sizes=sizes, shapes={})
    write_float32(spec.neuralNetwork.layers[0].convolution.weights, values.astype(np.float32))
    return spec


def weights_before_and_after(spec: Any, nbits: int, mode: str, **options: Any) -> tuple[Any, Any, Any]:
    config = QuantizationConfig(nbits, mode, only_if_smaller=False, **options)
    result, _ = quantize_spec(spec, config)
    (old,), (new,) = iter_weight_fields(spec), iter_weight_fields(result)
    before, after = (
        np.moveaxis(read_weight(field.params, field.shape, field.where, field.channel_axis), field.channel_axis, 0)
        for field in (old, new)
    )
    return before.astype(float), after.astype(float), new


@settings(max_examples=150, deadline=None)
@given(
    spec=convolutions(),
    nbits=st.integers(1, 8),
    mode=st.sampled_from(["linear", "linear_symmetric"]),
    per=st.booleans(),
)
def test_linear_codes_are_at_most_half_a_step_away(spec: Any, nbits: int, mode: str, per: bool) -> None:
    nbits = max(nbits, 2 if mode == "linear_symmetric" else 1)
    before, after, field = weights_before_and_after(spec, nbits, mode, per_channel=per)
    stored = read_codes(field.params, field.count, field.where)
    assert isinstance(stored, LinearCodes)
    assert stored.scale.size == (before.shape[0] if per else 1)
    rows = before.reshape(stored.scale.size, -1)
    error = np.abs(after.reshape(rows.shape) - rows).max(axis=1)
    # Half a step, and float32's rounding of scale, bias, product and sum, relative to the largest number.
    bound = 0.5 * stored.scale.astype(float) + 4 * 2.0**-23 * np.abs(rows).max(axis=1) + 2.0**-149
    assert (error <= bound).all(), (error / bound).max()
    ranges = np.ptp(rows, axis=1) if mode == "linear" else 2 * np.abs(rows).max(axis=1)
    levels = 2**nbits - (1 if mode == "linear" else 2)
    np.testing.assert_allclose(stored.scale, ranges / levels, rtol=1e-6, atol=2.0**-149)


@settings(max_examples=60, deadline=None)
@given(spec=convolutions(), nbits=st.integers(1, 8))
def test_even_tables_are_at_most_half_a_step_away(spec: Any, nbits: int) -> None:
    before, after, _ = weights_before_and_after(spec, nbits, "linear_lut")
    step = np.ptp(before) / (2**nbits - 1)
    assert np.abs(after - before).max() <= 0.5 * step + 4 * 2.0**-23 * np.abs(before).max() + 2.0**-149


@settings(max_examples=60, deadline=None)
@given(spec=convolutions())
def test_kmeans_tables_get_better_with_each_bit(spec: Any) -> None:
    errors = []
    for nbits in range(1, 9):
        before, after, _ = weights_before_and_after(spec, nbits, "kmeans")
        errors.append(float(np.sum((after - before) ** 2)))
        if len(np.unique(before)) <= 2**nbits:
            np.testing.assert_array_equal(after, before)
    # Within 0.1 % of the optimum, which cannot get worse; 2^-48 is the rounding of the table.
    floor = 2.0**-46 * float(np.sum(before**2))
    assert all(more <= 1.001 * fewer + floor for fewer, more in pairwise(errors)), errors


@settings(max_examples=60, deadline=None)
@given(spec=convolutions())
def test_float16_is_the_nearest_or_nothing_at_all(spec: Any) -> None:
    before, after, field = weights_before_and_after(spec, 16, "linear")
    if field.params.float16Value:
        # 11 significant bits, and steps of 2^-24 below the normal range.
        assert (np.abs(after - before) <= 2.0**-11 * np.abs(before) + 2.0**-25).all()
    else:
        np.testing.assert_array_equal(after, before)
        assert np.abs(before).max() > 65504 or np.abs(before).max() < 2.0**-14
