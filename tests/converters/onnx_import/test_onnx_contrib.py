"""Operators of com.microsoft: the import equals onnxruntime's own kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import FLOAT, decibels, model_of, normal, run

from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.errors import UnsupportedLayersError

# Different order of float32 sums.
ENOUGH = 110.0
UINT8 = TensorProto.UINT8


def contrib(op_type: str, inputs: list[str], outputs: list[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs, outputs, domain="com.microsoft", **attributes)


def check(model: onnx.ModelProto, feeds: dict[str, Any], enough: float = ENOUGH) -> None:
    source = import_onnx(model)
    assert all(node.domain == "" for node in source.model.graph)
    for expected, got in zip(run(model, feeds), run(source, feeds), strict=True):
        assert expected.dtype == got.dtype
        found = decibels(expected, got)
        assert found >= enough, f"{found:.1f} dB"


def single(op_type: str, inputs: dict[str, Any], outputs: int = 1, **attributes: Any) -> onnx.ModelProto:
    """One node whose inputs (float32) are all fed."""
    names = [f"y{index}" for index in range(outputs)]
    infos = {name: (helper.np_dtype_to_tensor_dtype(value.dtype), value.shape) for name, value in inputs.items()}
    return model_of([contrib(op_type, list(inputs), names, **attributes)], infos, names, domains=[("com.microsoft", 1)])


@pytest.mark.parametrize(
    ("op_type", "attributes"), [("Gelu", {}), ("FastGelu", {}), ("QuickGelu", {}), ("QuickGelu", {"alpha": 1.1})]
)
def test_activations(op_type: str, attributes: dict[str, Any]) -> None:
    feeds = {"x": normal(3, 17)}
    check(single(op_type, feeds, **attributes), feeds)


@pytest.mark.parametrize("op_type", ["BiasGelu", "FastGelu"])
def test_activations_of_sums(op_type: str) -> None:
    feeds = {"x": normal(3, 17), "bias": normal(17, seed=1)}
    check(single(op_type, feeds), feeds)


@pytest.mark.parametrize(
    "activation",
    [
        {},
        {"activation": "Relu"},
        {"activation": "Tanh"},
        {"activation": "LeakyRelu", "activation_params": [0.2]},
        {"activation": "Clip", "activation_params": [0.0, 6.0]},
        {"activation": "HardSigmoid", "activation_params": [0.2, 0.5]},
    ],
)
def test_fused_convolution(activation: dict[str, Any]) -> None:
    feeds = {"x": normal(1, 3, 9, 8), "w": normal(4, 3, 3, 3, seed=1), "b": normal(4, seed=2)}
    check(single("FusedConv", feeds, pads=[1, 1, 1, 1], **activation), feeds)


def test_fused_convolution_with_a_sum() -> None:
    feeds = {"x": normal(1, 3, 9, 8), "w": normal(4, 3, 1, 1, seed=1), "b": normal(4, seed=2), "z": normal(1, 4, 9, 8)}
    check(single("FusedConv", feeds, activation="Relu"), feeds)


def test_products() -> None:
    feeds = {"a": normal(2, 5, 3), "b": normal(2, 7, 5, seed=1)}
    check(single("FusedMatMul", feeds, transA=1, transB=1, alpha=0.25), feeds)
    feeds = {"a": normal(5, 3), "b": normal(3, 4, seed=1), "c": normal(4, seed=2)}
    check(single("FusedGemm", feeds, activation="LeakyRelu", activation_alpha=0.3, alpha=0.5), feeds)


def test_layer_normalisations() -> None:
    feeds = {"x": normal(2, 5, 16), "skip": normal(2, 5, 16, seed=1), "gamma": normal(16, seed=2)}
    check(single("SkipSimplifiedLayerNormalization", feeds, epsilon=1e-5), feeds)
    feeds |= {"beta": normal(16, seed=3), "bias": normal(16, seed=4)}
    check(single("SkipLayerNormalization", feeds, epsilon=1e-5), feeds)
    model = single("SkipLayerNormalization", feeds, epsilon=1e-5)
    model.graph.node[0].output.extend(["", "", "total"])
    model.graph.output.append(helper.make_tensor_value_info("total", FLOAT, None))
    check(model, feeds)


def test_simplified_layer_normalisation_in_the_domain_of_onnx() -> None:
    node = helper.make_node("SimplifiedLayerNormalization", ["x", "scale"], ["y"], axis=-1, epsilon=1e-6)
    feeds = {"x": normal(2, 5, 16), "scale": normal(16, seed=1)}
    check(model_of([node], {"x": (FLOAT, (2, 5, 16)), "scale": (FLOAT, (16,))}, ["y"]), feeds)


def test_embedding() -> None:
    rng = np.random.default_rng(0)
    feeds = {
        "words": rng.integers(0, 11, (2, 6)).astype(np.int32),
        "segments": rng.integers(0, 2, (2, 6)).astype(np.int32),
        "word_table": normal(11, 8),
        "place_table": normal(9, 8, seed=1),
        "segment_table": normal(2, 8, seed=2),
        "gamma": normal(8, seed=3),
        "beta": normal(8, seed=4),
        "mask": np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]], np.int32),
    }
    model = single("EmbedLayerNormalization", feeds, 2, epsilon=1e-5)
    model.graph.output[1].type.tensor_type.elem_type = TensorProto.INT32
    check(model, feeds)


@pytest.mark.parametrize("backwards_only", [0, 1])
@pytest.mark.parametrize("masked", [False, True])
def test_attention(masked: bool, backwards_only: int) -> None:
    feeds: dict[str, Any] = {"x": normal(2, 6, 16), "w": normal(16, 48, seed=1) / 4, "b": normal(48, seed=2)}
    if masked:
        feeds["mask"] = np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]], np.int32)
    check(single("Attention", feeds, num_heads=4, unidirectional=backwards_only), feeds)


def test_multi_head_attention() -> None:
    feeds = {"q": normal(2, 6, 16), "k": normal(2, 5, 16, seed=1), "v": normal(2, 5, 16, seed=2), "b": normal(48)}
    check(single("MultiHeadAttention", feeds, num_heads=2), feeds)


def quantized(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 255, shape).astype(np.uint8)


def scalar(value: float, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    return np.asarray(value, dtype)


@pytest.mark.parametrize("op_type", ["QLinearAdd", "QLinearMul"])
def test_quantized_sums_and_products(op_type: str) -> None:
    feeds = {"a": quantized(3, 5), "as": scalar(0.02), "az": scalar(120, np.uint8)}
    feeds |= {"b": quantized(3, 5, seed=1), "bs": scalar(0.03), "bz": scalar(100, np.uint8)}
    feeds |= {"ys": scalar(0.05), "yz": scalar(128, np.uint8)}
    model = single(op_type, feeds)
    model.graph.output[0].type.tensor_type.elem_type = UINT8
    source = import_onnx(model)
    (expected,), (got,) = run(model, feeds), run(source, feeds)
    # Ties may round to either side: onnxruntime scales in another order.
    assert np.abs(expected.astype(int) - got.astype(int)).max() <= 1
    assert (expected == got).mean() > 0.9


def test_dynamically_quantized_product() -> None:
    feeds = {"a": normal(4, 8), "b": quantized(8, 5), "bs": scalar(0.01), "bz": scalar(128, np.uint8)}
    check(single("DynamicQuantizeMatMul", feeds), feeds, enough=90)


def test_what_is_not_known_is_refused_with_its_domain() -> None:
    with pytest.raises(UnsupportedLayersError, match=r"com\.microsoft"):
        import_onnx(single("MurmurHash3", {"x": normal(2)}))
