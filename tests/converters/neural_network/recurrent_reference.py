"""Recurrent cells in float64, written from the formulas in NeuralNetwork.proto, one vector at a time."""

from __future__ import annotations

import numpy as np

from mltoolkit.formats.protobuf import proto_module


def clip(x, limit=50.0):
    return np.minimum(np.maximum(x, -limit), limit)


def activation(name):
    """(function, message) of an activation, with alpha and beta as in the example names below."""
    message = proto_module("NeuralNetwork_pb2").ActivationParams()
    match name.split(":"):
        case ["linear"]:
            message.linear.SetInParent()
            return (lambda x: x), message
        case ["linear", alpha, beta]:
            message.linear.alpha, message.linear.beta = float(alpha), float(beta)
            return (lambda x: float(alpha) * x + float(beta)), message
        case ["sigmoid"]:
            message.sigmoid.SetInParent()
            return (lambda x: 1 / (1 + np.exp(-x))), message
        case ["tanh"]:
            message.tanh.SetInParent()
            return np.tanh, message
        case ["ReLU"]:
            message.ReLU.SetInParent()
            return (lambda x: np.maximum(0, x)), message
        case ["scaledTanh"]:
            message.scaledTanh.SetInParent()
            return np.tanh, message
        case ["scaledTanh", alpha, beta]:
            message.scaledTanh.alpha, message.scaledTanh.beta = float(alpha), float(beta)
            return (lambda x: float(alpha) * np.tanh(float(beta) * x)), message
        case ["sigmoidHard"]:
            message.sigmoidHard.SetInParent()
            return (lambda x: np.minimum(np.maximum(0.2 * x + 0.5, 0), 1)), message
        case ["sigmoidHard", alpha, beta]:
            message.sigmoidHard.alpha, message.sigmoidHard.beta = float(alpha), float(beta)
            return (lambda x: np.minimum(np.maximum(float(alpha) * x + float(beta), 0), 1)), message
    raise AssertionError(name)


def run_sequence(step, x, state, reverse):
    """Apply ``step(x_t, state) -> (y_t, state)`` to x (S, B, I); outputs in the order of their computation.

    That is what Apple's tests expect of ``reverseInput``: they flip the input and leave the output as it is.
    """
    outputs = []
    for x_t in x[::-1] if reverse else x:
        y, state = step(x_t, state)
        outputs.append(y)
    return np.stack(outputs), state


def simple_recurrent(weights, f, x, y, reverse=False):
    w, r, b = (weights[key] for key in ("W", "R", "b"))

    def step(x_t, y):
        y = f(clip(x_t @ w.T + y @ r.T + b))
        return y, y

    return run_sequence(step, x, y, reverse)


def gru(weights, f, g, x, y, reverse=False):
    def into(gate, x_t, y):
        return clip(x_t @ weights["W" + gate].T + y @ weights["R" + gate].T + weights["b" + gate])

    def step(x_t, y):
        z = f(into("z", x_t, y))
        r = f(into("r", x_t, y))
        o = g(into("o", x_t, y * r))
        y = (1 - z) * o + z * y
        return y, y

    return run_sequence(step, x, y, reverse)


def lstm(weights, f, g, h, x, state, *, limit=50.0, coupled=False, reverse=False):
    def into(gate, x_t, y):
        return x_t @ weights["W" + gate].T + y @ weights["R" + gate].T + weights["b" + gate]

    def step(x_t, state):
        y, c = state
        i = f(clip(into("i", x_t, y) + weights["pi"] * c))
        forget = f(clip(into("f", x_t, y) + weights["pf"] * c))
        z = g(clip(into("z", x_t, y)))
        c = c * (1 - i) + i * z if coupled else c * forget + i * z
        c = clip(c, limit)
        o = f(clip(into("o", x_t, y) + weights["po"] * c))
        y = h(c) * o
        return y, (y, c)

    return run_sequence(step, x, state, reverse)
