"""Recurrent operations as small programs, and what they compute, step by step in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mil_programs import Ref, add_operation, new_program

from mltoolkit.model import Model

ACTIVATIONS = {
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "scaled_tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sigmoid_hard": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "tanh": np.tanh,
}


def lstm_reference(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, given: Mapping[str, Any], suffix: str = ""
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All outputs (S, B, H) in the order of computing, and the last h and c."""
    features = h.shape[1]
    f, g, k = (
        ACTIVATIONS[given.get(name, default)]
        for name, default in (
            ("recurrent_activation", "sigmoid"),
            ("cell_activation", "tanh"),
            ("activation", "tanh"),
        )
    )
    bias = given.get(f"bias{suffix}", np.zeros(4 * features))
    peep_i, peep_f, peep_o = np.split(given.get(f"peephole{suffix}", np.zeros(3 * features)), 3)
    outputs = []
    for step in x.astype(np.float64):
        into = step @ given[f"weight_ih{suffix}"].T + h @ given[f"weight_hh{suffix}"].T + bias
        into_i, into_f, into_o, into_z = np.split(into, 4, axis=1)
        c_next = c * f(into_f + peep_f * c) + f(into_i + peep_i * c) * g(into_z)
        c = np.clip(c_next, -given["clip"], given["clip"]) if "clip" in given else c_next
        h = f(into_o + peep_o * c) * k(c)
        outputs.append(h)
    return np.stack(outputs), h, c


def gru_reference(x: np.ndarray, h: np.ndarray, given: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """All outputs (S, B, H) in the order of computing, and the last."""
    features = h.shape[1]
    f = ACTIVATIONS[given.get("recurrent_activation", "sigmoid")]
    g = ACTIVATIONS[given.get("activation", "tanh")]
    w_r, w_o, w_z = np.split(given["weight_ih"], 3)
    r_r, r_o, r_z = np.split(given["weight_hh"], 3)
    b_r, b_o, b_z = np.split(given.get("input_bias", np.zeros(3 * features)), 3)
    c_r, c_o, c_z = np.split(given.get("bias", np.zeros(3 * features)), 3)
    outputs = []
    for step in x.astype(np.float64):
        r = f(step @ w_r.T + b_r + h @ r_r.T + c_r)
        z = f(step @ w_z.T + b_z + h @ r_z.T + c_z)
        recurrent = r * (h @ r_o.T + c_o) if given.get("reset_after") else (r * h) @ r_o.T + c_o
        o = g(step @ w_o.T + b_o + recurrent)
        h = (1 - z) * o + z * h
        outputs.append(h)
    return np.stack(outputs), h


def recurrent_program(
    kind: str, inputs: Mapping[str, np.ndarray], constants: Mapping[str, Any], shapes: list[tuple[int, ...]]
) -> Any:
    """A model of one recurrent operation with the outputs ``out_0``, ``out_1``, …."""
    outputs = {f"out_{number}": ("float32", shape) for number, shape in enumerate(shapes)}
    spec, block = new_program({name: ("float32", array.shape) for name, array in inputs.items()}, outputs)
    add_operation(block, kind, {name: Ref(name) for name in inputs} | dict(constants), outputs)
    return spec


def run_recurrent(
    kind: str, inputs: Mapping[str, np.ndarray], constants: Mapping[str, Any], expected: list[np.ndarray]
) -> None:
    """Compare a model of one recurrent operation with what it should give."""
    spec = recurrent_program(kind, inputs, constants, [array.shape for array in expected])
    found = Model(spec).predict(dict(inputs))
    for number, array in enumerate(expected):
        # Five float32 steps, each with sums of ten terms and an activation: dozens of roundings of 6e-8.
        error = np.abs(found[f"out_{number}"] - array).max()
        assert error < 3e-6 * max(1, np.abs(array).max()), f"output {number}: {error:.2g}"
