"""The arguments of quantization: what is allowed, and what a wrong one is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mltoolkit.errors import ArgumentError
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import ALIASES, FLOAT16, MODES


@pytest.mark.parametrize("nbits", [1, 2, 3, 4, 5, 6, 7, 8, np.int64(4), np.uint8(8), np.int32(16), 16])
def test_numbers_of_bits(nbits: Any) -> None:
    config = QuantizationConfig(nbits, "kmeans")
    assert type(config.nbits) is int
    assert config.nbits == nbits
    assert config.mode is (FLOAT16 if nbits == 16 else MODES["kmeans"])


@pytest.mark.parametrize(
    "nbits",
    [0, 9, -1, 15, 17, 32, 4.5, 8.0, np.float32(8), "8", True, np.True_, None, [8], 2**70, float("nan")],
)
def test_other_numbers_of_bits_are_told_what_is_allowed(nbits: Any) -> None:
    with pytest.raises(ArgumentError, match=r"Choose 1 to 8, or 16 \(float16\)") as raised:
        QuantizationConfig(nbits, "linear")
    assert str(nbits) in str(raised.value)


@pytest.mark.parametrize("mode", [*MODES, *ALIASES])
def test_sixteen_bits_are_float16_under_any_name(mode: str) -> None:
    config = QuantizationConfig(16, mode)
    assert config.mode.kind == ("float32" if mode == "dequantization" else "float16")


@pytest.mark.parametrize("nbits", [None, 1, 8, 16, 32])
def test_dequantization_needs_no_number(nbits: int | None) -> None:
    assert QuantizationConfig(nbits, "dequantization").dequantizes


@pytest.mark.parametrize("nbits", [0, 9, "8", 2.0])
def test_dequantization_takes_no_nonsense(nbits: Any) -> None:
    with pytest.raises(ArgumentError):
        QuantizationConfig(nbits, "dequantization")


@pytest.mark.parametrize(
    ("mode", "close"),
    [
        ("kmean", "'kmeans'"),
        ("Linear", "'linear'"),
        ("linear-symmetric", "'linear_symmetric'"),
        ("dequantize", "'dequantization'"),
    ],
)
def test_a_misspelt_mode_is_told_the_close_ones(mode: str, close: str) -> None:
    with pytest.raises(ArgumentError, match=r"Did you mean") as raised:
        QuantizationConfig(8, mode)
    assert close in str(raised.value)


@pytest.mark.parametrize("mode", ["zzz", None, 8, ["linear"]])
def test_no_mode_at_all(mode: Any) -> None:
    with pytest.raises(ArgumentError, match="no quantization mode"):
        QuantizationConfig(8, mode)


def test_symmetric_codes_of_one_bit_are_refused() -> None:
    with pytest.raises(ArgumentError, match="2 to 8 bits"):
        QuantizationConfig(1, "linear_symmetric")


@pytest.mark.parametrize("function", [None, 5, "f"])
def test_custom_lut_needs_a_function(function: Any) -> None:
    with pytest.raises(ArgumentError, match="lut_function"):
        QuantizationConfig(4, "custom_lut", lut_function=function)
    QuantizationConfig(16, "custom_lut", lut_function=None)  # float16 needs none


def test_a_function_that_is_not_used_is_told(caplog: pytest.LogCaptureFixture) -> None:
    QuantizationConfig(4, "linear", lut_function=lambda nbits, weights: ([], []))
    assert "lut_function is not used" in caplog.text


@pytest.mark.parametrize("selector", [5, "conv1", object(), ["conv1"]])
def test_a_selector_is_a_function_or_has_do_quantize(selector: Any) -> None:
    with pytest.raises(ArgumentError, match="do_quantize"):
        QuantizationConfig(8, selector=selector)


def test_numbers_of_numpy_become_plain_ones() -> None:
    given: dict[str, Any] = {
        "group_size": np.int64(8),
        "channel_axis": np.int64(0),
        "cluster_dim": np.uint8(2),
        "block_size": (np.int64(0), np.int32(8)),
    }
    config = QuantizationConfig(4, "kmeans", **given)
    for name, value in given.items():
        plain = getattr(config, name)
        assert plain == value
        assert {type(number) for number in (plain if isinstance(plain, tuple) else (plain,))} == {int}, name
    given["channel_axis"] = "0"
    with pytest.raises(ArgumentError, match="channel_axis"):
        QuantizationConfig(4, "kmeans", **given)


def test_a_table_of_the_own_values_goes_with_no_scales() -> None:
    with pytest.raises(ArgumentError, match="per_channel_scale=False"):
        QuantizationConfig(None, "unique", per_channel_scale=True)
