"""States written inside branches and loops: what an interpreter of the same program leaves in them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from mil_programs import Ref, add_operation, new_program, tensor_type

from mltoolkit.model import Model

STATES = ("a", "b")
FLAGS = 3
F16 = ("float16", (2,))

# ("add", state, number) | ("turn", state, other state) | ("if", flag, then, else) | ("loop", times, body)
Statement = tuple[Any, ...]


def random_statements(rng: np.random.Generator, depth: int) -> list[Statement]:
    statements: list[Statement] = []
    for _ in range(rng.integers(1, 4)):
        kind = rng.choice(["add", "turn", "if", "loop"] if depth else ["add", "turn"])
        state = str(rng.choice(STATES))
        if kind == "add":
            statements.append((kind, state, int(rng.integers(1, 4))))
        elif kind == "turn":
            statements.append((kind, state, str(rng.choice(STATES))))
        elif kind == "if":
            inner = [random_statements(rng, depth - 1) for _ in range(2)]
            statements.append((kind, int(rng.integers(FLAGS)), *inner))
        else:
            statements.append((kind, int(rng.integers(0, 3)), random_statements(rng, depth - 1)))
    return statements


def interpret(statements: Sequence[Statement], states: dict[str, np.ndarray], flags: Sequence[int]) -> None:
    for kind, which, *rest in statements:
        if kind == "add":
            states[which] = states[which] + rest[0]
        elif kind == "turn":
            states[which] = 1 - states[rest[0]]
        elif kind == "if":
            interpret(rest[0] if flags[which] else rest[1], states, flags)
        else:
            for _ in range(which):
                interpret(rest[0], states, flags)


class Writer:
    """Writes statements as MIL operations."""

    def __init__(self) -> None:
        self.number = itertools.count()

    def name(self) -> str:
        return f"v{next(self.number)}"

    def write(self, block: Any, statements: Sequence[Statement]) -> None:
        for statement in statements:
            getattr(self, statement[0] + "_")(block, *statement[1:])

    def read(self, block: Any, state: str) -> Ref:
        name = self.name()
        add_operation(block, "read_state", {"input": Ref(state)}, {name: F16})
        return Ref(name)

    def add_(self, block: Any, state: str, number: int) -> None:
        total = self.name()
        add_operation(block, "add", {"x": self.read(block, state), "y": np.float16(number)}, {total: F16})
        add_operation(block, "write_state", {"input": Ref(state), "data": Ref(total)}, {})

    def turn_(self, block: Any, state: str, other: str) -> None:
        total = self.name()
        add_operation(block, "sub", {"x": np.float16(1), "y": self.read(block, other)}, {total: F16})
        add_operation(block, "coreml_update_state", {"state": Ref(state), "value": Ref(total)}, {self.name(): F16})

    def if_(self, block: Any, flag: int, then: Sequence[Statement], other: Sequence[Statement]) -> None:
        number = self.name()
        add_operation(block, "const", {}, {number: ("float16", ())}, {"val": np.float16(1)})
        branch = add_operation(block, "cond", {"pred": Ref(f"set{flag}")}, {self.name(): ("float16", ())})
        for statements in (then, other):
            inner = branch.blocks.add()
            self.write(inner, statements)
            inner.outputs.append(number)

    def loop_(self, block: Any, times: int, body: Sequence[Statement]) -> None:
        start, now, following, goes_on = (self.name() for _ in range(4))
        add_operation(block, "const", {}, {start: ("int32", ())}, {"val": np.int32(0)})
        loop = add_operation(block, "while_loop", {"loop_vars": [Ref(start)]}, {self.name(): ("int32", ())})
        condition, inner = loop.blocks.add(), loop.blocks.add()
        for part in (condition, inner):
            part.inputs.add(name=now, type=tensor_type("int32", ()))
        add_operation(condition, "less", {"x": Ref(now), "y": np.int32(times)}, {goes_on: ("bool", ())})
        condition.outputs.append(goes_on)
        self.write(inner, body)
        add_operation(inner, "add", {"x": Ref(now), "y": np.int32(1)}, {following: ("int32", ())})
        inner.outputs.append(following)


def program(statements: Sequence[Statement]) -> Any:
    """The statements, then the states as outputs; the flags are inputs."""
    flags = [f"flag{index}" for index in range(FLAGS)]
    spec, block = new_program(
        dict.fromkeys(flags, ("float32", (1,))), {f"{name}_out": ("float32", (2,)) for name in STATES}
    )
    for name in STATES:
        argument = spec.mlProgram.functions["main"].inputs.add(name=name)
        argument.type.stateType.wrappedType.CopyFrom(tensor_type(*F16))
        described = spec.description.state.add(name=name).type.stateType.arrayType
        described.dataType = 65552
        described.shape.append(2)
    for index, flag in enumerate(flags):
        add_operation(block, "squeeze", {"x": Ref(flag)}, {f"flat{index}": ("float32", ())})
        add_operation(block, "greater", {"x": Ref(f"flat{index}"), "y": np.float32(0)}, {f"set{index}": ("bool", ())})
    Writer().write(block, statements)
    for name in STATES:
        add_operation(block, "read_state", {"input": Ref(name)}, {f"{name}_out": ("float32", (2,))})
    return spec


def check(statements: Sequence[Statement]) -> None:
    model = Model(program(statements))
    for flags in itertools.product((0, 1), repeat=FLAGS):
        state = model.make_state()
        expected = {"a": np.array([1.0, 2.0]), "b": np.array([-3.0, 0.5])}
        for name, value in expected.items():
            state.write_state(name, value)
        data = {f"flag{index}": np.float32([flag]) for index, flag in enumerate(flags)}
        for _ in range(2):
            interpret(statements, expected, flags)
            found = model.predict(data, state=state)
            for name, value in expected.items():
                # Halves of small integers: exact in float16.
                assert abs(value).max() < 1000, "the test's own numbers grow too large"
                assert state.read_state(name).tolist() == value.tolist() == found[f"{name}_out"].tolist(), statements


BRANCH = ("if", 0, [("add", "a", 1)], [("turn", "b", "a")])


@pytest.mark.parametrize(
    "statements",
    [
        [("if", 0, [("add", "a", 1)], [("add", "a", 2)])],
        [BRANCH, BRANCH],
        [("loop", 3, [("add", "a", 2), ("turn", "b", "a")])],
        [("loop", 0, [("add", "a", 2)])],
        [("loop", 2, [BRANCH, ("loop", 2, [BRANCH])]), ("turn", "a", "b")],
        [("if", 1, [("loop", 2, [("add", "b", 1)])], [])],
    ],
)
def test_writes_take_effect_where_they_run(statements: list[Statement]) -> None:
    check(statements)


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed: int) -> None:
    check(random_statements(np.random.default_rng(seed), depth=2))


def test_a_loop_condition_may_write_a_state() -> None:
    """The condition runs once more than the body: it counts its own runs."""
    spec = program([("loop", 2, [("add", "b", 1)])])
    block = spec.mlProgram.functions["main"].block_specializations["CoreML7"]
    (loop,) = (operation for operation in block.operations if operation.type == "while_loop")
    condition = loop.blocks[0]
    less = condition.operations[0]
    writer = Writer()
    writer.number = itertools.count(1000)
    writer.add_(condition, "a", 1)
    condition.operations.append(less)
    del condition.operations[0]
    model = Model(spec)
    state = model.make_state()
    model.predict({f"flag{index}": np.zeros(1, np.float32) for index in range(FLAGS)}, state=state)
    assert (state.read_state("a").tolist(), state.read_state("b").tolist()) == ([3, 3], [2, 2])
