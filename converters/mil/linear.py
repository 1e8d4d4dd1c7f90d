"""MatMul and Gemm."""

from __future__ import annotations

from typing import Any

import numpy as np

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.kinds import cast_to_kind, kind_of, like
from mltoolkit.converters.mil.registry import writes


@writes("MatMul")
def write_matmul(node: NodeContext) -> Any:
    """MatMul as NumPy's: a vector counts as a row on the left and a column on the right."""
    return matmul(node, node.input(0), node.input(1))


def matmul(node: NodeContext, x: Any, y: Any) -> Any:
    """The product of two values with NumPy's rules for vectors and stacks."""
    mb, kind = node.mb, kind_of(x)
    squeezed = []
    if x.rank == 1:
        x = mb.expand_dims(x=x, axes=[0])
        squeezed.append(-2)
    if y.rank == 1:
        y = mb.expand_dims(x=y, axes=[1])
        squeezed.append(-1)
    # Whole numbers multiply exactly in float32 below 2²⁴.
    x, y = cast_to_kind(node, x, "f"), cast_to_kind(node, y, "f")
    result = mb.matmul(x=x, y=y)
    if squeezed:
        result = mb.squeeze(x=result, axes=squeezed)
    return cast_to_kind(node, result, kind)


@writes("Gemm")
def write_gemm(node: NodeContext) -> Any:
    """Gemm: alpha · A' · B' + beta · C."""
    mb = node.mb
    alpha, beta = float(node.attribute("alpha", 1.0)), float(node.attribute("beta", 1.0))
    transpose_a, transpose_b = bool(node.attribute("transA", 0)), bool(node.attribute("transB", 0))
    a, kernel, bias = node.input(0), node.constant(1), node.constant(2)
    if kind_of(a) != "f":
        node.refuse("it multiplies whole numbers", "Gemm of floating numbers")
    if transpose_a:
        a = mb.transpose(x=a, perm=[1, 0])
    rows = node.shape(1)[0 if transpose_b else 1]
    vector = None if bias is None else _as_bias(bias, rows)
    if kernel is not None and (not node.has(2) or vector is not None):
        if transpose_b and alpha == 1:
            weight = node.input(1)
        else:
            kernel = (kernel if transpose_b else kernel.T) * np.float32(alpha)
            weight = node.weight(1, np.ascontiguousarray(kernel))
        return mb.linear(x=a, weight=weight, bias=None if vector is None else vector * np.float32(beta))
    result = mb.matmul(x=a, y=node.input(1), transpose_y=transpose_b)
    if alpha != 1:
        result = mb.mul(x=result, y=np.float32(alpha))
    if not node.has(2):
        return result
    added = node.input(2)
    if beta != 1:
        added = mb.mul(x=added, y=like(added, beta))
    return mb.add(x=result, y=added)


def _as_bias(bias: np.ndarray[Any, Any], rows: Any) -> np.ndarray[Any, Any] | None:
    """The bias as a vector of one element a row of the matrix, None where it has several rows."""
    if not isinstance(rows, (int, np.integer)) or bias.size not in (1, rows) or (bias.ndim == 2 and bias.shape[0] != 1):
        return None
    if bias.size == 1:
        return np.full(int(rows), bias.reshape(-1)[0], np.float32)
    return bias.reshape(-1).astype(np.float32)
