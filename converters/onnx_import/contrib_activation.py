"""Activations of onnxruntime's domain com.microsoft."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from mltoolkit.converters.onnx_import.node import RefusedNode, SourceNode
from mltoolkit.converters.onnx_import.registry import adapts

CONTRIB = "com.microsoft"

# Attributes that the ``activation`` of a fused operator takes, in the order of its parameters.
_PARAMETERS = {"LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"), "Elu": ("alpha",), "Clip": ("min", "max")}
_PLAIN = ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish")


@adapts("Gelu", domain=CONTRIB)
def adapt_gelu(node: SourceNode) -> Sequence[ir.Value]:
    """x · Φ(x)."""
    return (node.op("Gelu", node.input(0)),)


@adapts("BiasGelu", domain=CONTRIB)
def adapt_bias_gelu(node: SourceNode) -> Sequence[ir.Value]:
    """Gelu of a sum."""
    return (node.op("Gelu", node.op("Add", node.input(0), node.input(1))),)


@adapts("FastGelu", domain=CONTRIB)
def adapt_fast_gelu(node: SourceNode) -> Sequence[ir.Value]:
    """Gelu approximated with tanh, of a sum where there is a bias."""
    value = node.input(0)
    if node.optional_input(1) is not None:
        value = node.op("Add", value, node.input(1))
    return (node.op("Gelu", value, approximate="tanh"),)


@adapts("QuickGelu", domain=CONTRIB)
def adapt_quick_gelu(node: SourceNode) -> Sequence[ir.Value]:
    """x · σ(α x)."""
    value = node.input(0)
    scaled = node.op("Mul", value, node.number(float(node.attribute("alpha", 1.702)), value))
    return (node.op("Mul", value, node.op("Sigmoid", scaled)),)


@adapts("BiasAdd", domain=CONTRIB)
def adapt_bias_add(node: SourceNode) -> Sequence[ir.Value]:
    """X + bias + skip."""
    return (node.op("Add", node.op("Add", node.input(0), node.input(1)), node.input(2)),)


def activated(node: SourceNode, value: ir.Value, name: str, parameters: Sequence[float]) -> ir.Value:
    """The activation of a fused operator.

    Args:
        node: receives it.
        value: what it is applied to.
        name: an ONNX operator, "" for none.
        parameters: its numbers.
    """
    if not name:
        return value
    if name in _PLAIN:
        return node.op(name, value)
    if name not in _PARAMETERS:
        raise RefusedNode(f"its activation {name!r} is not known", "Relu")
    if name == "Clip":
        return node.op("Clip", value, *(node.number(limit, value) for limit in parameters[:2]))
    return node.op(name, value, **dict(zip(_PARAMETERS[name], parameters, strict=False)))
