"""Biases that calibration shifts are those that the file has."""

from __future__ import annotations

from typing import Any

import numpy as np
from mil_programs import Ref
from program_zoo import SIZE, ProgramBuilder, convolution

import mltoolkit as mlt


def test_the_file_gives_what_was_measured_where_two_operations_read_a_bias() -> None:
    build = ProgramBuilder()
    x = build.add("cast", "x_cast", SIZE, x=Ref("x"), dtype="fp32")
    a, b = convolution(build, x, "a"), convolution(build, x, "b")
    constants: dict[str, Any] = {operation.outputs[0].name: operation for operation in build.block.operations}
    constants["b_bias"].attributes["val"].CopyFrom(constants["a_bias"].attributes["val"])
    model = build.finish(build.add("add", "sum", (1, 16, 12, 12), x=a, y=b), (1, 16, 12, 12))
    rng = np.random.default_rng(1)
    samples = [{"x": rng.normal(1, 1, SIZE).astype(np.float32)} for _ in range(6)]
    small = mlt.quantize_calibrated(model, samples, nbits=2)
    before = np.stack([model.predict(one)["y"] for one in samples]).astype(np.float64)
    after = np.stack([small.predict(one)["y"] for one in samples])
    divergence = float(((after - before) ** 2).mean() / before.var())
    # The outputs are rounded to float32, and summed in another order.
    np.testing.assert_allclose(small.quantization_report.chosen.divergence, divergence, rtol=1e-4)
