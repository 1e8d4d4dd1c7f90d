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


def test_names_of_the_source_that_coremltools_makes_up_itself() -> None:
    """Results called linear_0 … by PyTorch, next to those that coremltools counts."""
    names = ["linear_3", "linear_2", "linear_1", "linear_0", "relu_0"]
    lines = []
    for index, name in enumerate(names):
        before = names[index - 1] if index else "x"
        lines.append(f"p{index} = MatMul({before}, w)  {name} = Add(p{index}, b)")
    text = f"""
    <ir_version: 10, opset_import: ["" : 21]>
    agraph (float[3,2] x) => (float[3,2] relu_0)
    <float[2,2] w = {{0.5, -1.0, 0.25, 0.75}}, float[2] b = {{0.1, -0.2}}>
    {{ {" ".join(lines)} }}
    """
    model = onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text))
    checked = check_onnx(model, {"x": RNG.standard_normal((3, 2)).astype(np.float32)})
    function = checked["mlpackage"].written.spec.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    results = [output.name for operation in block.operations for output in operation.outputs]
    assert len(results) == len(set(results))
