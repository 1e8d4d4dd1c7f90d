"""Making a program for a newer system: what is refused, what is warned of, what is renamed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program

from mltoolkit.errors import ArgumentError, InvalidModelError
from mltoolkit.formats.program_raising import program_version, raise_program
from mltoolkit.formats.weight_blob import WeightFolder


def program(opset: str = "CoreML6") -> tuple[Any, Any]:
    """A program of that set of operations, still empty, and its block."""
    spec, _ = new_program({"x": ("float32", (1, 3, 8, 8))}, {"y": ("float32", (1, 3, 4, 4))})
    function = spec.mlProgram.functions["main"]
    del function.block_specializations["CoreML7"]
    function.opset = opset
    function.block_specializations[opset].outputs.append("y")
    spec.specificationVersion = int(opset.removeprefix("CoreML")) + 1
    return spec, function.block_specializations[opset]


def test_the_opset_and_the_versions_are_raised_and_operations_stay() -> None:
    spec, block = program()
    add_operation(block, "relu", {"x": Ref("x")}, {"y": ("float32", (1, 3, 8, 8))})
    before = block.SerializeToString(deterministic=True)
    assert program_version(spec) == 7
    assert raise_program(spec, 9, WeightFolder())
    function = spec.mlProgram.functions["main"]
    assert (function.opset, list(function.block_specializations), spec.specificationVersion) == (
        "CoreML8",
        ["CoreML8"],
        9,
    )
    assert function.block_specializations["CoreML8"].SerializeToString(deterministic=True) == before
    assert not raise_program(spec, 8, WeightFolder())
    assert program_version(spec) == 9


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("crop_resize", {"roi": np.zeros((1, 1, 4, 1, 1), dtype=np.float32)}),
        ("non_maximum_suppression", {"score_threshold": np.float32(0.5)}),
    ],
)
def test_operations_that_lost_an_input_are_refused(kind: str, inputs: dict[str, Any]) -> None:
    spec, block = program()
    add_operation(block, kind, {"x": Ref("x"), **inputs}, {"y": ("float32", (1, 3, 4, 4))})
    with pytest.raises(ArgumentError, match=rf"iOS18: {kind} takes no '{next(iter(inputs))}' there.*'y'"):
        raise_program(spec, 9, WeightFolder())
    assert spec.mlProgram.functions["main"].opset == "CoreML6", "a refused program is left as it was"
    newer, block = program("CoreML7")
    add_operation(block, kind, {"x": Ref("x"), **inputs}, {"y": ("float32", (1, 3, 4, 4))})
    assert raise_program(newer, 9, WeightFolder())


@pytest.mark.parametrize("kind", ["gather", "scatter_nd"])
def test_negative_indices_are_refused_and_unknown_ones_warned_of(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    for indices, outcome in (([0, 1], ""), ([-1, 1], "negative"), (None, "warned")):
        caplog.clear()
        spec, block = program()
        if indices is not None:
            add_operation(block, "const", {}, {"i": ("int32", (2,))}, {"val": np.int32(indices), "name": "i"})
        else:
            add_operation(block, "cast", {"x": Ref("x"), "dtype": "int32"}, {"i": ("int32", (1, 3, 8, 8))})
        add_operation(block, kind, {"x": Ref("x"), "indices": Ref("i")}, {"y": ("float32", (1, 3, 4, 4))})
        if outcome == "negative":
            with pytest.raises(ArgumentError, match=r"no negative indices there.*Convert the source again"):
                raise_program(spec, 8, WeightFolder())
            continue
        assert raise_program(spec, 8, WeightFolder())
        assert ("out of bounds" in caplog.text) == (outcome == "warned")


def test_a_function_without_its_block() -> None:
    spec, block = program()
    add_operation(block, "relu", {"x": Ref("x")}, {"y": ("float32", (1, 3, 8, 8))})
    spec.mlProgram.functions["main"].opset = "CoreML5"
    with pytest.raises(InvalidModelError, match="CoreML5"):
        raise_program(spec, 9, WeightFolder())
