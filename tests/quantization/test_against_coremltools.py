"""coremltools as the reference, wherever it works; and it can open what we write."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layer_zoo import SHAPES, layer_spec

from mltoolkit.formats.weight_fields import WeightField, iter_weight_fields
from mltoolkit.formats.weights import LinearCodes, read_codes, read_weight
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.quantize_spec import quantize_spec

# It silently leaves these alone; Core ML refuses codes in most of them.
LEFT_BY_COREMLTOOLS = {"convolution3d", "layerNormalization", "activation", "custom"}
KINDS = sorted(set(SHAPES) - LEFT_BY_COREMLTOOLS)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@pytest.fixture(scope="module")
def ct() -> Any:
    with silence():
        import coremltools
    return coremltools


@pytest.fixture(scope="module")
def reference(ct: Any) -> Any:
    """``reference(spec, nbits, mode, **options)``: a copy of the message, quantized by coremltools."""
    from coremltools.models.neural_network import quantization_utils

    modes = {
        "linear": ct.models._QUANTIZATION_MODE_LINEAR_QUANTIZATION,
        "linear_symmetric": ct.models._QUANTIZATION_MODE_LINEAR_SYMMETRIC,
        "linear_lut": ct.models._QUANTIZATION_MODE_LOOKUP_TABLE_LINEAR,
        "custom_lut": ct.models._QUANTIZATION_MODE_CUSTOM_LOOKUP_TABLE,
        "dequantization": ct.models._QUANTIZATION_MODE_DEQUANTIZE,
    }

    def quantize(spec: Any, nbits: int | None, mode: str, **options: Any) -> Any:
        copy = type(spec)()
        copy.CopyFrom(spec)
        with silence():
            quantization_utils._quantize_spec_weights(copy, nbits, modes[mode], **options)
        return copy

    return quantize


def ours(spec: Any, nbits: int | None, mode: str, **options: Any) -> Any:
    everything = {"include_biases": True, "include_normalization": True, "only_if_smaller": False}
    return quantize_spec(spec, QuantizationConfig(nbits, mode, **{**everything, **options}))[0]


def source(kind: str, seed: int = 0) -> Any:
    spec = layer_spec(kind, seed=seed)
    message = getattr(spec.neuralNetwork.layers[0], kind)
    if "LSTM" in kind:
        message.params.hasPeepholeVectors = message.params.hasBiasVectors = True
    return spec


def pairs(first: Any, second: Any) -> list[tuple[WeightField, WeightField]]:
    found = list(zip(iter_weight_fields(first), iter_weight_fields(second), strict=True))
    assert found
    return found


def assert_same_linear_codes(ours: WeightField, theirs: WeightField) -> None:
    stored, expected = (read_codes(field.params, field.count, field.where) for field in (ours, theirs))
    assert isinstance(stored, LinearCodes)
    assert isinstance(expected, LinearCodes)
    assert stored.nbits == expected.nbits
    # Both compute in float64 or float32 and store float32: a rounding of 2^-24 apart.
    np.testing.assert_allclose(stored.scale, expected.scale, rtol=3e-7, atol=0)
    np.testing.assert_allclose(stored.bias, expected.bias, rtol=3e-7, atol=1e-7 * float(np.abs(expected.scale).max()))
    different = stored.codes.astype(int) - expected.codes
    # Where a value lies between two codes, the rounding of the arithmetic may decide.
    assert np.abs(different).max() <= 1
    assert np.count_nonzero(different) <= 1 + 1e-4 * different.size, f"{np.count_nonzero(different)} codes differ"


@pytest.mark.parametrize("nbits", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_linear(reference: Any, kind: str, nbits: int) -> None:
    spec = source(kind, seed=nbits)
    for mine, theirs in pairs(ours(spec, nbits, "linear"), reference(spec, nbits, "linear")):
        assert_same_linear_codes(mine, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_linear_symmetric(reference: Any, kind: str) -> None:
    spec = source(kind)
    for mine, theirs in pairs(ours(spec, 8, "linear_symmetric"), reference(spec, 8, "linear_symmetric")):
        assert_same_linear_codes(mine, theirs)


@pytest.mark.parametrize("nbits", [1, 3, 8])
def test_deconvolution(reference: Any, nbits: int) -> None:
    sizes = {
        "outputChannels": 6,
        "kernelChannels": 4,
        "kernelSize": [3, 3],
        "isDeconvolution": 1,
        "nGroups": 1,
    }
    spec = layer_spec("convolution", sizes=sizes, shapes={"weights": (4, 6, 3, 3)})
    for mode in ("linear", "linear_symmetric") if nbits == 8 else ("linear",):
        for mine, theirs in pairs(ours(spec, nbits, mode), reference(spec, nbits, mode)):
            assert_same_linear_codes(mine, theirs)


@pytest.mark.parametrize("nbits", [1, 2, 5, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_linear_lookup_table(reference: Any, kind: str, nbits: int) -> None:
    spec = source(kind, seed=nbits)
    for mine, theirs in pairs(ours(spec, nbits, "linear_lut"), reference(spec, nbits, "linear_lut")):
        stored, expected = (
            read_weight(field.params, field.shape, field.where, field.channel_axis) for field in (mine, theirs)
        )
        step = float(np.ptp(expected)) / (2**nbits - 1)
        different = np.abs(stored - expected) > 1e-4 * step
        assert np.count_nonzero(different) <= 1 + 1e-4 * different.size
        assert np.abs(stored - expected).max() < 1.01 * step


@pytest.mark.parametrize("nbits", [2, 7])
def test_custom_lookup_table(reference: Any, nbits: int) -> None:
    def quantiles(nbits: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = np.asarray(weights, np.float32).ravel()
        table = np.quantile(flat, (np.arange(2**nbits) + 0.5) / 2**nbits)
        return table, np.abs(flat[:, None] - table).argmin(axis=1)

    spec = source("gru")
    result = ours(spec, nbits, "custom_lut", lut_function=quantiles)
    expected = reference(spec, nbits, "custom_lut", lut_function=quantiles)
    for mine, theirs in pairs(result, expected):
        assert mine.params.rawValue == theirs.params.rawValue
        assert mine.params.quantization == theirs.params.quantization


@pytest.mark.parametrize("kind", KINDS)
def test_float16(reference: Any, kind: str) -> None:
    spec = source(kind)
    for mine, theirs in pairs(ours(spec, 16, "linear"), reference(spec, 16, "linear")):
        assert mine.params.float16Value == theirs.params.float16Value


@pytest.mark.parametrize("mode", ["linear", "linear_symmetric", "kmeans", "linear_lut"])
@pytest.mark.parametrize("kind", KINDS)
def test_coremltools_reads_our_codes_as_we_do(reference: Any, kind: str, mode: str) -> None:
    for nbits in (3, 8):
        quantized = ours(source(kind), nbits, mode)
        back = ours(quantized, None, "dequantization")
        for mine, theirs in pairs(back, reference(quantized, None, "dequantization")):
            values, expected = (np.array(field.params.floatValue, np.float32) for field in (mine, theirs))
            # Near zero, scale * code and bias cancel: float32's 2^-24 is relative to the largest.
            tolerance = 3e-7 * float(np.abs(expected).max())
            np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("nbits", [1, 2, 4, 6, 8])
def test_kmeans_is_no_worse(ct: Any, nbits: int) -> None:
    # Its quantize_weights raises TypeError with protobuf >= 6; the function inside works.
    from coremltools.models.neural_network.quantization_utils import _get_kmeans_lookup_table_and_weight

    shape = (32, 16, 3, 3)
    sizes = {"outputChannels": 32, "kernelChannels": 16, "kernelSize": [3, 3]}
    spec = layer_spec("convolution", sizes=sizes, shapes={"weights": shape}, seed=nbits)
    weights = np.array(spec.neuralNetwork.layers[0].convolution.weights.floatValue, np.float32)
    with silence():
        table, codes = _get_kmeans_lookup_table_and_weight(nbits, weights)
    theirs = np.mean((table.ravel()[codes] - weights) ** 2)
    (field,) = iter_weight_fields(ours(spec, nbits, "kmeans"))
    mine = np.mean((read_weight(field.params, field.shape, field.where).ravel() - weights) ** 2)
    # It may reach the optimum too; ours is within 0.1 % of that.
    assert mine <= 1.001 * theirs, mine / theirs


def built_model(ct: Any) -> Any:
    """Convolution, batch normalisation and a classifier head, made by coremltools' own builder."""
    from coremltools.models import datatypes
    from coremltools.models.neural_network import NeuralNetworkBuilder

    rng = np.random.default_rng(7)
    inputs, outputs = [("image", datatypes.Array(3, 16, 16))], [("y", datatypes.Array(10))]
    builder = NeuralNetworkBuilder(inputs, outputs)
    weights = rng.standard_normal((3, 3, 3, 8)).astype(np.float32)
    builder.add_convolution(
        "conv", 3, 8, 3, 3, 1, 1, "same", 1, weights, None, False, input_name="image", output_name="a"
    )
    statistics = [rng.uniform(0.5, 1.5, 8).astype(np.float32) for _ in range(4)]
    builder.add_batchnorm("norm", 8, *statistics, input_name="a", output_name="b")
    builder.add_activation("relu", "RELU", "b", "c")
    builder.add_flatten("flat", 0, "c", "d")
    dense = rng.standard_normal((10, 8 * 16 * 16)).astype(np.float32)
    builder.add_inner_product("dense", dense, np.zeros(10, np.float32), 8 * 16 * 16, 10, True, "d", "y")
    return builder.spec


@pytest.mark.parametrize(("nbits", "mode"), [(8, "linear"), (4, "kmeans"), (1, "linear_lut"), (16, "linear")])
def test_coremltools_opens_what_we_write(ct: Any, tmp_path: Path, nbits: int, mode: str) -> None:
    with silence():
        spec = built_model(ct)
    result, report = quantize_spec(spec, QuantizationConfig(nbits, mode))
    assert {record.layer for record in report.changed} == {"conv", "dense"}
    path = tmp_path / "small.mlmodel"
    path.write_bytes(result.SerializeToString())
    with silence():
        model = ct.models.MLModel(str(path), skip_model_load=True)
        again = ct.models.MLModel(result, skip_model_load=True).get_spec()
    assert model.get_spec() == result == again
    assert list(model.get_spec().description.input) == list(spec.description.input)


def test_a_batch_normalisation_after_a_convolution_is_no_obstacle(ct: Any) -> None:
    with silence():
        spec = built_model(ct)
    result, _ = quantize_spec(spec, QuantizationConfig(8, "linear"))
    assert result.neuralNetwork.layers[1] == spec.neuralNetwork.layers[1]
    assert result.neuralNetwork.layers[0].convolution.weights.quantization.numberOfBits == 8
