"""ML Programs beside coremltools.optimize.coreml: equal linear codes, tables that are never worse, files it reads."""

from __future__ import annotations

import contextlib
import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mltoolkit as mlt
from mltoolkit.quantization.program_scan import scan_program
from mltoolkit.quantization.rewriting import open_rewriter

Options = dict[str, Any]


@cache
def theirs() -> Any:
    """coremltools, without its noise."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import coremltools
        import coremltools.optimize.coreml

    return coremltools


@contextlib.contextmanager
def silence() -> Any:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@cache
def source(release: str, half: bool) -> Any:
    """An MLModel with a convolution, a grouped one, a transposed one, matmul and linear."""
    ct = theirs()
    target = getattr(ct.target, release)
    mb = ct.converters.mil.Builder

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 8, 12, 12))], opset_version=target)
    def program(x: Any) -> Any:
        rng = np.random.default_rng(11)

        def normal(*shape: int) -> np.ndarray:
            return rng.normal(size=shape).astype(np.float32)

        x = mb.conv(x=x, weight=normal(16, 8, 3, 3), bias=normal(16), pad_type="same", name="conv")
        x = mb.conv(x=x, weight=0.01 * normal(16, 4, 3, 3), groups=4, pad_type="same", name="grouped")
        x = mb.conv_transpose(x=x, weight=normal(16, 8, 2, 2), strides=[2, 2], name="up")
        x = mb.reduce_mean(x=x, axes=[2, 3], keep_dims=False)
        x = mb.matmul(x=x, y=3 + normal(8, 64), name="mm")
        return mb.linear(x=x, weight=normal(32, 64), bias=normal(32), name="out")

    with silence():
        precision = ct.precision.FLOAT16 if half else ct.precision.FLOAT32
        return ct.convert(
            program, convert_to="mlprogram", compute_precision=precision, skip_model_load=True,
            minimum_deployment_target=target,
        )  # fmt: skip


def compressed(kind: str, release: str, half: bool, **options: Any) -> mlt.Model:
    """What coremltools makes of the source."""
    optimize = theirs().optimize.coreml
    kinds = {
        "linear": (optimize.OpLinearQuantizerConfig, optimize.linear_quantize_weights),
        "table": (optimize.OpPalettizerConfig, optimize.palettize_weights),
    }
    config, function = kinds[kind]
    with silence():
        chosen = optimize.OptimizationConfig(global_config=config(weight_threshold=0, **options))
        return mlt.load(function(source(release, half), chosen))


def values_of(model: mlt.Model) -> dict[str, np.ndarray]:
    rewriter = open_rewriter(model)
    return {slot.layer: rewriter.values(slot).copy() for slot in rewriter.slots if slot.role == "weight"}


def codes_of(model: mlt.Model) -> dict[str, np.ndarray]:
    """The codes of each operation's weight, as they are stored."""
    found = {}
    for constant in scan_program(model.spec.mlProgram):
        for name in ("data", "quantized_data", "indices"):
            if name in constant.given:
                from mltoolkit.formats.mil_values import read_value

                found[constant.uses[0].operation.outputs[0].name] = read_value(constant.given[name], model.weights)
    return found


def error(values: dict[str, np.ndarray], original: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(((values[name] - original[name]).astype(np.float64) ** 2).sum()) for name in original}


LINEAR: list[tuple[str, Options, Options]] = [
    ("iOS16", {"nbits": 8}, {"mode": "linear", "dtype": "int8"}),
    ("iOS16", {"nbits": 8, "signed": False}, {"mode": "linear", "dtype": "uint8"}),
    ("iOS16", {"nbits": 8, "quantization_mode": "linear_symmetric"}, {"mode": "linear_symmetric", "dtype": "int8"}),
    (
        "iOS16",
        {"nbits": 8, "quantization_mode": "linear_symmetric", "signed": False, "per_channel": False},
        {"mode": "linear_symmetric", "dtype": "uint8", "granularity": "per_tensor"},
    ),
    ("iOS18", {"nbits": 8}, {"mode": "linear", "dtype": "int8"}),
    ("iOS18", {"nbits": 4}, {"mode": "linear", "dtype": "int4"}),
    ("iOS18", {"nbits": 4, "signed": False}, {"mode": "linear", "dtype": "uint4"}),
    ("iOS18", {"nbits": 4, "per_channel": False}, {"mode": "linear", "dtype": "int4", "granularity": "per_tensor"}),
    (
        "iOS18",
        {"nbits": 4, "quantization_mode": "linear_symmetric", "granularity": "per_block", "block_size": 4},
        {"mode": "linear_symmetric", "dtype": "int4", "granularity": "per_block", "block_size": 4},
    ),
]  # fmt: skip


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(("release", "ours", "config"), LINEAR)
def test_linear_codes_are_the_same(release: str, ours: Options, config: Options, half: bool) -> None:
    expected = compressed("linear", release, half, **config)
    made = mlt.quantize_weights(source(release, half), **ours, only_if_smaller=False)
    their_codes, our_codes = codes_of(expected), codes_of(made)
    assert set(our_codes) == set(their_codes)
    assert len(their_codes) == 5
    for name, codes in their_codes.items():
        difference = np.abs(codes.astype(int) - our_codes[name].astype(int))
        # coremltools computes in the weights' own precision: halves of a step go either way, and scales of weights
        # around 0.01 have few digits in float16.
        assert difference.max() <= (1 if half else 0), f"{name}: {difference.max()}"
        assert (difference > 0).mean() <= (0.1 if half else 0), f"{name}: {(difference > 0).mean()}"
    original = values_of(mlt.load(source(release, half)))
    their_error, our_error = error(values_of(expected), original), error(values_of(made), original)
    for name in original:
        assert our_error[name] <= their_error[name] * (1.02 if half else 1 + 1e-6), name


