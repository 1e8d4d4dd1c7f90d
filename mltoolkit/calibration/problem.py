"""The problem that quantizing one layer against its calibration data is: least squares in the layer's output.

For inputs x of a layer in the float network and x̂ in the network quantized so far, weights W and quantized
weights Q, the error of the output is E‖W x − Q x̂‖². With H = Cov(x̂) and C = Cov(x, x̂) it is, but for a constant,

    tr (Q − T) H (Q − T)ᵀ   with   T = W C H⁻¹,

the weights that would undo best what the layers before have changed ("asymmetric" target). Both covariances are
damped by λ I (Frantar et al., GPTQ, arXiv:2210.17323, section 3.3: λ is 1 % of the mean diagonal), which also draws
T to W where the data say nothing. Where the layer's bias absorbs the means, the covariances are centred.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.statistics import InputStatistics

_DAMPING = 0.01
# Matrices up to this size are inverted at once.
_SMALL = 64
# Of the largest second moment: the statistics are sums of float32 products, and what is left of them without the means
# is noise where an input hardly varies.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Problem:
    """min over Q on a grid of Σ over groups of tr (Q − T) H (Q − T)ᵀ.

    Attributes:
        target: T, float32 (groups, outputs, inputs).
        hessian: H, damped, float32 (groups, inputs, inputs), positive definite.
        damping: λ.
        power: the variance of each output of the float network (the mean square where nothing is centred), float64
            (groups, outputs).
    """

    target: NDArray[np.float32]
    hessian: NDArray[np.float32]
    damping: float
    power: NDArray[np.float64]
    _factors: dict[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    @cached_property
    def importance(self) -> NDArray[np.float32]:
        """The diagonal of H: how much an error of each input's weight costs by itself; (groups, inputs)."""
        return np.ascontiguousarray(np.diagonal(self.hessian, axis1=1, axis2=2))

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """The inputs by falling mean importance: what is rounded first has most others to make up for it."""
        return np.argsort(-self.importance.mean(axis=0), kind="stable")

    @property
    def compensation(self) -> NDArray[np.float32]:
        """The upper Cholesky factor U of H⁻¹ = Uᵀ U, inputs in :attr:`order`; (groups, inputs, inputs)."""
        if "compensation" not in self._factors:
            ordered = self.hessian[:, self.order][:, :, self.order].astype(np.float64)
            # From the last input to the first: H = V Vᵀ with V upper triangular, so that U = V⁻¹.
            upper = np.linalg.cholesky(ordered[:, ::-1, ::-1])[:, ::-1, ::-1]
            self._factors["compensation"] = upper_inverse(upper).astype(np.float32)
        return self._factors["compensation"]

    def loss(self, weights: NDArray[np.float32]) -> float:
        """tr (Q − T) H (Q − T)ᵀ of weights Q (groups, outputs, inputs)."""
        error = weights - self.target
        return float(np.einsum("goi,goi->", error @ self.hessian, error, dtype=np.float64))

    def power_of(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """The variance that weights (groups, outputs, inputs) give each output in the quantized network."""
        damped = np.einsum("goi,goi->go", weights @ self.hessian, weights, dtype=np.float64)
        size = np.einsum("goi,goi->go", weights, weights, dtype=np.float64)
        power: NDArray[np.float64] = np.maximum(damped - self.damping * size, 0.0)
        return power

    def rows(self, rows: NDArray[np.integer]) -> Problem:
        """The problem of some of the outputs of every group; what was computed of H is shared."""
        return Problem(
            np.ascontiguousarray(self.target[:, rows]), self.hessian, self.damping, self.power[:, rows], self._factors
        )


def make_problem(weights: NDArray[np.float32], statistics: InputStatistics, *, centred: bool) -> Problem:
    """The problem for a layer.

    Args:
        weights: W, float32 (groups, outputs, inputs).
        statistics: of its inputs.
        centred: whether a bias will make up for what the means of the outputs differ.
    """
    second, cross, reference = statistics.second_moment, statistics.cross, statistics.float_moment
    if centred:
        mean, mean_hat = statistics.mean, statistics.mean_hat
        second = second - mean_hat[:, :, None] * mean_hat[:, None, :]
        cross = cross - mean[:, :, None] * mean_hat[:, None, :]
        reference = reference - mean[:, :, None] * mean[:, None, :]
    noise = _ROUNDING * float(np.diagonal(statistics.second_moment, axis1=1, axis2=2).max(initial=0.0))
    inputs = weights.shape[-1]
    # One λ for all groups: a channel that is always zero has no scale of its own. Without any data T is W.
    damping = max(_DAMPING * float(np.trace(second, axis1=1, axis2=2).mean()) / inputs, noise) or 1.0
    eye = damping * np.eye(inputs)
    hessian = second + eye
    wide = weights.astype(np.float64)
    # T (H + λI) = W (C + λI), and H is symmetric.
    target = np.swapaxes(np.linalg.solve(hessian, np.swapaxes(wide @ (cross + eye), 1, 2)), 1, 2)
    return Problem(
        np.ascontiguousarray(target, dtype=np.float32),
        hessian.astype(np.float32),
        damping,
        np.maximum(np.einsum("goi,goi->go", wide @ reference, wide), 0.0),
    )


def upper_inverse(upper: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The inverses of upper triangular matrices (groups, n, n), by halves: nearly all of it matrix products."""
    size = upper.shape[-1]
    if size <= _SMALL:
        return np.triu(np.linalg.inv(upper))
    half = size // 2
    result = np.zeros_like(upper)
    result[:, :half, :half] = first = upper_inverse(upper[:, :half, :half])
    result[:, half:, half:] = last = upper_inverse(upper[:, half:, half:])
    result[:, :half, half:] = -first @ (upper[:, :half, half:] @ last)
    return result
