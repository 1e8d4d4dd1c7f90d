"""The constants of an ML Program and what uses them: through functions, branches and loops.

A constant is a ``const`` operation, or the ``constexpr_*`` operation that decodes a compressed weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import InvalidModelError
from mltoolkit.formats.constexpr_values import evaluate, is_constexpr, parameters_of
from mltoolkit.formats.mil_types import TensorType, read_type
from mltoolkit.formats.mil_values import read_value
from mltoolkit.formats.ml_program import operation_name
from mltoolkit.formats.weight_blob import WeightFolder


@dataclass(frozen=True)
class Use:
    """That an operation is given a constant.

    Attributes:
        operation: the operation.
        input: which of its inputs.
        place: the operation's place among all of its program.
        constants: the constants among its inputs, by name.
    """

    operation: Any
    input: str
    place: int
    constants: Mapping[str, Constant]

    def flag(self, name: str, default: int) -> int:
        """The number or flag that the operation is given by that name."""
        constant = self.constants.get(name)
        if constant is not None:
            return constant.whole_number()
        # Programs may also give values in place, without a constant of their own.
        for binding in self.operation.inputs[name].arguments if name in self.operation.inputs else ():
            if binding.WhichOneof("binding") == "value":
                return int(read_value(binding.value, WeightFolder()).reshape(-1)[0])
        return default


@dataclass(eq=False)
class Constant:
    """A constant of a program.

    Attributes:
        operation: the operation that makes it.
        block: the block that it stands in.
        given: its own inputs: messages, or other constants with the number of the output.
        uses: the operations that are given it.
        is_output: whether its block gives it out.
    """

    operation: Any
    block: Any
    given: dict[str, Any] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    is_output: bool = False

    @property
    def name(self) -> str:
        """What the program calls it."""
        return operation_name(self.operation)

    @property
    def type(self) -> TensorType | None:
        """The type of its only output; None where that is no tensor, or there are several."""
        outputs = self.operation.outputs
        described = read_type(outputs[0].type) if len(outputs) == 1 else None
        return described if isinstance(described, TensorType) else None

    def read(self, weights: WeightFolder) -> NDArray[Any]:
        """Its values; floats of compressed ones are float32."""
        return self._outputs(weights)[0]

    def _outputs(self, weights: WeightFolder) -> tuple[NDArray[Any], ...]:
        arrays = {}
        for name, given in self.given.items():
            if isinstance(given, tuple):
                constant, number = given
                arrays[name] = constant._outputs(weights)[number]
            else:
                arrays[name] = read_value(given, weights)
        if self.operation.type == "const":
            if not isinstance(arrays.get("val"), np.ndarray):
                raise InvalidModelError("the constant has no value", where=f"operation {self.name!r}")
            return (arrays["val"],)
        return evaluate(self.operation.type, arrays, f"operation {self.name!r}")

    def key(self) -> tuple[Any, ...]:
        """Equal for constants of equal type that read the same places of weight files; else each has its own."""
        if not self.reads_file():
            return (id(self.operation),)
        parts: list[tuple[Any, ...]] = [(output.type.SerializeToString(),) for output in self.operation.outputs]
        for name, given in sorted(self.given.items()):
            if isinstance(given, tuple):
                parts.append((name, given[0].key(), given[1]))
            else:
                parts.append((name, given.SerializeToString(deterministic=True)))
        return (self.operation.type, *parts)

    def reads_file(self) -> bool:
        """Whether some of its values lie in a weight file."""
        return any(
            given[0].reads_file() if isinstance(given, tuple) else given.WhichOneof("value") == "blobFileValue"
            for given in self.given.values()
        )

    def whole_number(self) -> int:
        """The number or flag that it holds.

        Raises:
            InvalidModelError: it lies in a weight file, or is none.
        """
        return int(self.read(WeightFolder()).reshape(-1)[0])


Scope = Mapping[str, tuple[Constant, int]]


def scan_program(program: Any) -> list[Constant]:
    """Every constant of a program's functions, in the order of the first operation that is given it.

    Raises:
        InvalidModelError: a constant is given several things at once.
    """
    found: list[Constant] = []
    place = 0
    for function in sorted(program.functions):
        blocks = program.functions[function].block_specializations
        for specialization in sorted(blocks):
            place = _scan_block(blocks[specialization], {}, found, place)
    return sorted((constant for constant in found if constant.uses), key=lambda constant: constant.uses[0].place)


def _scan_block(block: Any, outer: Scope, found: list[Constant], place: int) -> int:
    scope = dict(outer)
    for operation in block.operations:
        place += 1
        if operation.type == "const" or is_constexpr(operation.type):
            constant = _constant(operation, block, scope)
            found.append(constant)
            for number, output in enumerate(operation.outputs):
                scope[output.name] = (constant, number)
        bound = list(_bound_names(operation, scope))
        constants = dict(bound)
        for name, used in bound:
            used.uses.append(Use(operation, name, place, constants))
        for inner in operation.blocks:
            place = _scan_block(inner, scope, found, place)
    for name in block.outputs:
        if name in scope:
            scope[name][0].is_output = True
    return place


def _constant(operation: Any, block: Any, scope: Scope) -> Constant:
    given: dict[str, Any] = {}
    for name, value in parameters_of(operation).items():
        if isinstance(value, str):
            if value not in scope:
                raise InvalidModelError(
                    f"the input {name!r} names {value!r}, which is no constant",
                    where=f"operation {operation_name(operation)!r}",
                )
            given[name] = scope[value]
        else:
            given[name] = value
    return Constant(operation, block, given)


def _bound_names(operation: Any, scope: Scope) -> Iterator[tuple[str, Constant]]:
    for name, argument in operation.inputs.items():
        for binding in argument.arguments:
            if binding.WhichOneof("binding") == "name" and binding.name in scope:
                yield name, scope[binding.name][0]


def as_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    """An array as float32: itself where it is that already."""
    return array.astype(np.float32, copy=False)
