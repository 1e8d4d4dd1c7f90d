"""Putting new operations in the place of constants, in every block where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mltoolkit.formats.ml_program import iter_operations
from mltoolkit.formats.protobuf import proto_module
from mltoolkit.quantization.program_operations import RESULT
from mltoolkit.quantization.program_scan import Constant


class Placement:
    """What is to become of the operations of a program.

    Args:
        program: the message, which :meth:`apply` changes.
    """

    def __init__(self, program: Any) -> None:
        self._program = program
        self._names = {output.name for operation in _all(program) for output in operation.outputs}
        # By the identity of messages: this keeps them alive.
        self._instead: dict[int, tuple[Any, list[Any]]] = {}
        self._before: dict[int, tuple[Any, list[Any]]] = {}

    def replace(self, constant: Constant, operations: list[Any]) -> None:
        """Let operations stand where a constant did, under its name; its own inputs go where nothing else uses them."""
        old = constant.operation
        self._instead[id(old)] = (old, self._named(operations, old.outputs[0].name, str(_name(old))))
        self._drop_inputs(constant)

    def insert(self, operation: Any, constants: list[Any], name: str) -> str:
        """Let a constant stand before an operation; the name that it got."""
        free = self._free(name)
        self._before[id(operation)] = (operation, self._named(constants, free, free))
        return free

    def _drop_inputs(self, constant: Constant) -> None:
        for given in constant.given.values():
            if not isinstance(given, tuple):
                continue
            inner = given[0]
            if inner.is_output or any(id(use.operation) not in self._instead for use in inner.uses):
                continue
            self._instead[id(inner.operation)] = (inner.operation, [])
            self._drop_inputs(inner)

    def stays(self, operation: Any) -> bool:
        """Whether an operation stays as it is."""
        return id(operation) not in self._instead

    def apply(self) -> None:
        """Do it."""
        for function in self._program.functions.values():
            for block in function.block_specializations.values():
                self._apply_to(block)

    def _apply_to(self, block: Any) -> None:
        operations, changed = [], False
        for operation in block.operations:
            for inner in operation.blocks:
                self._apply_to(inner)
            before = self._before.get(id(operation), (None, []))[1]
            own = self._instead.get(id(operation), (None, [operation]))[1]
            operations += [*before, *own]
            changed = changed or bool(before) or id(operation) in self._instead
        if changed:
            copies = proto_module("MIL_pb2").Block()
            copies.operations.extend(operations)
            del block.operations[:]
            block.operations.MergeFrom(copies.operations)

    def _named(self, operations: list[Any], result: str, label: str) -> list[Any]:
        """Copies of operations whose result has a name; what is between them is named after it."""
        placeholders = {output.name for operation in operations for output in operation.outputs} - {RESULT}
        names = {name: self._free(f"{result}_{name.removeprefix(RESULT)}") for name in sorted(placeholders)}
        names[RESULT] = result
        copies = []
        for operation in operations:
            copy = proto_module("MIL_pb2").Operation()
            copy.CopyFrom(operation)
            for output in copy.outputs:
                output.name = names[output.name]
            first = operation.outputs[0].name
            copy.attributes["name"].immediateValue.tensor.strings.values[0] = label if first == RESULT else names[first]
            for argument in copy.inputs.values():
                for binding in argument.arguments:
                    if binding.WhichOneof("binding") == "name":
                        binding.name = names[binding.name]
            copies.append(copy)
        return copies

    def _free(self, name: str) -> str:
        number, found = 1, name
        while found in self._names:
            number += 1
            found = f"{name}_{number}"
        self._names.add(found)
        return found


def _name(operation: Any) -> str:
    texts = operation.attributes["name"].immediateValue.tensor.strings.values if "name" in operation.attributes else []
    return str(texts[0] if texts else operation.outputs[0].name)


def _all(program: Any) -> Iterator[Any]:
    for function in program.functions.values():
        for block in function.block_specializations.values():
            yield from iter_operations(block)
