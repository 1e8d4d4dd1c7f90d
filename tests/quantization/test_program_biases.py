"""Which bias of an ML Program belongs to a weight, and how long a new one is."""

from __future__ import annotations

from typing import Any

import numpy as np
from mil_programs import Ref
from program_zoo import SIZE, ProgramBuilder, convolution, sample

import mltoolkit as mlt
from mltoolkit.quantization.rewriting import open_rewriter


def constant(build: ProgramBuilder, name: str) -> Any:
    return next(operation for operation in build.block.operations if operation.outputs[0].name == name)


def two_convolutions(*, same: str) -> mlt.Model:
    """Two convolutions whose constants of one kind, ``weight`` or ``bias``, read the same place of the weight file."""
    build = ProgramBuilder()
    x = build.add("cast", "x_cast", SIZE, x=Ref("x"), dtype="fp32")
    a, b = convolution(build, x, "a"), convolution(build, x, "b")
    constant(build, f"b_{same}").attributes["val"].CopyFrom(constant(build, f"a_{same}").attributes["val"])
    return build.finish(build.add("add", "sum", (1, 16, 12, 12), x=a, y=b), (1, 16, 12, 12))


def test_a_bias_whose_place_in_the_file_another_operation_reads_is_not_changed() -> None:
    rewriter = open_rewriter(two_convolutions(same="bias"))
    for slot in rewriter.slots:
        if slot.name == "weight":
            assert rewriter.bias_slot(slot) is None and rewriter.bias_channels(slot) == 0
            assert "alone" in rewriter.write_bias(slot, np.ones(16))


def test_a_weight_whose_uses_have_a_bias_each_changes_none() -> None:
    rewriter = open_rewriter(two_convolutions(same="weight"))
    (slot,) = (slot for slot in rewriter.slots if slot.name == "weight")
    assert rewriter.bias_slot(slot) is None and rewriter.bias_channels(slot) == 0


def test_a_new_bias_of_a_grouped_transposed_convolution_has_the_channels_of_all_groups() -> None:
    build = ProgramBuilder()
    x = build.add("cast", "x_cast", SIZE, x=Ref("x"), dtype="fp32")
    y = build.add(
        "conv_transpose",
        "up",
        (1, 8, 24, 24),
        x=x,
        weight=build.weight("up_weight", 8, 4, 2, 2),
        strides=np.int32([2, 2]),
        pad_type="valid",
        pad=np.int32([0, 0, 0, 0]),
        dilations=np.int32([1, 1]),
        groups=np.int32(2),
    )
    model = build.finish(y, (1, 8, 24, 24))
    rewriter = open_rewriter(model)
    (slot,) = rewriter.slots
    assert rewriter.bias_channels(slot) == 8
    assert "8 values" in rewriter.write_bias(slot, np.ones(4))
    shift = np.arange(8.0)
    assert rewriter.write_bias(slot, shift) == ""
    moved = rewriter.finish().predict(sample())["y"] - model.predict(sample())["y"]
    np.testing.assert_allclose(moved.mean(axis=(0, 2, 3)), shift, atol=1e-5)  # sums of float32
