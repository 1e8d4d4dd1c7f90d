"""Quantized operators: QDQ of activations and weights, products of codes, on all systems."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from checking import check_onnx, check_refused, finished, one_node
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(47)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def codes(kind: Any, *shape: int) -> np.ndarray:
    limits = np.iinfo(kind)
    return RNG.integers(limits.min, limits.max + 1, shape).astype(kind)


def graph(
    nodes: list[onnx.NodeProto],
    feeds: dict[str, np.ndarray],
    constants: dict[str, np.ndarray],
    tensors: tuple[TensorProto, ...] = (),
) -> onnx.ModelProto:
    return finished(
        helper.make_graph(
            nodes,
            "quantized",
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                for name, array in feeds.items()
            ],
            [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)],
            [*(numpy_helper.from_array(array, name) for name, array in constants.items()), *tensors],
        )
    )


@pytest.mark.parametrize("system", ["iOS15", "iOS17"])
@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.uint16])
def test_quantize_and_dequantize(system: str, kind: Any) -> None:
    # The halves show that both round to even codes.
    x = np.concatenate([random(1, 20) * 9, np.arange(-3, 3, dtype=np.float32)[None] / 4], axis=1)
    constants = {"s": np.array(0.5, np.float32), "z": np.array(3, kind)}
    model = graph(
        [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
        ],
        {"x": x},
        constants,
    )
    formats = ["mlpackage", "mlmodel"] if system == "iOS15" else ["mlpackage"]
    checked = check_onnx(model, {"x": x}, formats=formats, minimum_deployment_target=system)
    native = system == "iOS17" and np.dtype(kind).itemsize == 1
    written = checked["mlpackage"].written.operations
    assert ("quantize" in written) == ("dequantize" in written) == native


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("system", ["iOS15", "iOS17"])
def test_scales_along_an_axis(axis: int, system: str) -> None:
    shape = (3, 4, 5)
    x = random(*shape) * 20
    size = shape[axis]
    constants = {"s": RNG.uniform(0.1, 0.9, size).astype(np.float32), "z": RNG.integers(0, 200, size).astype(np.uint8)}
    model = one_node("QuantizeLinear", {"x": x}, constants, axis=axis)
    check_onnx(model, {"x": x}, minimum_deployment_target=system)
    q = codes(np.uint8, *shape)
    check_onnx(one_node("DequantizeLinear", {"q": q}, constants, axis=axis), {"q": q}, minimum_deployment_target=system)


def test_blocks() -> None:
    x = random(2, 8) * 5
    constants = {"s": RNG.uniform(0.1, 0.9, (2, 4)).astype(np.float32), "z": codes(np.int8, 2, 4)}
    check_onnx(one_node("QuantizeLinear", {"x": x}, constants, axis=1, block_size=2), {"x": x})
    q = codes(np.int8, 2, 8)
    check_onnx(one_node("DequantizeLinear", {"q": q}, constants, axis=1, block_size=2), {"q": q})


def qdq_convolution(kind: Any) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """The usual form of a quantized layer: codes of the input, of the weights by channel, of the output."""
    feeds = {"x": random(1, 8, 9, 9)}
    constants = {
        "xs": np.array(0.03, np.float32),
        "xz": np.array(120, np.uint8),
        "w": codes(kind, 16, 8, 3, 3),
        "ws": RNG.uniform(0.001, 0.01, 16).astype(np.float32),
        "wz": np.zeros(16, kind),
        "b": random(16),
        "ys": np.array(0.05, np.float32),
        "yz": np.array(100, np.uint8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("Conv", ["xd", "wd", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "ys", "yz"], ["yq"]),
        helper.make_node("DequantizeLinear", ["yq", "ys", "yz"], ["y"]),
    ]
    return graph(nodes, feeds, constants), feeds


@pytest.mark.parametrize("system", ["iOS15", "iOS16", "iOS17", "iOS18"])
def test_a_quantized_convolution(system: str) -> None:
    model, feeds = qdq_convolution(np.int8)
    # One code of the output may differ where sums taken in another order lie on either side of a half.
    checked = check_onnx(model, feeds, formats=["mlpackage"], minimum=45, minimum_deployment_target=system)
    written = checked["mlpackage"].written.operations
    constant = "constexpr_blockwise_shift_scale" if system == "iOS18" else "constexpr_affine_dequantize"
    assert written.get(constant, 0) == (0 if system == "iOS15" else 1), written
    assert ("dequantize" in written) == (system in ("iOS17", "iOS18"))


def test_the_system_that_keeps_codes_is_chosen_when_none_is_given() -> None:
    model, feeds = qdq_convolution(np.int8)
    written = check_onnx(model, feeds, formats=["mlpackage"], minimum=45)["mlpackage"].written
    assert written.operations["constexpr_affine_dequantize"] == 1
    assert any("iOS16" in note for note in written.notes), written.notes


def test_codes_with_float16_scales_stay_codes() -> None:
    rows, columns = 32, 24
    constants = {"w": codes(np.int8, rows, columns), "s": RNG.uniform(0.01, 0.02, columns).astype(np.float16)}
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"], axis=1),
        helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["half", "d"], ["product"]),
        helper.make_node("Cast", ["product"], ["y"], to=TensorProto.FLOAT),
    ]
    feeds = {"x": random(3, rows)}
    exact = feeds["x"] @ (constants["w"] * constants["s"].astype(np.float32))
    # The source rounds inputs, weights and sums to float16; what is written here rounds none of them.
    checked = check_onnx(graph(nodes, feeds, constants), feeds, expected={"y": exact})
    assert checked["mlpackage"].written.operations["constexpr_affine_dequantize"] == 1
    assert any("iOS16" in note for note in checked["mlpackage"].written.notes)
    (layer,) = (layer for layer in checked["mlmodel"].written.spec.neuralNetwork.layers if layer.name == "product")
    size = len(layer.SerializeToString())
    assert size < 2 * rows * columns, f"{size} bytes for {rows * columns} codes of 8 bits"


def test_a_quantized_convolution_as_a_neural_network() -> None:
    model, feeds = qdq_convolution(np.int8)
    check_onnx(model, feeds, formats=["mlmodel"], minimum=45)


def test_dynamic_quantization() -> None:
    x = random(4, 5) * 3
    check_onnx(one_node("DynamicQuantizeLinear", {"x": x}, outputs=3), {"x": x})


def test_integer_products() -> None:
    feeds = {"a": codes(np.uint8, 3, 12)}
    weights = {"b": codes(np.int8, 12, 5), "az": np.array(7, np.uint8), "bz": np.array(-3, np.int8)}
    check_onnx(one_node("MatMulInteger", feeds, weights), feeds)
    check_refused(one_node("MatMulInteger", {"a": codes(np.uint8, 3, 4000), "b": codes(np.uint8, 4000, 2)}), "16777216")
    image = {"x": codes(np.uint8, 1, 3, 6, 6)}
    kernel = {"w": codes(np.uint8, 4, 3, 3, 3), "xz": np.array(5, np.uint8), "wz": np.array(99, np.uint8)}
    check_onnx(one_node("ConvInteger", image, kernel, pads=[1, 1, 1, 1]), image)


def test_linear_products() -> None:
    feeds = {"a": codes(np.uint8, 3, 12)}
    rest = {
        "as": np.array(0.02, np.float32),
        "az": np.array(120, np.uint8),
        "b": codes(np.uint8, 12, 5),
        "bs": RNG.uniform(0.01, 0.03, 5).astype(np.float32),
        "bz": np.full(5, 130, np.uint8),
        "ys": np.array(0.3, np.float32),
        "yz": np.array(128, np.uint8),
    }
    order = ["a", "as", "az", "b", "bs", "bz", "ys", "yz"]
    check_onnx(one_node("QLinearMatMul", feeds, rest, order), feeds)
    image = {"x": codes(np.uint8, 1, 3, 6, 6)}
    rest = {
        "xs": np.array(0.02, np.float32),
        "xz": np.array(120, np.uint8),
        "w": codes(np.int8, 4, 3, 3, 3),
        "ws": RNG.uniform(0.01, 0.03, 4).astype(np.float32),
        "wz": np.zeros(4, np.int8),
        "ys": np.array(0.5, np.float32),
        "yz": np.array(128, np.uint8),
        "b": RNG.integers(-3000, 3000, 4).astype(np.int32),
    }
    order = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    check_onnx(one_node("QLinearConv", image, rest, order, strides=[2, 2]), image)


def test_codes_that_are_cut_off_stay_so() -> None:
    """Clip and Cast make codes, too, but cut their fractions off."""
    nodes = [
        helper.make_node("Clip", ["x", "low", "high"], ["c"]),
        helper.make_node("Cast", ["c"], ["q"], to=TensorProto.INT8),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    constants = {
        "low": np.array(-5, np.float32),
        "high": np.array(5, np.float32),
        "s": np.array(0.5, np.float32),
        "z": np.array(1, np.int8),
    }
    feeds = {"x": random(4, 5) * 4}
    model = graph(nodes, feeds, constants)
    check_onnx(model, feeds)
    check_onnx(model, feeds, formats=["mlpackage"], minimum_deployment_target="iOS17")


@pytest.mark.parametrize(("system", "bits", "block"), [("iOS16", 8, 0), ("iOS18", 8, 8), ("iOS18", 4, 8)])
@pytest.mark.parametrize("operator", ["MatMul", "Gemm", "Gather"])
def test_weights_of_products_and_tables_stay_codes(system: str, bits: int, block: int, operator: str) -> None:
    rows, columns = 32, 24
    low, high = -(1 << (bits - 1)), 1 << (bits - 1)
    numbers = RNG.integers(low, high, (rows, columns))
    if bits == 4:
        weight = helper.make_tensor("w", TensorProto.INT4, [rows, columns], numbers.reshape(-1).tolist())
    else:
        weight = numpy_helper.from_array(numbers.astype(np.int8), "w")
    shape = [rows // block, columns] if block else [columns]
    scale = numpy_helper.from_array(RNG.uniform(0.01, 0.02, shape).astype(np.float32), "s")
    attributes = {"axis": 0, "block_size": block} if block else {"axis": 1}
    nodes = [helper.make_node("DequantizeLinear", ["w", "s"], ["d"], **attributes)]
    if operator == "Gather":
        feeds = {"x": np.array([[3, 0, 31]])}
        nodes.append(helper.make_node("Gather", ["d", "x"], ["y"]))
    else:
        feeds = {"x": random(3, rows)}
        nodes.append(helper.make_node(operator, ["x", "d"], ["y"]))
    model = graph(nodes, feeds, {}, (weight, scale))
    decoded = numbers * (np.repeat(numpy_helper.to_array(scale), block, 0) if block else numpy_helper.to_array(scale))
    expected = decoded[feeds["x"]] if operator == "Gather" else feeds["x"] @ decoded
    checked = check_onnx(
        model,
        feeds,
        expected={"y": expected.astype(np.float32)},
        formats=["mlpackage"],
        minimum_deployment_target=system,
    )
    written = checked["mlpackage"].written.operations
    assert any(name.startswith("constexpr") for name in written), written
