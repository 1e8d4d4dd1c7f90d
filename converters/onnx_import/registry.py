"""Adapters: what a node of another opset or domain becomes in the hub's opset."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import onnx_ir as ir

if TYPE_CHECKING:
    from mltoolkit.converters.onnx_import.node import SourceNode

Adapter = Callable[["SourceNode"], "Sequence[ir.Value]"]

# The files of this package that register adapters.
FAMILIES: tuple[str, ...] = (
    "axes",
    "bits",
    "constants",
    "contrib_activation",
    "contrib_attention",
    "contrib_linear",
    "contrib_normalization",
    "contrib_quantization",
    "control_flow",
    "cumulative",
    "machine_learning",
    "normalization",
    "optional_values",
    "regions",
    "renamed",
    "resizing",
    "sequences",
    "shapes",
    "slicing",
    "softmax",
    "spectra",
)


@dataclass(frozen=True)
class _Registered:
    adapter: Adapter
    since: int
    before: int


_ADAPTERS: dict[tuple[str, str], list[_Registered]] = {}

# No opset is as new.
_NEVER = 1 << 30


def adapts(*op_types: str, domain: str = "", since: int = 1, before: int = _NEVER) -> Callable[[Adapter], Adapter]:
    """Register an adapter.

    Args:
        op_types: the operators it takes.
        domain: their domain.
        since: the first opset of that domain that it takes.
        before: the first opset that it does not take.
    """

    def register(adapter: Adapter) -> Adapter:
        for op_type in op_types:
            versions = _ADAPTERS.setdefault((domain, op_type), [])
            if any(since < other.before and other.since < before for other in versions):
                raise ValueError(f"two adapters take {domain or 'ai.onnx'}::{op_type}")
            versions.append(_Registered(adapter, since, before))
        return adapter

    return register


@cache
def load_families() -> None:
    """Import the files that register adapters."""
    for family in FAMILIES:
        importlib.import_module(f"{__package__}.{family}")


def find_adapter(domain: str, op_type: str, version: int) -> Adapter | None:
    """The adapter of an operator of an opset; None where the hub takes it as it is or not at all."""
    load_families()
    for registered in _ADAPTERS.get((domain, op_type), ()):
        if registered.since <= version < registered.before:
            return registered.adapter
    return None


def known_operators(domain: str) -> list[str]:
    """The operators of a domain that some adapter takes."""
    load_families()
    return sorted(op_type for known, op_type in _ADAPTERS if known == domain)
