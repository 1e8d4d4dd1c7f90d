"""Any constant of recurrent, compressed, random and attention operations may be damaged: errors of ours."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from mil_runs import UNUSED, program_of_one

from mltoolkit.errors import MLToolkitError
from mltoolkit.model import Model

X = np.ones((3, 2, 4), np.float32)
STATE = np.zeros((2, 5), np.float32)
CODES = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
BITS = np.ones((3, 2, 4), np.uint8)
OPTIONS = {"direction": "forward", "output_sequence": np.bool_(True), "activation": "tanh"}
STATES = {"initial_h": STATE, "initial_c": STATE}


def recurrent(gates: int, *states: str) -> dict[str, Any]:
    return (
        {name: STATES[name] for name in states}
        | {"weight_ih": np.ones((5 * gates, 4), np.float32), "weight_hh": np.ones((5 * gates, 5), np.float32)}
        | {"bias": np.ones(5 * gates, np.float32)}
        | OPTIONS
    )


# Kind, arrays, constants, (type, rank) of the outputs.
OPERATIONS: list[tuple[str, dict[str, Any], dict[str, Any], list[tuple[str, int]]]] = [
    (
        "lstm",
        {"x": X},
        recurrent(4, "initial_h", "initial_c")
        | {"clip": np.float32(0.5), "peephole": np.ones(15, np.float32)}
        | {"recurrent_activation": "sigmoid", "cell_activation": "tanh"},
        [("float32", 3), ("float32", 2), ("float32", 2)],
    ),
    (
        "gru",
        {"x": X},
        recurrent(3, "initial_h") | {"reset_after": np.bool_(True), "input_bias": np.ones(15, np.float32)},
        [("float32", 3), ("float32", 2)],
    ),
    ("rnn", {"x": X}, recurrent(1, "initial_h"), [("float32", 3), ("float32", 2)]),
    (
        "constexpr_affine_dequantize",
        {},
        {"quantized_data": CODES, "scale": np.ones(4, np.float32), "zero_point": np.uint8(3), "axis": 2},
        [("float32", 3)],
    ),
    (
        "constexpr_blockwise_shift_scale",
        {},
        {"data": CODES, "scale": np.ones((1, 2, 1), np.float32), "offset": np.ones((1, 2, 1), np.uint8)},
        [("float32", 3)],
    ),
    (
        "constexpr_lut_to_dense",
        {},
        {"indices": CODES, "lut": np.ones((3, 1, 1, 256, 2), np.float32), "vector_axis": 1},
        [("float32", 3)],
    ),
    (
        "constexpr_lut_to_dense",
        {},
        {"indices": np.zeros(6, np.uint8), "lut": np.ones(4, np.float16), "shape": np.array([3, 2, 4])},
        [("float32", 3)],
    ),
    ("constexpr_sparse_to_dense", {}, {"nonzero_data": np.ones(24), "mask": BITS}, [("float32", 3)]),
    (
        "constexpr_sparse_to_dense",
        {},
        {"nonzero_data": np.ones(24), "mask": np.full(3, 255, np.uint8), "shape": np.array([3, 2, 4])},
        [("float32", 3)],
    ),
    (
        "constexpr_lut_to_sparse",
        {},
        {"indices_mask": BITS, "indices_nonzero_data": CODES.reshape(-1), "vector_axis": 1}
        | {"lut": np.ones((3, 1, 1, 256, 2), np.float32)},
        [("int32", 3), ("float32", 1)],
    ),
    (
        "constexpr_sparse_blockwise_shift_scale",
        {},
        {"data_mask": BITS, "nonzero_data": CODES.reshape(-1), "scale": np.ones((3, 2, 4), np.float32)},
        [("int32", 3), ("float32", 1)],
    ),
    ("constexpr_cast", {}, {"source_val": np.ones(3, np.float16), "output_dtype": "fp32"}, [("float32", 1)]),
    (
        "quantize",
        {"input": X},
        {"scale": np.ones(4, np.float32), "zero_point": np.zeros(4, np.int8), "axis": 2},
        [("int32", 3)],
    ),
    ("dequantize", {}, {"input": CODES, "scale": np.float32(2), "zero_point": np.uint8(3)}, [("float32", 3)]),
    (
        "random_normal",
        {},
        {"shape": np.array([2, 3]), "mean": np.float32(0), "stddev": np.float32(1), "seed": 3},
        [("float32", 2)],
    ),
    (
        "random_uniform",
        {},
        {"shape": np.array([2, 3]), "low": np.float32(0), "high": np.float32(1), "seed": -1},
        [("float32", 2)],
    ),
    (
        "random_bernoulli",
        {},
        {"shape": np.array([2, 3]), "prob": np.float32(0.5), "seed": 3},
        [("float32", 2)],
    ),
    ("random_categorical", {"x": X}, {"mode": "probs", "size": 3, "seed": 3}, [("float32", 3)]),
    (
        "scaled_dot_product_attention",
        {"query": X},
        {"key": X, "value": X, "attn_mask": np.zeros((2, 2), np.float32)},
        [("float32", 3)],
    ),
]
NAMES = [f"{operation[0]}-{number}" for number, operation in enumerate(OPERATIONS)]
DAMAGE: list[Any] = [
    np.int32(2**31 - 1),
    np.int32(-(2**31)),
    np.int32(0),
    np.float32(np.nan),
    np.float32(-np.inf),
    np.float32(1e30),
    np.bool_(True),
    "text",
    ["several", "texts"],
    np.array([1, 2, 3], np.int32),
    np.array([2**30, 2**30], np.int32),
    np.zeros(0, np.int32),
    np.zeros((0, 3), np.float32),
    np.zeros((2, 2, 2), np.float32),
    np.full((1, 1, 1, 1), 255, np.uint8),
    np.array(7, np.uint8),
]


def program(operation: tuple[str, dict[str, Any], dict[str, Any], list[tuple[str, int]]]) -> tuple[Any, Any]:
    kind, arrays, constants, declared = operation
    outputs = {f"out{index}": (dtype, (None,) * rank) for index, (dtype, rank) in enumerate(declared)}
    return program_of_one(kind, arrays, constants, outputs), arrays or UNUSED


def test_all_are_sound_when_undamaged() -> None:
    for operation in OPERATIONS:
        spec, fed = program(operation)
        Model(spec).predict(fed)


@pytest.mark.parametrize("operation", OPERATIONS, ids=NAMES)
def test_damaged_constants(operation: Any) -> None:
    kind, arrays, constants, declared = operation
    refused = 0
    for name in constants:
        for damage in [*DAMAGE, None]:
            changed = copy.copy(constants)
            del changed[name]
            if damage is not None:
                changed[name] = damage
            spec, fed = program((kind, arrays, changed, declared))
            try:
                Model(spec).predict(fed)
            except MLToolkitError:
                refused += 1
            except Exception as error:
                raise AssertionError(f"{kind}: {name} = {damage!r} gives {error!r}") from error
    # At least the texts, and what is missing or empty where something must be.
    assert refused >= 3 * len(constants), f"{refused} refused"
