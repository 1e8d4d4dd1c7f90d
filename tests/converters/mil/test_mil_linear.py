"""Products of matrices in both formats."""

from __future__ import annotations

import numpy as np
import pytest
from checking import check_onnx, one_node

RNG = np.random.default_rng(19)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("left", "right"),
    [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((4,), (4, 5)), ((2, 3, 4), (4,)), ((4,), (4,))],
)
@pytest.mark.parametrize("constant", [False, True])
def test_matmul(left, right, constant):
    x, y = random(*left), random(*right)
    model = one_node("MatMul", {"a": x}, {"b": y}) if constant else one_node("MatMul", {"a": x, "b": y})
    check_onnx(model, {"a": x} if constant else {"a": x, "b": y})


def test_constant_on_the_left():
    x = random(4, 5)
    check_onnx(one_node("MatMul", {"x": x}, {"w": random(3, 4)}, inputs=["w", "x"]), {"x": x})


@pytest.mark.parametrize("transpose_a", [0, 1])
@pytest.mark.parametrize("transpose_b", [0, 1])
@pytest.mark.parametrize("factors", [{}, {"alpha": 0.5, "beta": 2.0}])
@pytest.mark.parametrize("bias", [None, (5,), (1, 5), (3, 1), (3, 5), ()])
@pytest.mark.parametrize("constant", [False, True])
def test_gemm(transpose_a, transpose_b, factors, bias, constant):
    a = random(*((4, 3) if transpose_a else (3, 4)))
    rest = {"b": random(*((5, 4) if transpose_b else (4, 5)))} | ({} if bias is None else {"c": random(*bias)})
    feeds = {"a": a} if constant else {"a": a} | rest
    model = one_node("Gemm", feeds, rest if constant else {}, transA=transpose_a, transB=transpose_b, **factors)
    check_onnx(model, feeds)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij->ji", [(3, 4)]),
        ("ij->i", [(3, 4)]),
        ("ij->", [(3, 4)]),
        ("ii->i", [(4, 4)]),
        ("ii", [(4, 4)]),
        ("...ii->...i", [(2, 3, 3)]),
        ("ij,jk->ik", [(3, 4), (4, 5)]),
        ("ij,jk", [(3, 4), (4, 5)]),
        ("bhwc,hkc->bhwk", [(2, 3, 4, 5), (3, 6, 5)]),
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
        ("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)]),
        ("abcd,ecd->abe", [(2, 3, 4, 5), (6, 4, 5)]),
        ("i,j->ij", [(3,), (4,)]),
        ("i,i->", [(5,), (5,)]),
        ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 5)]),
        ("...ij,...jk->...ik", [(2, 1, 3, 4), (1, 6, 4, 5)]),
        ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 5)]),
        ("aij,ajk->ak", [(2, 3, 4), (2, 4, 5)]),
    ],
)
def test_einsum(equation, shapes):
    feeds = {f"x{index}": random(*shape) for index, shape in enumerate(shapes)}
    check_onnx(one_node("Einsum", feeds, equation=equation), feeds)
