"""The constants of an ML Program: small ones as text, weights with their values decoded when asked for."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.converters.ml_program.bindings import Constant
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.converters.ml_program.registry import operation_converters
from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.mil_types import ListType, TensorType, read_type
from mltoolkit.formats.mil_values import read_value
from mltoolkit.formats.ml_program import operation_name
from mltoolkit.formats.program_summary import ProgramWeight, constant_weight, decompressed_weight
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.visualization.parameters import plain_text

_MAX_ITEMS = 16
# A constant up to this size is read in order to be shown as text.
_MAX_SHOWN = 1 << 12


@dataclass
class NamedConstant:
    """What a name stands for that is known before the model runs.

    Attributes:
        text: the value in words, or its type where it is long.
        weight: how it is stored, where it counts as a weight.
        shape: of a tensor.
        place: where its bytes lie: equal for constants that read the same ones of a weight file.
        values: the decoded constant, where it could be read.
        remark: why it could not.
    """

    text: str
    weight: ProgramWeight | None
    shape: tuple[int, ...]
    place: Hashable
    values: Constant | None = None
    remark: str = ""

    def decoded(self) -> NDArray[Any]:
        """The values as an array."""
        assert self.values is not None  # asked only where there are values
        return np.asarray(self.values.stored)


class ProgramConstants:
    """The constants that operations of a block, and of the blocks around it, have named so far.

    Args:
        weights: the program's weight files.
    """

    def __init__(self, weights: WeightFolder) -> None:
        self._context = MilContext(GraphBuilder("constants"), weights)
        self._named: list[dict[str, NamedConstant]] = [{}]
        self._sizes: dict[str, ProgramWeight] = {}

    @contextmanager
    def block(self) -> Iterator[None]:
        """Names given inside are forgotten afterwards."""
        self._named.append({})
        try:
            with self._context.scopes.block():
                yield
        finally:
            self._named.pop()

    def find(self, name: str) -> NamedConstant | None:
        """The constant of that name; None if it is none."""
        return next((named[name] for named in reversed(self._named) if name in named), None)

    def take(self, operation: Any) -> bool:
        """Remember what a ``const`` or ``constexpr_…`` operation names; False for other operations."""
        if operation.type == "const":
            message = operation.attributes["val"]
            weight, text = constant_weight(message), value_text(message)
        elif operation.type.startswith("constexpr_"):
            weight, text = decompressed_weight(operation, self._sizes), ""
        else:
            return False
        values, remark = self._decode(operation)
        place = self._place(operation)
        for index, output in enumerate(operation.outputs):
            described = read_type(output.type)
            shape = described.shape if isinstance(described, TensorType) else ()
            constant = NamedConstant(
                text or str(described),
                weight if index == 0 else None,
                tuple(size or 0 for size in shape or ()),
                place,
            )
            constant.values, constant.remark = values.get(output.name), remark
            self._named[-1][output.name] = constant
            if index == 0 and weight is not None:
                self._sizes[output.name] = weight
        return True

    def _place(self, operation: Any) -> Hashable:
        """The places in weight files that an operation's values come from; without any, one of its own."""
        given = [(name, value, "") for name, value in operation.attributes.items() if name != "name"]
        for name, argument in operation.inputs.items():
            given += [(name, binding.value, binding.name) for binding in argument.arguments]
        parts = sorted(((name, self._part(value, source)) for name, value, source in given), key=lambda part: part[0])
        # A tuple is a place in files: values that stand in the program itself are stored once for each constant.
        in_file = any(isinstance(place, tuple) for _, place in parts)
        return (operation.type, *parts) if in_file else object()

    def _part(self, value: Any, source: str) -> Hashable:
        found = self.find(source) if source else None
        if found is not None:
            return found.place
        if value.WhichOneof("value") == "blobFileValue":
            return value.blobFileValue.fileName, value.blobFileValue.offset
        return bytes(value.SerializeToString(deterministic=True))

    def _decode(self, operation: Any) -> tuple[dict[str, Constant], str]:
        """What the runtime makes of the operation; a weight that it cannot read is still shown, without values."""
        converter = operation_converters().get(operation.type)
        if converter is None:
            return {}, f"the operation {operation.type!r} is not known here"
        self._context.operation = operation
        try:
            converter(self._context)
            names = [output.name for output in operation.outputs]
            bound = {name: self._context.scopes.find(name, operation_name(operation)) for name in names}
        except MLToolkitError as error:
            return {}, str(error)
        return {name: found for name, found in bound.items() if isinstance(found, Constant)}, ""


def value_text(message: Any) -> str:
    """A ``Value`` message in words: its elements if it is short, else its type."""
    described = read_type(message.type)
    if message.WhichOneof("value") != "immediateValue":
        return str(described)
    if isinstance(described, TensorType) and (described.count or 0) > _MAX_SHOWN:
        return str(described)
    if isinstance(described, ListType) and (described.length or 0) > _MAX_SHOWN:
        return f"{described.length:,} items"
    try:
        return _text(read_value(message, WeightFolder()))
    except MLToolkitError:
        return str(described)


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        items = ", ".join(_text(item) for item in value[:_MAX_ITEMS])
        return f"[{items}{f', … {len(value):,} items' if len(value) > _MAX_ITEMS else ''}]"
    if isinstance(value, dict):
        return f"{len(value)} entries"
    return plain_text(value)
