"""One operation of an ML Program, run and compared with arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mil_programs import Ref, add_operation, new_program

from mltoolkit.model import Model

# A program must have an input.
UNUSED = {"unused": np.zeros(1, np.float32)}


def program_of_one(
    kind: str, inputs: Mapping[str, Any], constants: Mapping[str, Any], outputs: Mapping[str, tuple[str, Any]]
) -> Any:
    """A model of one operation: arrays (or lists of them) are its inputs, all outputs are given out.

    Without inputs it has one that nothing reads, :data:`UNUSED`.
    """
    arrays = dict(_named(inputs)) or UNUSED
    spec, block = new_program({name: (array.dtype.name, array.shape) for name, array in arrays.items()}, outputs)
    bound = {
        name: [Ref(f"{name}{index}") for index in range(len(given))] if isinstance(given, list) else Ref(name)
        for name, given in inputs.items()
    }
    add_operation(block, kind, bound | dict(constants), outputs)
    return spec


def _named(inputs: Mapping[str, Any]) -> Any:
    for name, given in inputs.items():
        if isinstance(given, list):
            yield from ((f"{name}{index}", array) for index, array in enumerate(given))
        else:
            yield name, given


def run_one(
    kind: str, inputs: Mapping[str, Any], constants: Mapping[str, Any], *expected: np.ndarray
) -> list[np.ndarray]:
    """What the operation gives; the expected arrays tell types and shapes only."""
    outputs = {f"out{index}": (array.dtype.name, array.shape) for index, array in enumerate(expected)}
    found = Model(program_of_one(kind, inputs, constants, outputs)).predict(dict(_named(inputs)))
    return [found[name] for name in outputs]


def check_one(
    kind: str,
    inputs: Mapping[str, Any],
    constants: Mapping[str, Any],
    *expected: np.ndarray,
    tolerance: float = 0.0,
) -> None:
    """Run the operation and compare all its outputs; by default every bit must agree."""
    for found, wanted in zip(run_one(kind, inputs, constants, *expected), expected, strict=True):
        shape = wanted.shape or (1,)
        assert found.shape == shape
        np.testing.assert_allclose(found, wanted.reshape(shape), rtol=0, atol=tolerance)
