"""The values that quantized weights may take: a lookup table, or evenly spaced ones with a scale and a bias.

A grid rounds values of shape (groups, outputs, columns), given which inputs the columns are, and can be refitted to
codes that are settled: the loss is quadratic in what the codes stand for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.problem import Problem

Codes = NDArray[np.uint8]
Weights = NDArray[np.float32]
Power = NDArray[np.float64]
Columns = slice | NDArray[np.intp]
G = TypeVar("G", bound="Grid")
_REFIT_STEPS = 8
_EVERYTHING = slice(None)
# More than this is no loss of power by rounding but a layer without data.
_MOST_STRETCH = 2.0
_SMALLEST_HALF, _LARGEST_HALF = np.float32(2.0**-24), np.float32(65504)


class Grid(Protocol):
    """What rounding, refitting and matching the power of the outputs need."""

    def round(self, values: Weights, columns: Columns = _EVERYTHING) -> Codes:
        """The codes of the nearest values on the grid.

        Args:
            values: (groups, outputs, columns).
            columns: which inputs the columns are.
        """
        ...

    def decode(self, codes: Codes, columns: Columns = _EVERYTHING) -> Weights:
        """What codes stand for."""
        ...

    def refitted(self: G, problem: Problem, codes: Codes) -> G:
        """The grid for which these codes lose least."""
        ...

    def stretched(self: G, wanted: Power, found: Power) -> G:
        """The grid whose values give the outputs the wanted power, given what they have; both (groups, outputs)."""
        ...

    def halved(self: G) -> G:
        """The grid with its numbers as float16 holds them."""
        ...


@dataclass(frozen=True)
class TableGrid:
    """One lookup table for all weights.

    Attributes:
        table: float32 (entries,), ascending.
        fixed: the table is the caller's, and stays.
    """

    table: NDArray[np.float32]
    fixed: bool = False

    def round(self, values: Weights, columns: Columns = _EVERYTHING) -> Codes:
        """See :class:`Grid`."""
        middles = (self.table[1:] + self.table[:-1]) / 2
        return np.searchsorted(middles, values).astype(np.uint8)

    def decode(self, codes: Codes, columns: Columns = _EVERYTHING) -> Weights:
        """See :class:`Grid`."""
        return self.table[codes]

    def refitted(self, problem: Problem, codes: Codes) -> TableGrid:
        """Conjugate gradients on A c = r, A_kl = Σ 1_k H 1_lᵀ: a product with A takes one with H."""
        if self.fixed:
            return self
        flat, entries = codes.reshape(-1), self.table.size

        def collected(values: Weights) -> NDArray[np.float64]:
            masses = (values @ problem.hessian).reshape(-1)
            return np.bincount(flat, weights=masses, minlength=entries).astype(np.float64, copy=False)

        table = self.table.astype(np.float64)
        residual = collected(problem.target - self.table[codes])
        direction, squared = residual.copy(), float(residual @ residual)
        start = squared
        for _ in range(_REFIT_STEPS):
            if squared <= 1e-12 * start or squared == 0.0:
                break
            product = collected(direction.astype(np.float32)[codes])
            curvature = float(direction @ product)
            if not curvature > 0.0:
                break
            step = squared / curvature
            table += step * direction
            residual -= step * product
            previous, squared = squared, float(residual @ residual)
            direction = residual + (squared / previous) * direction
        # Entries may have changed places; codes are found anew by whoever uses the grid.
        return TableGrid(np.sort(table).astype(np.float32))

    def stretched(self, wanted: Power, found: Power) -> TableGrid:
        """See :class:`Grid`; one factor for all."""
        return self if self.fixed else TableGrid(self.table * np.float32(_factors(wanted.sum(), found.sum())))

    def halved(self) -> TableGrid:
        """See :class:`Grid`."""
        return replace(self, table=_half(self.table))


@dataclass(frozen=True)
class LinearGrid:
    """scale · code + bias, with a scale and bias for each block of inputs of each output, or fewer.

    Attributes:
        scale: float32 (groups or 1, outputs or 1, blocks).
        bias: likewise.
        levels: 2 ** bits.
        symmetric: the bias is −levels / 2 · scale and stays so.
        inputs: of the weights; a block is inputs / blocks of them.
        whole: the bias is −zero point · scale with a zero point that is a code.
    """

    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    levels: int
    symmetric: bool
    inputs: int
    whole: bool = False

    @property
    def zero_points(self) -> NDArray[np.float32]:
        """The codes that stand for 0, of the scales' shape; whole numbers if they are so for the grid."""
        points = np.divide(-self.bias, self.scale, out=np.zeros_like(self.bias), where=self.scale > 0)
        return np.rint(points) if self.whole else points

    def of_inputs(self, parameter: NDArray[np.float32], columns: Columns = _EVERYTHING) -> NDArray[np.float32]:
        """Scales or biases for each of some inputs, or one for all of them."""
        if parameter.shape[-1] == 1:
            return parameter
        return np.repeat(parameter, self.inputs // parameter.shape[-1], axis=-1)[..., columns]

    def round(self, values: Weights, columns: Columns = _EVERYTHING) -> Codes:
        """See :class:`Grid`."""
        scale, bias = self.of_inputs(self.scale, columns), self.of_inputs(self.bias, columns)
        steps = np.divide(values - bias, scale, out=np.zeros_like(values), where=scale > 0)
        if self.symmetric:
            # Where all is zero, the code is that of zero.
            steps = np.where(scale > 0, steps, self.levels // 2)
        codes: Codes = np.clip(np.rint(steps), 1 if self.symmetric else 0, self.levels - 1).astype(np.uint8)
        return codes

    def decode(self, codes: Codes, columns: Columns = _EVERYTHING) -> Weights:
        """See :class:`Grid`."""
        return self.of_inputs(self.scale, columns) * codes + self.of_inputs(self.bias, columns)

    def refitted(self, problem: Problem, codes: Codes) -> LinearGrid:
        """Least squares for one scale and bias for each output (2 × 2 equations); others stay as they are."""
        if self.scale.shape != (*codes.shape[:2], 1):
            return self
        steps = codes.astype(np.float32)
        if self.symmetric:
            steps -= self.levels // 2
        weighted = steps @ problem.hessian
        along = np.einsum("goi,goi->go", weighted, steps, dtype=np.float64)
        towards = np.einsum("goi,goi->go", weighted, problem.target, dtype=np.float64)
        if self.symmetric:
            scale = np.divide(towards, along, out=self.scale[..., 0].astype(np.float64), where=along > 0)
            return self._with(scale, -(self.levels // 2) * scale)
        ones = problem.hessian.sum(axis=1, dtype=np.float64)[:, None, :]
        mixed = np.einsum("goi,goi->go", ones, steps)
        total = ones.sum(axis=-1)
        constant = np.einsum("goi,goi->go", ones, problem.target)
        determinant = along * total - mixed * mixed
        fine = determinant > 1e-9 * along * total
        safe = np.where(fine, determinant, 1.0)
        scale = np.where(fine, (towards * total - mixed * constant) / safe, self.scale[..., 0])
        bias = np.where(fine, (along * constant - mixed * towards) / safe, self.bias[..., 0])
        return self._with_whole_points(problem, codes, scale, bias) if self.whole else self._with(scale, bias)

    def _with_whole_points(
        self, problem: Problem, codes: Codes, scale: NDArray[np.float64], bias: NDArray[np.float64]
    ) -> LinearGrid:
        """The zero points nearest to those wanted, and for each the scale of least squares."""
        wanted = np.divide(-bias, scale, out=self.zero_points[..., 0].astype(np.float64), where=scale > 0)
        points = np.clip(np.rint(wanted), 0, self.levels - 1)
        steps = codes - points[..., None].astype(np.float32)
        weighted = steps @ problem.hessian
        along = np.einsum("goi,goi->go", weighted, steps, dtype=np.float64)
        towards = np.einsum("goi,goi->go", weighted, problem.target, dtype=np.float64)
        best = np.divide(towards, along, out=np.zeros_like(along), where=along > 0)
        return self._with(best, -points * best)

    def stretched(self, wanted: Power, found: Power) -> LinearGrid:
        """See :class:`Grid`; a factor for each output where it has a scale of its own, else one."""
        own = self.scale.shape[:2] == wanted.shape
        factors = _factors(wanted, found)[..., None] if own else _factors(wanted.sum(), found.sum())
        return replace(
            self, scale=(self.scale * factors).astype(np.float32), bias=(self.bias * factors).astype(np.float32)
        )

    def halved(self) -> LinearGrid:
        """See :class:`Grid`."""
        # A scale that became 0 would let codes stand for anything: those of channels that are nearly zero.
        scale = np.where(self.scale > 0, np.maximum(_half(self.scale), _SMALLEST_HALF), np.float32(0))
        return replace(self, scale=scale, bias=-self.zero_points * scale if self.whole else _half(self.bias))

    def _with(self, scale: NDArray[np.float64], bias: NDArray[np.float64]) -> LinearGrid:
        good = scale > 0
        return replace(
            self,
            scale=np.where(good, scale, self.scale[..., 0])[..., None].astype(np.float32),
            bias=np.where(good, bias, self.bias[..., 0])[..., None].astype(np.float32),
        )


def _half(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(numbers, -_LARGEST_HALF, _LARGEST_HALF).astype(np.float16).astype(np.float32)


def _factors(wanted: Any, found: Any) -> NDArray[np.float64]:
    ratio = np.divide(wanted, found, out=np.ones_like(wanted, dtype=np.float64), where=np.asarray(found) > 0)
    factors: NDArray[np.float64] = np.clip(np.sqrt(ratio), 1 / _MOST_STRETCH, _MOST_STRETCH)
    return factors
