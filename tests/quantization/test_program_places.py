"""Weights of ML Programs in unusual places and of unusual values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation
from program_zoo import ProgramBuilder, chain, report_of, sample, values_of

import mltoolkit as mlt
from mltoolkit.quantization.rewriting import open_rewriter
from mltoolkit.quantization.slots import Form, WeightSlot


def test_weights_inside_branches() -> None:
    build = ProgramBuilder()
    x = build.add("cast", "x_cast", (1, 8, 12, 12), x=Ref("x"), dtype="fp32")
    outer = build.weight("shared", 12, 12)
    total = build.add("reduce_sum", "total", (), x=x, axes=np.int32([0, 1, 2, 3]), keep_dims=np.bool_(False))
    add_operation(build.block, "greater", {"x": total, "y": np.float32(0)}, {"positive": ("bool", ())})
    operation = add_operation(build.block, "cond", {"pred": Ref("positive")}, {"chosen": ("float32", (1, 8, 12, 12))})
    for number in range(2):
        inner = operation.blocks.add()
        weight = build.weight(f"inner{number}", 12, 12, block=inner)
        first = build.add("matmul", f"m{number}", (1, 8, 12, 12), block=inner, x=x, y=weight)
        build.add("matmul", f"n{number}", (1, 8, 12, 12), block=inner, x=first, y=outer)
        inner.outputs.append(f"n{number}")
    source = build.finish(Ref("chosen"), (1, 8, 12, 12))
    small = mlt.quantize_weights(source, 8, "linear_symmetric")
    assert {record.layer for record in report_of(small).changed} == {"m0", "n0", "m1"}
    for sign in (1, -1):
        data = {"x": sign * np.abs(sample()["x"])}
        found, expected = small.predict(data)["y"], source.predict(data)["y"]
        # 8 bits of 12-term sums twice over.
        assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
    assert not np.array_equal(values_of(small)["n0.y"], values_of(source)["n0.y"])


def test_a_weight_of_zeros_and_tiny_ones() -> None:
    build = ProgramBuilder("CoreML8")
    x = build.add("cast", "x_cast", (1, 8, 12, 12), x=Ref("x"), dtype="fp32")
    values = np.zeros((12, 12), dtype=np.float32)
    values[3] = 1e-30
    values[4, 4] = -2.0
    flat = build.add("matmul", "mm", (1, 8, 12, 12), x=x, y=build.weight("w", values=values))
    model = build.finish(flat, (1, 8, 12, 12))
    for options in ({"nbits": 8}, {"nbits": 4, "quantization_mode": "linear_symmetric"}):
        small = mlt.quantize_weights(model, **options, only_if_smaller=False, granularity="per_block", block_size=4)
        found = values_of(small)["mm.y"]
        assert np.isfinite(found).all()
        assert np.abs(found - values).max() <= 2.0 / 15


def slots_of(model: mlt.Model) -> tuple[WeightSlot, ...]:
    return open_rewriter(model).slots


@pytest.mark.parametrize("opset", ["CoreML6", "CoreML8"])
@pytest.mark.parametrize("mode", ["linear", "linear_symmetric", "kmeans"])
def test_what_is_there_already_is_not_made_again(opset: str, mode: str) -> None:
    small = mlt.quantize_weights(chain(opset), 8, mode, only_if_smaller=False)
    again = mlt.quantize_weights(small, 8, mode, only_if_smaller=False)
    assert not report_of(again).changed
    assert all("already 8 bits" in r.reason for r in report_of(again).skipped if r.weight != "bias")
    assert {slot.form for slot in slots_of(small) if slot.role == "bias"} == {Form("float32", 32)}


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(
    ("opset", "count", "options", "nbits"),
    [
        ("CoreML6", 3, {}, 2),
        ("CoreML6", 5, {}, 4),
        ("CoreML8", 5, {}, 3),
        ("CoreML8", 20, {}, 6),
        ("CoreML8", 2, {"granularity": "per_grouped_channel", "group_size": 3}, 1),
        ("CoreML8", 3, {"cluster_dim": 2}, 2),
    ],
)
def test_few_values_are_kept_in_the_least_bits_there_are(
    opset: str, count: int, options: dict[str, Any], nbits: int, half: bool
) -> None:
    build = ProgramBuilder(opset, half=half)
    x = build.add("cast", "x_cast", (1, 8, 12, 12), x=Ref("x"), dtype="fp16" if half else "fp32")
    values = np.arange(144).reshape(12, 12) % count * 0.25 - 0.5
    values = values.astype(np.float32)
    model = build.finish(
        build.add("matmul", "mm", (1, 8, 12, 12), x=x, y=build.weight("w", values=values)), (1, 8, 12, 12)
    )
    small = mlt.quantize_weights(model, None, "unique", only_if_smaller=False, **options)
    (record,) = report_of(small).changed
    assert record.bits_after == nbits
    np.testing.assert_array_equal(values_of(small)["mm.y"], values)
    np.testing.assert_array_equal(small.predict(sample())["y"], model.predict(sample())["y"])


def test_a_weight_that_operations_see_differently_has_one_scale() -> None:
    build = ProgramBuilder("CoreML8")
    x = build.add("cast", "x_cast", (1, 8, 12, 12), x=Ref("x"), dtype="fp32")
    weight = build.weight("w", 12, 12)
    x = build.add("matmul", "first", (1, 8, 12, 12), x=x, y=weight)
    x = build.add("matmul", "second", (1, 8, 12, 12), x=x, y=weight, transpose_y=build.flag("turned", np.bool_(True)))
    model = build.finish(x, (1, 8, 12, 12))
    (slot,) = open_rewriter(model).slots
    assert not slot.per_channel
    assert slot.aliases == ("w", "second")
    small = mlt.quantize_weights(model, 8, "linear_symmetric")
    (changed,) = open_rewriter(small).slots
    assert changed.form == Form("linear", 8, symmetric=True)
    blocks = mlt.quantize_weights(model, 4, granularity="per_block", block_size=4, only_if_smaller=False)
    assert "channels cannot be told" in report_of(blocks).reasons_text
    axes = mlt.quantize_weights(model, 4, granularity="per_block", block_size=[4, 0], only_if_smaller=False)
    assert len(report_of(axes).changed) == 1
    named = mlt.quantize_weights(model, 4, "kmeans", settings={"layers": {"second": {"nbits": 2}}})
    assert report_of(named).changed[0].bits_after == 2


def test_what_a_program_gives_out_is_not_compressed() -> None:
    build = ProgramBuilder()
    x = build.add("cast", "x_cast", (1, 8, 12, 12), x=Ref("x"), dtype="fp32")
    weight = build.weight("w", 12, 12)
    model = build.finish(build.add("matmul", "mm", (1, 8, 12, 12), x=x, y=weight), (1, 8, 12, 12))
    model.spec.mlProgram.functions["main"].block_specializations["CoreML6"].outputs.append("w")
    feature = model.spec.description.output.add(name="w")
    feature.type.multiArrayType.dataType = 65568
    feature.type.multiArrayType.shape.extend((12, 12))
    small = mlt.quantize_weights(mlt.Model(model.spec, weights_dir=model.weights), 8)
    assert "result of the program" in report_of(small).reasons_text
