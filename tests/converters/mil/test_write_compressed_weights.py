"""Weights that a Core ML file stores compressed stay compressed in a package, and mean the same.

The weights of the written program are read back by the room that runs packages and compared with what the source's
file holds, decoded by coremltools where that can.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.converters.core_ml_source import import_core_ml
from mltoolkit.converters.mil.write import WrittenModel, write_core_ml
from mltoolkit.digits import digit_model_path
from mltoolkit.formats.ml_program import iter_operations
from mltoolkit.formats.protobuf import new_model
from mltoolkit.formats.weight_fields import iter_weight_fields
from mltoolkit.formats.weights import LinearCodes, TableCodes, stored_bytes, write_codes, write_float16


def written(model: mlt.Model, **target: Any) -> WrittenModel:
    source = import_core_ml(model.spec)
    return write_core_ml(source.source, replace(source.target, format="mlpackage", **target))


def operation_types(result: WrittenModel) -> set[str]:
    return {
        operation.type
        for function in result.spec.mlProgram.functions.values()
        for block in function.block_specializations.values()
        for operation in iter_operations(block)
        if operation.type.startswith("constexpr")
    }


def weight_file_bytes(result: WrittenModel) -> int:
    assert result.weights_dir is not None
    return sum(path.stat().st_size for path in result.weights_dir.iterdir())


def outputs(model: mlt.Model) -> Any:
    rng = np.random.default_rng(0)
    data = {
        feature.name: rng.integers(0, 256, (28, 28)).astype(np.uint8)
        if hasattr(feature, "height")
        else rng.uniform(-1, 1, feature.shape)  # type: ignore[attr-defined]  # an array
        for feature in model.inputs
    }
    return next(iter(model.predict_raw(data).values()))


def difference(model: mlt.Model, result: WrittenModel) -> float:
    package = mlt.Model(result.spec, weights_dir=result.weights_dir)
    expected, found = outputs(model), outputs(package)
    return float(np.abs(expected - found).max() / np.abs(expected).max())


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("mode", ["kmeans", "linear per tensor", "linear per channel"])
def test_quantized_networks_stay_quantized(mode: str, bits: int) -> None:
    kind, _, extent = mode.partition(" ")
    model = mlt.quantize_weights(digit_model_path(), bits, kind, per_channel=extent.endswith("channel"))
    result = written(model)
    # The model is so small that 3-bit tables of 4 bits are taken for the older system.
    version = 9 if extent.endswith("channel") else 7
    assert result.spec.specificationVersion == version, result.notes
    assert operation_types(result), "nothing is compressed"
    assert f"iOS{version + 9}" in result.notes[0]
    # 5 and 7 bits are stored in 6 and 8; tables, scales and 64 bytes for each weight come on top.
    stored = sum(stored_bytes(field.params) for field in iter_weight_fields(model.spec))
    weights = sum(1 for _ in iter_weight_fields(model.spec))
    wider = {3: 4 / 3, 5: 6 / 5, 7: 8 / 7}.get(bits, 1.0)
    extra = 8192 if bits > 4 else 1024
    assert weight_file_bytes(result) <= wider * stored + 256 * weights + extra
    # float32's rounding in scale · (code − offset) where the source has scale · code + bias.
    assert difference(model, result) < 1e-5


def test_float16_weights_stay_float16() -> None:
    model = mlt.quantize_weights(digit_model_path(), 16)
    result = written(model)
    assert operation_types(result) == {"constexpr_cast"}
    stored = sum(stored_bytes(field.params) for field in iter_weight_fields(model.spec))
    assert weight_file_bytes(result) <= 1.05 * stored + 2000
    assert difference(model, result) < 1e-6


def test_a_whole_zero_point_needs_ios16_only() -> None:
    model = dense(LinearCodes(codes(8), 8, np.float32([0.5]), np.float32([-0.5 * 128])))
    result = written(model)
    assert operation_types(result) == {"constexpr_affine_dequantize"}
    assert difference(model, result) < 1e-6


def codes(bits: int) -> np.ndarray:
    return np.random.default_rng(bits).integers(0, 1 << bits, 96 * 64).astype(np.uint8)


def dense(stored: LinearCodes | TableCodes | None, half: bool = False) -> mlt.Model:
    """A dense layer of 64 to 96 features with the given weights."""
    spec = new_model()
    spec.specificationVersion = 4
    spec.neuralNetwork.arrayInputShapeMapping = 1
    feature = spec.description.input.add(name="x").type.multiArrayType
    feature.shape.extend([1, 64])
    feature.dataType = 65568
    feature = spec.description.output.add(name="y").type.multiArrayType
    feature.shape.extend([1, 96])
    feature.dataType = 65568
    layer = spec.neuralNetwork.layers.add(name="dense", input=["x"], output=["y"])
    layer.innerProduct.inputChannels, layer.innerProduct.outputChannels = 64, 96
    if stored is None:
        write_float16(layer.innerProduct.weights, np.random.default_rng(0).normal(size=96 * 64).astype(np.float32))
    else:
        write_codes(layer.innerProduct.weights, stored)
    return mlt.Model(spec)


@pytest.mark.parametrize(
    ("target", "kind", "compressed"),
    [
        ("iOS15", "table", set()),
        ("iOS15", "float16", set()),
        ("iOS16", "per channel", set()),
        ("iOS16", "per tensor", {"constexpr_lut_to_dense"}),
        ("iOS16", "table", {"constexpr_lut_to_dense"}),
        ("iOS17", "float16", {"constexpr_cast"}),
        ("iOS18", "per channel", {"constexpr_blockwise_shift_scale"}),
        ("iOS18", "float16", {"constexpr_cast"}),
    ],
)
def test_a_given_target_stays(target: str, kind: str, compressed: set[str], caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(1)
    if kind == "table":
        model = dense(TableCodes(codes(4), 4, rng.normal(size=16).astype(np.float32)))
    elif kind == "float16":
        model = dense(None)
    else:
        size = 96 if kind == "per channel" else 1
        scale, bias = rng.uniform(0.1, 1, size).astype(np.float32), rng.normal(size=size).astype(np.float32)
        model = dense(LinearCodes(codes(8), 8, scale, bias))
    with caplog.at_level(logging.WARNING):
        result = written(model, minimum_deployment_target=target)
    assert operation_types(result) == compressed
    assert bool(result.notes) == (not compressed) == bool(caplog.records)
    if not compressed:
        assert target in result.notes[0] and "iOS1" in result.notes[0].split("where")[1]
    assert difference(model, result) < 1e-5


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 8])
def test_float16_programs_keep_codes(bits: int) -> None:
    rng = np.random.default_rng(2)
    model = dense(TableCodes(codes(bits), bits, rng.normal(size=1 << bits).astype(np.float32)))
    result = written(model, precision="float16")
    assert operation_types(result) == {"constexpr_lut_to_dense"}
    # Table entries and inputs are rounded to float16: 2⁻¹¹ each.
    assert difference(model, result) < 2e-3


def test_float16_weights_of_a_float16_program_are_plain() -> None:
    result = written(dense(None), precision="float16")
    assert not operation_types(result)
    assert weight_file_bytes(result) < 1.1 * 96 * 64 * 2


@pytest.mark.parametrize("kind", ["uniDirectionalLSTM", "gru"])
@pytest.mark.parametrize("stored", ["float16", "kmeans", "linear"])
def test_recurrent_weights(kind: str, stored: str) -> None:
    model = mlt.quantize_weights(
        recurrent(kind), 16 if stored == "float16" else 4, "linear" if stored == "float16" else stored
    )
    result = written(model)
    assert operation_types(result), "nothing is compressed"
    size = sum(stored_bytes(field.params) for field in iter_weight_fields(model.spec))
    assert weight_file_bytes(result) < 2 * size, f"{weight_file_bytes(result)} bytes for {size}"
    assert difference(model, result) < 1e-4


def recurrent(kind: str) -> Any:
    """A recurrent layer of 48 features over 5 steps of 32."""
    spec = new_model()
    spec.specificationVersion = 1
    feature = spec.description.input.add(name="x").type.multiArrayType
    feature.shape.extend([5, 1, 32, 1, 1])
    feature.dataType = 65568
    feature = spec.description.output.add(name="y").type.multiArrayType
    feature.shape.extend([48])
    feature.dataType = 65568
    layer = spec.neuralNetwork.layers.add(name="recurrent", input=["x"], output=["y"])
    params = getattr(layer, kind)
    params.inputVectorSize, params.outputVectorSize = 32, 48
    rng = np.random.default_rng(7)
    if kind == "gru":
        holder, gates = params, ("updateGate", "resetGate", "outputGate")
        params.activations.add().sigmoid.SetInParent()
        params.activations.add().tanh.SetInParent()
    else:
        holder, gates = params.weightParams, ("inputGate", "forgetGate", "blockInput", "outputGate")
        for activation in ("sigmoid", "tanh", "tanh"):
            getattr(params.activations.add(), activation).SetInParent()
        params.params.cellClipThreshold = 50_000
    for gate in gates:
        getattr(holder, f"{gate}WeightMatrix").floatValue.extend(rng.normal(0, 0.3, 48 * 32).tolist())
        getattr(holder, f"{gate}RecursionMatrix").floatValue.extend(rng.normal(0, 0.3, 48 * 48).tolist())
    return spec


def test_codes_are_let_go_of(tmp_path: Path) -> None:
    source = import_core_ml(dense(TableCodes(codes(4), 4, np.arange(16, dtype=np.float32))).spec)
    write_core_ml(source.source, replace(source.target, format="mlpackage"))
    assert not any("quantization_codes" in value.meta for value in source.source.model.graph.initializers.values())
