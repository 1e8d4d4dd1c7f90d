"""Weights of float16 programs that are calibrated: their scales and tables are float16 in the file."""

from __future__ import annotations

import numpy as np
import pytest
from mil_programs import Ref
from program_zoo import SIZE, ProgramBuilder

import mltoolkit as mlt
from mltoolkit.calibration.grids import LinearGrid, TableGrid
from mltoolkit.calibration.solver import Solution


@pytest.mark.parametrize("mode", ["linear", "linear_symmetric", "kmeans"])
def test_a_channel_that_is_nearly_zero_stays_so(mode: str) -> None:
    rng = np.random.default_rng(5)
    weights = rng.normal(0, 0.1, (16, 96)).astype(np.float32)
    # Its scale at 8 bits is below the least number of float16, 6e-8.
    weights[3] *= 1e-5
    build = ProgramBuilder(half=True)
    x = build.add("cast", "x_cast", SIZE, x=Ref("x"), dtype="fp16")
    x = build.add("reshape", "rows", (12, 96), x=x, shape=np.int32([12, 96]))
    bias = build.weight("bias", 16, values=np.zeros(16))
    y = build.add("linear", "dense", (12, 16), x=x, weight=build.weight("w", 16, 96, values=weights), bias=bias)
    model = build.finish(y, (12, 16))
    samples = [{"x": rng.normal(size=SIZE).astype(np.float32)} for _ in range(8)]
    small = mlt.quantize_calibrated(model, samples, nbits=8, quantization_mode=mode)
    assert small.quantization_report.changed
    error = np.abs(small.predict(samples[0])["y"] - model.predict(samples[0])["y"]).max(axis=0)
    # Steps of 8 bits are 0.003 here, 96 of which add up at random; the channel's own outputs are 1e-5.
    assert error.max() < 0.05 and error[3] < 1e-3, error


def test_float16_numbers_of_grids_are_neither_zero_nor_infinite() -> None:
    scale = np.float32([[[1e-9], [0.01], [0.0]]])
    codes = np.uint8([[[1, 255], [1, 200], [128, 128]]])
    solution = Solution(LinearGrid(scale, -128 * scale, 256, True, 2, True), codes, 0.0)
    halved = solution.halved()
    np.testing.assert_allclose(halved.grid.scale.reshape(-1), [2.0**-24, 0.01, 0], rtol=2.0**-11)
    # Half a step of the smallest scale, and of the other what float16 leaves of it.
    np.testing.assert_allclose(halved.weights[0, 0], solution.weights[0, 0], atol=2.0**-25 * 1.001)
    np.testing.assert_array_equal(halved.codes[0, 1:], codes[0, 1:])
    table = TableGrid(np.float32([-7e4, 0, 7e4])).halved().table
    np.testing.assert_array_equal(table, [-65504, 0, 65504])
