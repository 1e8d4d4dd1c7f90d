"""Einstein sums of one or two operands as transposes, reshapes and one product of matrices.

Core ML's own einsum knows two equations only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir

from mltoolkit.converters.keras.context import LayerContext
from mltoolkit.graph.builder import shape_of


def einsum(context: LayerContext, equation: str, operands: Sequence[ir.Value]) -> ir.Value:
    """Operands in Keras' order of axes. Falls back to ONNX's Einsum for what is no product of two."""
    parsed = _parse(equation, [len(shape_of(value)) for value in operands])
    if parsed is None or len(operands) > 2 or _open_labels(parsed[0], operands) > 1:
        return context.op("Einsum", *operands, equation=equation)
    inputs, output = parsed
    terms = [
        _without_unused(context, value, labels, output + "".join(inputs[:place] + inputs[place + 1 :]))
        for place, (value, labels) in enumerate(zip(operands, inputs, strict=True))
    ]
    if len(terms) == 1:
        return _ordered(context, *terms[0], output)
    return _ordered(context, *_product(context, *terms[0], *terms[1], output), output)


def _open_labels(inputs: Sequence[str], operands: Sequence[ir.Value]) -> int:
    """How many labels stand for sizes that are only known when the model runs."""
    sizes: dict[str, object] = {}
    for labels, value in zip(inputs, operands, strict=True):
        sizes.update(zip(labels, shape_of(value), strict=True))
    return sum(not isinstance(size, int) for size in sizes.values())


def _parse(equation: str, ranks: Sequence[int]) -> tuple[list[str], str] | None:
    """The labels of each operand and of the result; None for equations with repeated labels."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    if "..." in equation:
        free = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in equation]
        counts = [rank - len(labels.replace("...", "")) for labels, rank in zip(inputs, ranks, strict=True)]
        most = max(count for labels, count in zip(inputs, counts, strict=True) if "..." in labels)
        inputs = [
            labels.replace("...", "".join(free[most - count : most]))
            for labels, count in zip(inputs, counts, strict=True)
        ]
        output = output.replace("...", "".join(free[:most]))
    if not arrow:
        letters = "".join(inputs)
        output = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    if any(len(set(labels)) != len(labels) for labels in (*inputs, output)):
        return None
    return inputs, output


def _without_unused(context: LayerContext, value: ir.Value, labels: str, others: str) -> tuple[ir.Value, str]:
    """Sum over axes that nothing else has."""
    axes = [axis for axis, label in enumerate(labels) if label not in others]
    if not axes:
        return value, labels
    value = context.op("ReduceSum", value, context.constant(axes), keepdims=0)
    return value, "".join(label for label in labels if label in others)


def _product(
    context: LayerContext, first: ir.Value, one: str, second: ir.Value, other: str, output: str
) -> tuple[ir.Value, str]:
    """A product of matrices over the labels that both have and the result has not."""
    sizes = dict(zip(one + other, (*shape_of(first), *shape_of(second)), strict=True))
    batch = [label for label in one if label in other and label in output]
    summed = [label for label in one if label in other and label not in output]
    rows = [label for label in one if label not in other]
    columns = [label for label in other if label not in one]

    def size(labels: Sequence[str]) -> int:
        numbers = [number for number in (sizes[label] for label in labels) if isinstance(number, int)]
        return math.prod(numbers) if len(numbers) == len(labels) else -1

    left = _ordered(context, first, one, "".join(batch + rows + summed))
    right = _ordered(context, second, other, "".join(batch + summed + columns))
    leading = [size([label]) for label in batch]
    # Without a batch the rows may stay several axes: a product takes any number of leading ones.
    heads = [size([label]) for label in rows] if not batch else [size(rows)]
    left = _shaped(context, left, [*leading, *heads, size(summed)])
    right = _shaped(context, right, [*leading, size(summed), size(columns)])
    labels = "".join(batch + rows + columns)
    return _shaped(context, context.op("MatMul", left, right), [size([label]) for label in labels]), labels


def _shaped(context: LayerContext, value: ir.Value, sizes: Sequence[int]) -> ir.Value:
    """At most one size, given as −1, is only known when the model runs."""
    if [size if isinstance(size, int) else -1 for size in shape_of(value)] == list(sizes):
        return value
    return context.op("Reshape", value, context.constant(list(sizes)))


def _ordered(context: LayerContext, value: ir.Value, labels: str, wanted: str) -> ir.Value:
    if labels == wanted:
        return value
    return context.op("Transpose", value, perm=[labels.index(label) for label in wanted])
