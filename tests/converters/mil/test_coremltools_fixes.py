"""Neural networks as coremltools 9.0 alone writes them wrong."""

from __future__ import annotations

import numpy as np
import onnx
from checking import check_onnx

RNG = np.random.default_rng(61)


def test_scalars_that_get_axes() -> None:
    """Sizes that are computed one by one and joined again, as PyTorch exports them."""
    text = """
    <ir_version: 10, opset_import: ["" : 21]>
    agraph (float[n,4] x) => (float[k,m] y, float[1,1] z, float[1] u)
    <int64 zero = {0}, int64 one = {1}, int64 two = {2}, int64[1] front = {0}, int64[2] both = {0, 1}>
    {
      shape = Shape(x)
      rows = Gather(shape, zero)
      half = Div(rows, two)
      twice = Mul(rows, two)
      wide = Unsqueeze(half, front)
      rest = Div(twice, half)
      minus = Constant<value_ints = [-1]>()
      sizes = Concat<axis = 0>(wide, minus)
      flat = Reshape(x, sizes)
      y = Neg(flat)
      number = Cast<to = 1>(rest)
      square = Unsqueeze(number, both)
      z = Neg(square)
      single = Unsqueeze(number, front)
      u = Neg(single)
    }
    """
    model = onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text), data_prop=True)
    check_onnx(model, {"x": RNG.standard_normal((6, 4)).astype(np.float32)})
