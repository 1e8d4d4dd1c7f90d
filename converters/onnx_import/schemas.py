"""ONNX's definitions of operators, by domain and opset."""

from __future__ import annotations

from functools import cache

import onnx

from mltoolkit.converters.onnx_import.node import SourceNode, UnknownOperator
from mltoolkit.converters.onnx_import.registry import known_operators
from mltoolkit.errors import did_you_mean
from mltoolkit.graph.opset import OPSET


@cache
def schema(op_type: str, version: int, domain: str = "") -> onnx.defs.OpSchema | None:
    """The definition of an operator that an opset holds; None where it holds none."""
    try:
        return onnx.defs.get_schema(op_type, version, domain)
    except onnx.defs.SchemaError:
        return None


def hub_schema(op_type: str) -> onnx.defs.OpSchema | None:
    """The hub's definition of an operator, None where it has none or one that is not to be used any more."""
    found = schema(op_type, OPSET)
    return None if found is None or found.deprecated else found


def why_unknown(node: SourceNode) -> UnknownOperator | None:
    """Why a node that no adapter takes has no definition; None where it has one."""
    if schema(node.op_type, node.version, node.domain) is not None:
        return None
    if node.domain in _domains():
        newest = schema(node.op_type, onnx.defs.onnx_opset_version(), node.domain)
        if newest is not None:
            return UnknownOperator(f"opset {node.version} does not have it; opset {newest.since_version} does")
        return UnknownOperator(f"ONNX has no such operator. {did_you_mean(node.op_type, _operators(node.domain))}")
    known = known_operators(node.domain)
    domain = f"the domain {node.domain!r}"
    if known:
        return UnknownOperator(f"it is not one of the operators of {domain} that are known here")
    return UnknownOperator(f"{domain} is not ONNX's own: nothing says what its operators compute", "a hook")


@cache
def _domains() -> frozenset[str]:
    return frozenset(found.domain for found in onnx.defs.get_all_schemas())


@cache
def _operators(domain: str) -> tuple[str, ...]:
    return tuple(sorted(found.name for found in onnx.defs.get_all_schemas() if found.domain == domain))
