"""Packages that coremltools writes: whole models in every precision and compression.

coremltools' own decompression turns a compressed package into one of plain constants. Both must give the
same, so what is proved of the decoding does not depend on how well a compression treats a model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("coremltools")

import coremltools.optimize.coreml as cto
from written_models import MODELS, converted, jointly, linear, palettes, pruned, torch_model

import mltoolkit as mlt
from mltoolkit.formats.ml_program import iter_operations


def output_of(model: Any, name: str) -> np.ndarray:
    return mlt.load(model).predict({"x": torch_model(name)[1]}, threads=1)["y"]


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def operation_types(model: Any) -> set[str]:
    function = model.get_spec().mlProgram.functions["main"]
    return {operation.type for operation in iter_operations(function.block_specializations[function.opset])}


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("target", ["iOS15", "iOS18"])
def test_float32_models_equal_torch(name: str, target: str) -> None:
    error = relative_error(output_of(converted(name, target), name), torch_model(name)[2])
    # Float32 sums of a few hundred terms through up to ten layers.
    assert error < 1e-5, f"{error:.2g}"


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("target", ["iOS15", "iOS18"])
def test_float16_models_have_the_error_of_their_weights(name: str, target: str) -> None:
    error = relative_error(output_of(converted(name, target, "FLOAT16"), name), torch_model(name)[2])
    # Weights of relative error 2⁻¹², in sums and over layers; computed in float32 here. Before iOS 17
    # recurrent layers stay in float32 in a program that has half precision elsewhere.
    assert 1e-6 < error < 2e-3, f"{error:.2g}"


def test_a_saved_package_equals_the_model_in_memory(tmp_path: Path) -> None:
    model = converted("resnet", "iOS18", "FLOAT16")
    path = tmp_path / "resnet.mlpackage"
    model.save(str(path))
    assert np.array_equal(output_of(str(path), "resnet"), output_of(model, "resnet"))


def check_compressed(model: Any, operation: str, name: str, source: np.ndarray, tolerance: float) -> None:
    """Check that a compressed model is one, and gives what it gives with the weights that coremltools decompresses."""
    assert operation in operation_types(model)
    plain = cto.decompress_weights(model)
    assert not any(kind.startswith("constexpr") for kind in operation_types(plain))
    found = output_of(model, name)
    error = relative_error(found, output_of(plain, name))
    assert error < tolerance, f"{error:.2g}"
    assert relative_error(found, source) > 1e-5, "nothing was compressed"


COMPRESSIONS: dict[str, tuple[str, Callable[[Any], Any], str, str]] = {
    # What it is: (deployment target, compression, an operation that it must leave, on which model).
    "int8 by channel": ("iOS16", linear(mode="linear_symmetric"), "constexpr_affine_dequantize", "resnet"),
    "uint8 by tensor": (
        "iOS16",
        linear(mode="linear", dtype="uint8", granularity="per_tensor"),
        "constexpr_affine_dequantize",
        "mobilenet",
    ),
    "int8 of iOS 18": ("iOS18", linear(mode="linear_symmetric"), "constexpr_blockwise_shift_scale", "lstm"),
    "int4 by block": (
        "iOS18",
        linear(mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=4),
        "constexpr_blockwise_shift_scale",
        "transformer",
    ),
    "uint4 by block": (
        "iOS18",
        linear(mode="linear", dtype="uint4", granularity="per_block", block_size=8),
        "constexpr_blockwise_shift_scale",
        "resnet",
    ),
    **{
        f"{bits} bits, iOS 16": (
            "iOS16",
            palettes(mode="uniform", nbits=bits),
            "constexpr_lut_to_dense",
            name,
        )
        for bits, name in ((1, "resnet"), (2, "mobilenet"), (4, "transformer"), (6, "lstm"), (8, "gru"))
    },
    **{
        f"{bits} bits by group, iOS 18": (
            "iOS18",
            palettes(mode="uniform", nbits=bits, granularity="per_grouped_channel", group_size=4),
            "constexpr_lut_to_dense",
            name,
        )
        for bits, name in (
            (1, "lstm"),
            (2, "resnet"),
            (3, "transformer"),
            (4, "gru"),
            (6, "mobilenet"),
            (8, "resnet"),
        )
    },
    "scales by channel": (
        "iOS18",
        palettes(mode="uniform", nbits=4, enable_per_channel_scale=True),
        "constexpr_blockwise_shift_scale",
        "transformer",
    ),
    "sparse, iOS 16": ("iOS16", pruned(target_sparsity=0.6), "constexpr_sparse_to_dense", "resnet"),
    "sparse, iOS 18": ("iOS18", pruned(n_m_ratio=(2, 4)), "constexpr_sparse_to_dense", "transformer"),
    "sparse and 8 bits": (
        "iOS18",
        jointly(pruned(target_sparsity=0.5), "linear", mode="linear_symmetric"),
        "constexpr_sparse_blockwise_shift_scale",
        "resnet",
    ),
    "sparse and palettized": (
        "iOS18",
        jointly(pruned(target_sparsity=0.5), "palettes", mode="uniform", nbits=4),
        "constexpr_lut_to_sparse",
        "gru",
    ),
    "palettized with a table of int8": (
        "iOS18",
        jointly(palettes(mode="uniform", nbits=4), "linear", mode="linear_symmetric", granularity="per_tensor"),
        "constexpr_lut_to_dense",
        "transformer",
    ),
}


# What users choose among, each on every model; the forms above are the ways in which these can be stored.
COMMON: dict[str, tuple[Callable[[Any], Any], str]] = {
    "int8": (linear(mode="linear_symmetric"), "constexpr_blockwise_shift_scale"),
    **{f"{bits} bits": (palettes(mode="uniform", nbits=bits), "constexpr_lut_to_dense") for bits in (1, 2, 3, 4, 6, 8)},
    "pruned": (pruned(target_sparsity=0.6), "constexpr_sparse_to_dense"),
    "pruned, int8": (
        jointly(pruned(target_sparsity=0.6), "linear", mode="linear_symmetric"),
        "constexpr_sparse_blockwise_shift_scale",
    ),
    "pruned, 4 bits": (
        jointly(pruned(target_sparsity=0.6), "palettes", mode="uniform", nbits=4),
        "constexpr_lut_to_sparse",
    ),
    "4 bits of int8": (
        jointly(palettes(mode="uniform", nbits=4), "linear", mode="linear_symmetric", granularity="per_tensor"),
        "constexpr_lut_to_dense",
    ),
}


@functools.cache
def source_output(name: str, target: str, precision: str) -> np.ndarray:
    return output_of(converted(name, target, precision), name)


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("kind", COMMON)
def test_every_model_in_every_common_compression(kind: str, name: str) -> None:
    compress, operation = COMMON[kind]
    check_compressed(compress(converted(name, "iOS18")), operation, name, source_output(name, "iOS18", "FLOAT32"), 2e-6)


# Half precision changes the type of scales and tables, not the decoding: once for each form of weights.
HALVES = (
    "int8 by channel",
    "int4 by block",
    "6 bits, iOS 16",
    "3 bits by group, iOS 18",
    "sparse and 8 bits",
)


@pytest.mark.parametrize(
    ("kind", "precision"),
    [*((kind, "FLOAT32") for kind in COMPRESSIONS), *((kind, "FLOAT16") for kind in HALVES)],
)
def test_compressed_models_equal_what_coremltools_makes_of_them(kind: str, precision: str) -> None:
    target, compress, operation, name = COMPRESSIONS[kind]
    model = compress(converted(name, target, precision))
    # float32 weights are decoded to the last bit or two; decompressed to float16 they are rounded to it.
    tolerance = 2e-6 if precision == "FLOAT32" else 3e-3
    check_compressed(model, operation, name, source_output(name, target, precision), tolerance)


@pytest.mark.parametrize("name", ["resnet", "transformer", "gru"])
def test_the_error_falls_with_the_bits(name: str) -> None:
    source = converted(name, "iOS18")
    expected = output_of(source, name)
    errors = [
        relative_error(output_of(palettes(mode="uniform", nbits=bits)(source), name), expected) for bits in (2, 4, 8)
    ]
    # Each bit halves the step of uniform codes, so 2 and 4 more bits make steps 4 and 16 times finer.
    assert errors[0] > 2 * errors[1] > 8 * errors[2], errors
    # Steps of 1/256 of each weight's range: errors of some hundred independent weights partly cancel.
    assert errors[2] < 0.02, errors
