"""Einsum: sums of products over named axes, as products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.kinds import cast_to_kind, kind_of
from mltoolkit.converters.mil.registry import writes
from mltoolkit.converters.mil.sizes import is_known, product, reshaped, size_of

# A value and the label of each of its axes.
Labelled = tuple[Any, list[str]]


@writes("Einsum")
def write_einsum(node: NodeContext) -> Any:
    """Einsum of any number of values, with repeated labels and an ellipsis."""
    values = node.inputs()
    terms, result = _parse(node, node.attribute("equation"), [value.rank for value in values])
    kind = kind_of(values[0])
    operands = [
        _without_repeats(node, cast_to_kind(node, value, "f"), term) for value, term in zip(values, terms, strict=True)
    ]
    current = operands[0]
    for index, operand in enumerate(operands[1:], 1):
        later = {label for _, labels in operands[index + 1 :] for label in labels}
        current = _multiply(node, current, operand, [*result, *(label for label in later if label not in result)])
    x, labels = _summed(node, current, result)
    x = _ordered(node, x, labels, result)
    if x is values[0]:
        x = node.mb.identity(x=x)
    return cast_to_kind(node, x, kind)


def _parse(node: NodeContext, equation: str, ranks: Sequence[int]) -> tuple[list[list[str]], list[str]]:
    """The labels of each value and of the result; the axes of an ellipsis are labelled from the end."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(ranks):
        node.refuse(f"its equation {equation!r} has {len(texts)} terms for {len(ranks)} values")
    terms = []
    for text, rank in zip(texts, ranks, strict=True):
        before, dots, after = text.partition("...")
        hidden = rank - len(before) - len(after) if dots else 0
        terms.append([*before, *(f"...{hidden - place}" for place in range(hidden)), *after])
        if len(terms[-1]) != rank:
            node.refuse(f"the term {text!r} of its equation does not fit a value of {rank} axes")
    counts: dict[str, int] = {}
    for label in (label for term in terms for label in term):
        counts[label] = counts.get(label, 0) + 1
    ellipsis = sorted((label for label in counts if label.startswith("...")), key=lambda label: -int(label[3:]))
    if arrow:
        before, dots, after = right.partition("...")
        return terms, [*before, *(ellipsis if dots else []), *after]
    return terms, [*ellipsis, *sorted(label for label, count in counts.items() if count == 1 and label not in ellipsis)]


def _without_repeats(node: NodeContext, x: Any, labels: list[str]) -> Labelled:
    """The diagonal along axes of the same label: a product with ones on it, summed along the second axis."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            size = size_of(node, x, first)
            if not is_known(size):
                node.refuse("it takes a diagonal of flexible size", "fixed input shapes")
            shape = [size if axis in (first, second) else 1 for axis in range(x.rank)]
            x = node.mb.mul(x=x, y=np.eye(size, dtype=np.float32).reshape(shape))
            x = node.mb.reduce_sum(x=x, axes=[second], keep_dims=False)
            del labels[second]
    return x, labels


def _summed(node: NodeContext, operand: Labelled, kept: Sequence[str]) -> Labelled:
    """Sum along the axes whose label is not kept."""
    x, labels = operand
    axes = [axis for axis, label in enumerate(labels) if label not in kept]
    if not axes:
        return operand
    return node.mb.reduce_sum(x=x, axes=axes, keep_dims=False), [label for label in labels if label in kept]


def _ordered(node: NodeContext, x: Any, labels: Sequence[str], wanted: Sequence[str]) -> Any:
    order = [list(labels).index(label) for label in wanted]
    return x if order == sorted(order) else node.mb.transpose(x=x, perm=order)


def _multiply(node: NodeContext, left: Labelled, right: Labelled, kept: Sequence[str]) -> Labelled:
    """The product of two values, summed over what they share and nobody needs later."""
    left = _summed(node, left, [*kept, *right[1]])
    right = _summed(node, right, [*kept, *left[1]])
    shared = [label for label in left[1] if label in right[1]]
    batch = [label for label in shared if label in kept]
    inner = [label for label in shared if label not in kept]
    rows = [label for label in left[1] if label not in shared]
    columns = [label for label in right[1] if label not in shared]
    sizes = _sizes(node, left, right)
    if any(_size_of_label(node, left, label) != _size_of_label(node, right, label) for label in batch):
        return _multiply_by_broadcast(node, left, right, [*batch, *rows, *columns, *inner], inner)
    x = _matrix(node, left, (batch, rows, inner), sizes)
    y = _matrix(node, right, (batch, inner, columns), sizes)
    result = node.mb.matmul(x=x, y=y)
    labels = [*batch, *rows, *columns]
    if not labels:
        return node.mb.squeeze(x=result, axes=[0, 1, 2]), labels
    return reshaped(node, result, [sizes[label] for label in labels]), labels


def _sizes(node: NodeContext, *operands: Labelled) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    for x, labels in operands:
        for axis, label in enumerate(labels):
            size = size_of(node, x, axis)
            if label not in sizes or (is_known(sizes[label]) and sizes[label] == 1):
                sizes[label] = size
    return sizes


def _size_of_label(node: NodeContext, operand: Labelled, label: str) -> Any:
    return operand[0].shape[operand[1].index(label)]


def _matrix(node: NodeContext, operand: Labelled, groups: Sequence[Sequence[str]], sizes: dict[str, Any]) -> Any:
    """A stack of matrices: each group of axes as one."""
    x, labels = operand
    x = _ordered(node, x, labels, [label for group in groups for label in group])
    return reshaped(node, x, [product(node, [sizes[label] for label in group]) for group in groups])


def _multiply_by_broadcast(
    node: NodeContext, left: Labelled, right: Labelled, labels: list[str], inner: Sequence[str]
) -> Labelled:
    """The product where axes of size 1 meet longer ones."""
    aligned = []
    for x, own in (left, right):
        present = [label for label in labels if label in own]
        x = _ordered(node, x, own, present)
        missing = [axis for axis, label in enumerate(labels) if label not in own]
        aligned.append(node.mb.expand_dims(x=x, axes=missing) if missing else x)
    result = node.mb.mul(x=aligned[0], y=aligned[1])
    kept = [label for label in labels if label not in inner]
    return _summed(node, (result, labels), kept)
