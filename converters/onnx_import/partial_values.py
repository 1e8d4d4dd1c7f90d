"""What is known of the elements of shape computations: numbers, and names of sizes that are open.

Exporters write ``x.view(x.shape[0], -1)`` as Shape, Gather, Unsqueeze and Concat before a Reshape. Where a size is
open none of these is constant, but their elements are still known as ("N", −1), which is enough to write the Reshape
with constants. The rules follow the hub's nodes backwards from the value that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import onnx_ir as ir

from mltoolkit.graph.builder import Dimension, known_shape

Elements = tuple[Dimension, ...]

# Longer vectors are no shapes.
_MAX_ELEMENTS = 64
# Shape computations are short; longer chains are left alone.
_MAX_DEPTH = 40


def elements_of(value: ir.Value, depth: int = 0) -> Elements | None:
    """The elements of a vector or scalar of whole numbers (flags are 0 and 1).

    Args:
        value: a value of the hub.
        depth: how many nodes were followed so far.

    Returns:
        A number, the name of a size, or None for each element; None where not even their count is known.
    """
    tensor = value.const_value
    if tensor is not None:
        if tensor.size > _MAX_ELEMENTS or len(tensor.shape) > 1 or tensor.dtype not in _WHOLE:
            return None
        return tuple(int(number) for number in tensor.numpy().reshape(-1))
    node = value.producer()
    rule = _RULES.get(node.op_type) if node is not None and node.domain == "" and depth < _MAX_DEPTH else None
    found = rule(node, depth + 1) if rule is not None and node is not None else None
    if found is None:
        shape = known_shape(value)
        if shape is not None and len(shape) <= 1 and all(isinstance(size, int) for size in shape):
            count = math.prod(size for size in shape if isinstance(size, int))
            return (None,) * count if count <= _MAX_ELEMENTS else None
    return found


_WHOLE = (ir.DataType.INT64, ir.DataType.INT32, ir.DataType.BOOL)


def _given(node: ir.Node, index: int, depth: int) -> Elements | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    return None if value is None else elements_of(value, depth)


def _numbers(node: ir.Node, index: int, depth: int) -> list[int] | None:
    found = _given(node, index, depth)
    if found is None or not all(isinstance(element, int) for element in found):
        return None
    return [element for element in found if isinstance(element, int)]


def _whole_attribute(node: ir.Node, name: str, default: int | None) -> int | None:
    attribute = node.attributes.get(name)
    return default if attribute is None else int(attribute.value)


def _shape(node: ir.Node, depth: int) -> Elements | None:
    value = node.inputs[0]
    shape = None if value is None else known_shape(value)
    if shape is None:
        return None
    return shape[_whole_attribute(node, "start", 0) : _whole_attribute(node, "end", None)]


def _same(node: ir.Node, depth: int) -> Elements | None:
    value = node.inputs[0]
    shape = None if value is None else known_shape(value)
    return _given(node, 0, depth) if shape is not None and len(shape) <= 1 else None


def _gather(node: ir.Node, depth: int) -> Elements | None:
    data, places = _given(node, 0, depth), _numbers(node, 1, depth)
    if data is None or places is None or not all(-len(data) <= place < len(data) for place in places):
        return None
    return tuple(data[place] for place in places)


def _concatenation(node: ir.Node, depth: int) -> Elements | None:
    parts = [_given(node, index, depth) for index in range(len(node.inputs))]
    if any(part is None for part in parts):
        return None
    return tuple(element for part in parts if part is not None for element in part)


def _slice(node: ir.Node, depth: int) -> Elements | None:
    data = _given(node, 0, depth)
    bounds = [_numbers(node, index, depth) for index in (1, 2)]
    steps = _numbers(node, 4, depth) if len(node.inputs) > 4 and node.inputs[4] is not None else [1]
    if data is None or steps is None or any(bound is None or len(bound) != 1 for bound in bounds):
        return None
    (first,), (last,) = (bound or [0] for bound in bounds)
    if steps[0] < 0:
        return None
    return data[first : last : steps[0]]


Operation = Callable[[Dimension, Dimension], Dimension]


def _elementwise(operation: Operation) -> Callable[[ir.Node, int], Elements | None]:
    def rule(node: ir.Node, depth: int) -> Elements | None:
        sides = [_given(node, index, depth) for index in (0, 1)]
        one, other = (side or () for side in sides)
        if None in sides or (len(one) != len(other) and 1 not in (len(one), len(other))):
            return None
        count = max(len(one), len(other))
        one, other = (side * count if len(side) == 1 else side for side in (one, other))
        return tuple(operation(a, b) for a, b in zip(one, other, strict=True))

    return rule


def _plus(a: Dimension, b: Dimension) -> Dimension:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return b if a == 0 else a if b == 0 else None


def _minus(a: Dimension, b: Dimension) -> Dimension:
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    return a if b == 0 else None


def _times(a: Dimension, b: Dimension) -> Dimension:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    return b if a == 1 else a if b == 1 else None


def _quotient(a: Dimension, b: Dimension) -> Dimension:
    if isinstance(a, int) and isinstance(b, int):
        return None if b == 0 else int(math.copysign(abs(a) // abs(b), a * b)) if a else 0
    return a if b == 1 else None


def _equal(a: Dimension, b: Dimension) -> Dimension:
    if isinstance(a, int) and isinstance(b, int):
        return int(a == b)
    numbers = [element for element in (a, b) if isinstance(element, int)]
    # A size is not negative; whether two names stand for one number is open.
    if (isinstance(a, str) or isinstance(b, str)) and numbers and numbers[0] < 0:
        return 0
    return 1 if isinstance(a, str) and a == b else None


def _choice(node: ir.Node, depth: int) -> Elements | None:
    parts = [_given(node, index, depth) for index in range(3)]
    if any(part is None for part in parts):
        return None
    counts = {len(part) for part in parts if part is not None} - {1}
    count = counts.pop() if counts else 1
    if counts:
        return None
    flags, one, other = (part * count if part is not None and len(part) == 1 else part or () for part in parts)
    return tuple(None if flag is None else (a if flag else b) for flag, a, b in zip(flags, one, other, strict=True))


_RULES: dict[str, Callable[[ir.Node, int], Elements | None]] = {
    "Add": _elementwise(_plus),
    "Cast": _same,
    "Concat": _concatenation,
    "Div": _elementwise(_quotient),
    "Equal": _elementwise(_equal),
    "Gather": _gather,
    "Identity": _same,
    "Mul": _elementwise(_times),
    "Reshape": _same,
    "Shape": _shape,
    "Slice": _slice,
    "Squeeze": _same,
    "Sub": _elementwise(_minus),
    "Unsqueeze": _same,
    "Where": _choice,
}


def reshape_target(elements: Sequence[Dimension], shape: Sequence[Dimension]) -> list[int] | None:
    """The constant target of a Reshape: 0 keeps the size at that place, −1 is the single one that is left open.

    Args:
        elements: what is known of the target.
        shape: what is known of the array's shape.

    Returns:
        None where more than one size stays open.
    """
    target = []
    for place, element in enumerate(elements):
        if isinstance(element, int):
            target.append(element)
        elif isinstance(element, str) and place < len(shape) and shape[place] == element:
            target.append(0)
        else:
            target.append(-1)
    return target if target.count(-1) <= 1 else None


def expand_target(elements: Sequence[Dimension], shape: Sequence[Dimension]) -> list[int] | None:
    """The constant target of an Expand: 1 keeps the size at that place; None where a size has to be computed."""
    target = []
    for place, element in enumerate(elements):
        own = place - len(elements) + len(shape)
        if isinstance(element, int):
            target.append(element)
        elif isinstance(element, str) and own >= 0 and shape[own] == element:
            target.append(1)
        else:
            return None
    return target
