"""GRUs that a program spells out as a loop, recognised and run as ONNX's GRU, in half the time.

coremltools writes every GRU of torch so (``converters/mil/frontend/torch/ops.py``, ``_add_gru_layer``), since ML
Programs had none that resets after the product. The loop's variables are the step i and a list of states h, zeros
but for the first; each step puts the next state behind the last:

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)        z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n = tanh(W_in x + b_in + r ∘ (W_hn h + b_hn))      h' = (1 − z) ∘ n + z ∘ h

Whatever differs from that in any way stays a loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.ml_program.bindings import Constant
from mltoolkit.converters.ml_program.context import MilContext
from mltoolkit.formats.mil_types import TensorType, read_type
from mltoolkit.graph.builder import shape_of

# A pattern is "?variable", ("=", a constant's value), ("name", a name), ("index", the pattern of a step), or
# (operation, its inputs' patterns).
_Pattern = Any
_ONE = ("=", 1)


def _taken(source: _Pattern) -> _Pattern:
    """What stands at the present step."""
    gathered = ("gather", {"x": source, "indices": ("index", "?i"), "axis": ("=", 0)})
    return ("squeeze", {"x": gathered, "axes": ("=", 0)})


_X, _H = _taken("?sequence"), _taken("?h")


def _products(gate: str) -> tuple[_Pattern, _Pattern]:
    of_x = ("linear", {"x": _X, "weight": f"?wi{gate}", "bias": f"?bi{gate}"})
    return of_x, ("linear", {"x": _H, "weight": f"?wh{gate}", "bias": f"?bh{gate}"})


def _added(first: _Pattern, second: _Pattern) -> _Pattern:
    return ("add", {"x": first, "y": second})


def _multiplied(first: _Pattern, second: _Pattern) -> _Pattern:
    return ("mul", {"x": first, "y": second})


_R, _Z = (("sigmoid", {"x": _added(*_products(gate))}) for gate in "rz")
_N = ("tanh", {"x": _added(_products("n")[0], _multiplied(_R, _products("n")[1]))})
_NEXT = _added(_multiplied(("sub", {"x": _ONE, "y": _Z}), _N), _multiplied(_Z, _H))
_STEP = _added("?i", _ONE)
_LIST = (
    "scatter",
    {
        "data": "?h",
        "indices": ("index", _STEP),
        "updates": ("expand_dims", {"x": _NEXT, "axes": ("=", 0)}),
        "axis": ("=", 0),
        "mode": ("=", "add"),
    },
)
_GOES_ON = ("less", {"x": "?i", "y": "?steps"})
# Inputs that change nothing here: batch_dims is 0 for one sequence, and the indices are valid.
_FREE_INPUTS = frozenset(("validate_indices", "batch_dims"))
_ONNX_GATES = "zrn"
# More are no longer the same in 16 bits, to which programs in half precision cast them.
_MAX_STEPS = 1 << 15


class _Matcher:
    """Compares operations with patterns, and notes which names stand for the variables."""

    def __init__(
        self, context: MilContext, operations: Mapping[str, Any], types: Mapping[str, Any], bound: dict[str, str]
    ) -> None:
        self._context = context
        self._operations = operations
        self._types = types
        self.bound = bound

    def matches(self, pattern: _Pattern, name: str) -> bool:
        name = self._before_casts(name)
        if isinstance(pattern, str):
            return pattern == "?" or self.bound.setdefault(pattern[1:], name) == name
        kind = pattern[0]
        if kind == "=":
            return self._is_constant(name, pattern[1])
        if kind == "name":
            return name == self._before_casts(pattern[1])
        if kind == "index":
            return self.matches(pattern[1], self._not_from_end(name))
        operation = self._operations.get(name)
        if operation is None or operation.type != kind:
            return False
        wanted = pattern[1]
        if set(operation.inputs) - _FREE_INPUTS != set(wanted):
            return False
        return all(self._argument_matches(inner, operation.inputs[key]) for key, inner in wanted.items())

    def _argument_matches(self, pattern: _Pattern, given: Any) -> bool:
        arguments = given.arguments
        return len(arguments) == 1 and bool(arguments[0].name) and self.matches(pattern, arguments[0].name)

    def _not_from_end(self, name: str) -> str:
        """The index of which this is ``index >= 0 ? index : index + size``.

        coremltools writes that for iOS 17 and later, and once more whenever it rewrites a program.
        """
        operation = self._operations.get(name)
        while operation is not None and operation.type == "select" and operation.inputs["a"].arguments:
            inner = self._before_casts(operation.inputs["a"].arguments[0].name)
            same = ("name", inner)
            test = ("greater_equal", {"x": same, "y": ("=", 0)})
            if not self.matches(("select", {"cond": test, "a": same, "b": ("add", {"x": same, "y": "?"})}), name):
                break
            name, operation = inner, self._operations.get(inner)
        return name

    def _before_casts(self, name: str) -> str:
        """What was cast: between floating types, which are one here, and between integers of at least 16 bits."""
        operation = self._operations.get(name)
        while operation is not None and operation.type == "cast" and name in self._types:
            (argument,) = operation.inputs["x"].arguments
            if self._kind(argument.name) is None or self._kind(argument.name) != self._kind(name):
                break
            name = argument.name
            operation = self._operations.get(name)
        return name

    def _kind(self, name: str) -> str | None:
        declared = self._types.get(name)
        if not isinstance(declared, TensorType) or declared.element.kind not in ("int", "float"):
            return None
        return declared.element.kind if declared.element.bits >= 16 else None

    def _is_constant(self, name: str, value: Any) -> bool:
        bound = self._context.scopes.find(name, self._context.where)
        return isinstance(bound, Constant) and bool(np.all(np.asarray(bound.stored) == value))


def convert_gru_loop(context: MilContext, start: list[ir.Value]) -> bool:
    """Emit a GRU for the current ``while_loop`` if it is one.

    Args:
        context: the loop.
        start: the values of its variables at the start.

    Returns:
        Whether it was one, and the loop's outputs are set.
    """
    blocks = context.operation.blocks
    if len(start) != 2 or any(len(block.inputs) != 2 or not block.outputs for block in blocks):
        return False
    with context.scopes.block():
        operations = {
            operation.outputs[0].name: operation
            for block in blocks
            for operation in block.operations
            if operation.outputs
        }
        bound = _match(context, operations)
        if bound is None:
            return False
        steps, weights = context.scopes.find(bound["steps"], context.where), _weights(context, bound)
        sequence = context.scopes.find(bound["sequence"], context.where)
    if weights is None or not isinstance(steps, Constant) or not isinstance(sequence, ir.Value):
        return False
    first = _first_state(context, start, int(np.asarray(steps.stored).reshape(-1)[0]), shape_of(sequence))
    if first is None:
        return False
    features = weights[1].shape[2]
    outputs = context.op(
        "GRU",
        sequence,
        *(context.constant(array) for array in weights),
        None,
        first,
        hidden_size=features,
        linear_before_reset=1,
    )
    states = context.op("Squeeze", outputs, context.constant([1]))
    context.output(context.constant(np.asarray(steps.stored).reshape(-1).astype(np.int64)), 0)
    context.output(context.op("Concat", first, states, axis=0), 1)
    return True


def _match(context: MilContext, operations: Mapping[str, Any]) -> dict[str, str] | None:
    """The names of the parts of a loop that is a GRU; its constants can be found in the scope afterwards."""
    from mltoolkit.converters.ml_program.registry import operation_converters

    condition, body = context.operation.blocks
    converters, loop = operation_converters(), context.operation
    try:
        for operation in operations.values():
            # The names of the blocks' other operations are found in none of the patterns' constants.
            context.operation = operation
            if operation.type == "const" or operation.type.startswith("constexpr_"):
                converters[operation.type](context)
            else:
                context.scopes.bind(operation.outputs[0].name, None)
    finally:
        context.operation = loop
    step, states = (argument.name for argument in body.inputs)
    for argument in (*body.inputs, *(item for item in condition.inputs if item.name not in (step, states))):
        context.scopes.bind(argument.name, None)
    described = [*body.inputs, *condition.inputs, *(operation.outputs[0] for operation in operations.values())]
    types = {item.name: read_type(item.type) for item in described}
    matcher = _Matcher(context, operations, types, {"i": step, "h": states})
    if len(body.outputs) != 2 or not matcher.matches(_STEP, body.outputs[0]):
        return None
    if not matcher.matches(_LIST, body.outputs[1]):
        return None
    test = _Matcher(context, operations, types, {"i": condition.inputs[0].name})
    if not test.matches(_GOES_ON, condition.outputs[0]):
        return None
    return matcher.bound | {"steps": test.bound["steps"]}


def _weights(context: MilContext, bound: Mapping[str, str]) -> tuple[NDArray[np.float32], ...] | None:
    """ONNX's W, R and B, if all are constants of fitting shapes."""
    parts: dict[str, NDArray[np.float32]] = {}
    for gate in _ONNX_GATES:
        for kind in ("wi", "wh", "bi", "bh"):
            found = context.scopes.find(bound[kind + gate], context.where)
            if not isinstance(found, Constant) or not isinstance(found.stored, np.ndarray):
                return None
            parts[kind + gate] = found.stored.astype(np.float32)
    features = parts["bin"].size
    inputs = parts["win"].shape[-1] if parts["win"].ndim == 2 else 0
    shapes = {"wi": (features, inputs), "wh": (features, features), "bi": (features,), "bh": (features,)}
    if not inputs or any(array.shape != shapes[name[:2]] for name, array in parts.items()):
        return None
    joined = {kind: np.concatenate([parts[kind + gate] for gate in _ONNX_GATES]) for kind in shapes}
    biases = np.concatenate([joined["bi"], joined["bh"]])
    return joined["wi"][np.newaxis], joined["wh"][np.newaxis], biases[np.newaxis]


def _first_state(context: MilContext, start: list[ir.Value], steps: int, sequence: tuple[Any, ...]) -> ir.Value | None:
    """The state (1, B, H) before the first step, if the loop takes all steps and writes over zeros."""
    begin, states = start
    shape = shape_of(states)
    if begin.const_value is None or int(begin.const_value.numpy().reshape(-1)[0]) != 0:
        return None
    if len(sequence) != 3 or sequence[0] != steps or len(shape) != 3 or shape[0] != steps + 1:
        return None
    if steps >= _MAX_STEPS:
        return None
    if states.const_value is not None:
        numbers = states.const_value.numpy()
        return None if numbers[1:].any() else context.constant(numbers[:1])
    joined = states.producer()
    if joined is None or joined.op_type != "Concat" or joined.attributes["axis"].as_int() != 0:
        return None
    first, *others = joined.inputs
    if first is None or shape_of(first)[0] != 1:
        return None
    constants = [value.const_value for value in others if value is not None]
    if any(tensor is None or tensor.numpy().any() for tensor in constants):
        return None
    return first
