"""Weights that the source's file stores compressed stay compressed in an ML Program.

An initializer carries the record of how its file stores it (:mod:`mltoolkit.graph.quantization_record`). Its codes are
found from the values and written as a ``constexpr_*`` operation, in the smallest form that the target has. Passes of
coremltools leave these operations as they are but for float16 programs, whose scales and tables become float16.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.mil.compressed_forms import Form, forms_of
from mltoolkit.graph.quantization_codes import CodedWeight, HalfWeight, find_codes
from mltoolkit.graph.quantization_record import record_of

if TYPE_CHECKING:
    from mltoolkit.converters.mil.program import ProgramWriter
    from mltoolkit.converters.mil.target import CoreMLTarget

logger = logging.getLogger(__name__)

# Smaller weights gain less than the operation itself takes.
_MIN_ELEMENTS = 128
# The newest specification that has forms of its own, and the release that brought each.
_RELEASES = {7: "iOS16", 9: "iOS18"}
# An older system is worth this: 5 %, and for small models a few tables.
_TOLERANCE, _ALLOWANCE = 1.05, 16_384
_FOUND = "quantization_codes"


def compressed_var(
    value: ir.Value, array: NDArray[Any], program: ProgramWriter, name: str, *, rearranged: bool = False
) -> Any | None:
    """A weight as the result of a ``constexpr_*`` operation in the current PyMIL block.

    Args:
        value: the initializer, which carries the record of how the source stores it.
        array: its values.
        program: what is written.
        name: what to call it.
        rearranged: ``array`` is transposed, cut or reordered, as the operation needs it.

    Returns:
        The Var; None where the weight is not compressed, is better stored as it is, or the target has no form for it.
    """
    record = record_of(value)
    if record is None or program.format != "mlpackage" or array.dtype != np.float32 or array.size < _MIN_ELEMENTS:
        return None
    coded = find_codes(np.ascontiguousarray(array), record) if rearranged else _codes(value, array)
    if coded is None:
        logger.info("the compressed weight %r was changed on the way and is stored in full", name)
        return None
    form = _smallest(coded, array, program.specification_version, program.precision)
    if form is None:
        return None
    from coremltools.converters.mil.mil import Builder

    return form.emit(Builder, name)


def _codes(value: ir.Value, array: NDArray[Any]) -> CodedWeight | None:
    if _FOUND not in value.meta:
        record = record_of(value)
        value.meta[_FOUND] = None if record is None else find_codes(np.ascontiguousarray(array), record)
    found: CodedWeight | None = value.meta[_FOUND]
    return found


def _smallest(coded: CodedWeight, array: NDArray[Any], version: int, precision: str) -> Form | None:
    """The smallest form that a specification has; None where the plain values are as small."""
    if precision == "float16" and isinstance(coded, HalfWeight):
        return None
    plain = array.size * (2 if precision == "float16" else 4)
    forms = [form for form in forms_of(coded, array, version) if form.size < plain]
    return min(forms, key=lambda form: form.size, default=None)


_Weights = list[tuple[ir.Value, CodedWeight, NDArray[Any]]]


def _compressed_values(initializers: Iterable[ir.Value]) -> _Weights:
    found = []
    for value in initializers:
        tensor = value.const_value
        if record_of(value) is None or tensor is None or tensor.size < _MIN_ELEMENTS:
            continue
        array = tensor.numpy()
        coded = _codes(value, array)
        if coded is not None:
            found.append((value, coded, array))
    return found


def with_needed_target(model: ir.Model, target: CoreMLTarget) -> tuple[CoreMLTarget, tuple[str, ...]]:
    """The target with the oldest system that keeps the weights as small as the source stores them.

    Args:
        model: what is written.
        target: what was asked for. A ``minimum_deployment_target`` stays as it is.

    Returns:
        The target, and what to tell the user.
    """
    if target.format != "mlpackage":
        return target, ()
    weights = _compressed_values(model.graph.initializers.values())
    if not weights:
        return target, ()
    sizes = {version: _Sizes.of(weights, version, target.precision) for version in (6, *_RELEASES)}
    best = min(sizes.values(), key=lambda size: size.total)
    keeping = [version for version, size in sizes.items() if size.keeps(best)]
    needed = min(keeping)
    if needed == 6:
        return target, ()
    release, chosen = _RELEASES[needed], target.minimum_deployment_target
    if chosen is None:
        note = f"minimum_deployment_target is {release}, the oldest that keeps the source's compressed weights"
        return replace(target, minimum_deployment_target=release), (note,)
    have = max(version for version in sizes if version <= target.specification_version)
    if have in keeping:
        return target, ()
    note = (
        f"the source's compressed weights take {sizes[have].total:,} bytes for {chosen}, "
        f"where {release} needs {sizes[needed].total:,}"
    )
    logger.warning("%s", note)
    return target, (note,)


@dataclass(frozen=True)
class _Sizes:
    """What each compressed weight takes for a system, and whether it is compressed there."""

    each: tuple[int, ...]
    compressed: tuple[bool, ...]

    @classmethod
    def of(cls, weights: _Weights, version: int, precision: str) -> _Sizes:
        forms = [_smallest(coded, array, version, precision) for _, coded, array in weights]
        plain = [array.size * (2 if precision == "float16" else 4) for _, _, array in weights]
        sizes = tuple(size if form is None else form.size for form, size in zip(forms, plain, strict=True))
        return cls(sizes, tuple(form is not None for form in forms))

    @property
    def total(self) -> int:
        """Bytes of all together."""
        return sum(self.each)

    def keeps(self, best: _Sizes) -> bool:
        """Whether this is as small as the best, but for 5 % and what the tables of a small model take."""
        over = [(size - other, kept) for size, other, kept in zip(self.each, best.each, self.compressed, strict=True)]
        in_full = sum(more for more, kept in over if not kept)
        in_tables = sum(more for more, kept in over if kept)
        return in_full + max(0, in_tables - _ALLOWANCE) <= (_TOLERANCE - 1) * best.total


def forget_codes(model: ir.Model) -> None:
    """Let go of the codes that were found for a model's weights."""
    for value in model.graph.initializers.values():
        value.meta.pop(_FOUND, None)