TABLES: list[tuple[str, Options, Options, float]] = [
    # Two runs of the same arithmetic, in float64 and float32.
    ("iOS16", {"nbits": 4, "quantization_mode": "linear_lut"}, {"mode": "uniform", "nbits": 4}, 1.0001),
    *(
        ("iOS16", {"nbits": bits, "quantization_mode": "kmeans"}, {"mode": "kmeans", "nbits": bits}, 1.0)
        for bits in (1, 2, 4, 6)
    ),
    ("iOS18", {"nbits": 3, "quantization_mode": "kmeans"}, {"mode": "kmeans", "nbits": 3}, 1.0),
    (
        "iOS18",
        {"nbits": 3, "quantization_mode": "kmeans", "granularity": "per_grouped_channel", "group_size": 8},
        {"mode": "kmeans", "nbits": 3, "granularity": "per_grouped_channel", "group_size": 8},
        1.0,
    ),
    (
        "iOS18",
        {"nbits": 4, "quantization_mode": "kmeans", "cluster_dim": 2},
        {"mode": "kmeans", "nbits": 4, "cluster_dim": 2},
        1.0,
    ),
]


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(("release", "ours", "config", "factor"), TABLES)
def test_tables_are_never_worse(release: str, ours: Options, config: Options, factor: float, half: bool) -> None:
    expected = compressed("table", release, half, **config)
    made = mlt.quantize_weights(source(release, half), **ours, only_if_smaller=False)
    original = values_of(mlt.load(source(release, half)))
    their_values, our_values = values_of(expected), values_of(made)
    their_error, our_error = error(their_values, original), error(our_values, original)
    for name, codes in codes_of(expected).items():
        assert codes.size == codes_of(made)[name].size, name
        # Tables are rounded to float16 in either.
        assert our_error[name] <= their_error[name] * (factor + 1e-3 * half + 1e-6), (
            f"{name}: {our_error[name] / their_error[name]:.5f} of coremltools' error"
        )


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(
    ("release", "ours"),
    [
        *((release, ours) for release, ours, _ in LINEAR),
        *((release, ours) for release, ours, *_ in TABLES),
        ("iOS16", {"nbits": 16}),
        ("iOS18", {"nbits": 6, "quantization_mode": "kmeans", "per_channel_scale": True}),
        ("iOS16", {"nbits": 4, "minimum_deployment_target": "iOS18"}),
    ],
)
def test_coremltools_reads_and_decompresses_the_same(release: str, ours: Options, half: bool, tmp_path: Path) -> None:
    made = mlt.quantize_weights(source(release, half), **ours, only_if_smaller=False)
    made.save(tmp_path / "small.mlpackage")
    ct = theirs()
    with silence():
        read = ct.models.MLModel(str(tmp_path / "small.mlpackage"), skip_model_load=True)
        full = mlt.load(ct.optimize.coreml.decompress_weights(read))
    ours_full = mlt.quantize_weights(made, None, "dequantization")
    expected, found = values_of(full), values_of(ours_full)
    for name, values in expected.items():
        if half:
            # They multiply in float16, we in float32 and round once.
            np.testing.assert_allclose(found[name], values, rtol=4e-3, atol=1e-4, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], values, err_msg=name)
    data = {made.inputs[0].name: np.random.default_rng(0).normal(size=(1, 8, 12, 12)).astype(np.float32)}
    (first,), (second,) = made.predict(data).values(), ours_full.predict(data).values()
    scale = float(np.abs(second).max())
    # Decoded weights of a float16 program are float32 here until they are stored in full.
    assert np.abs(first - second).max() <= scale * (5e-3 if half else 1e-6)


@pytest.mark.parametrize(
    "options",
    [{"nbits": 8}, {"nbits": 6, "quantization_mode": "kmeans"}, {"nbits": 16}, {"target_sparsity": 0.5}],
    ids=str,
)
def test_coremltools_reads_programs_that_were_raised(options: Options, tmp_path: Path) -> None:
    compress = mlt.prune_weights if "target_sparsity" in options else mlt.quantize_weights
    old = compress(source("iOS16", False), **options, only_if_smaller=False)
    raised = mlt.quantize_weights(
        old, 4, "kmeans", minimum_deployment_target="iOS18", selector=lambda operation, _: operation == "out"
    )
    raised.save(tmp_path / "raised.mlpackage")
    ct = theirs()
    with silence():
        read = ct.models.MLModel(str(tmp_path / "raised.mlpackage"), skip_model_load=True)
        full = mlt.load(ct.optimize.coreml.decompress_weights(read))
    expected, found = values_of(full), values_of(raised)
    before = values_of(old)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
        assert np.array_equal(values, before[name]) == (name != "out"), name
