"""Which weights become zero: by threshold, by magnitude to a share, in blocks of channels, n of every m.

The rules are those of coremltools 9 (``optimize/coreml/_quantization_passes.py``, ``prune_weights``); n:m pruning is
that of Zhou et al. 2021, *Learning N:M fine-grained structured sparse neural networks from scratch*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError
from mltoolkit.quantization.argument_kinds import is_number, is_whole_number

# coremltools prunes in structures only these inputs.
STRUCTURED = ("conv", "linear")
_RANKS = range(2, 6)


@dataclass(frozen=True)
class PruningConfig:
    """Which values become zero; exactly one of the first three is given.

    Attributes:
        threshold: values of at most this magnitude.
        target_sparsity: the share of values of least magnitude, 0 to 1.
        n_m_ratio: (n, m): the n of least magnitude of every m values along an axis.
        block_size: with ``target_sparsity``: blocks of so many channels, by their root sum of squares.
        dim: the axis of blocks (by default 0, the output channels) or of n:m (by default 1, the input channels).
        minimum_sparsity: weights with a smaller share of zeros stay as they are.

    Raises:
        ArgumentError: one of them is wrong, or they do not go together.
    """

    threshold: float | None = None
    target_sparsity: float | None = None
    n_m_ratio: Sequence[int] | None = None
    block_size: int | None = None
    dim: int | None = None
    minimum_sparsity: float = 0.0

    def __post_init__(self) -> None:
        given = [name for name in ("threshold", "target_sparsity", "n_m_ratio") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ArgumentError(
                f"pruning follows one rule, not {' and '.join(given) or 'none'}",
                fix="Give one of threshold, target_sparsity and n_m_ratio",
            )
        if self.threshold is not None and not (is_number(self.threshold) and self.threshold >= 0):
            raise ArgumentError(f"threshold is a number from 0 on, not {self.threshold!r}")
        for name in ("target_sparsity", "minimum_sparsity"):
            share = getattr(self, name)
            if share is not None and not (is_number(share) and 0 <= share <= 1):
                raise ArgumentError(f"{name} is a share from 0 to 1, not {share!r}")
        self._check_structure()

    def _check_structure(self) -> None:
        ratio = self.n_m_ratio
        if ratio is not None and not (
            isinstance(ratio, Sequence)
            and len(ratio) == 2
            and all(is_whole_number(number) for number in ratio)
            and 0 < ratio[0] <= ratio[1]
        ):
            raise ArgumentError(f"n_m_ratio is a pair (n, m) with 0 < n <= m, not {ratio!r}")
        if self.block_size is not None:
            if self.target_sparsity is None:
                raise ArgumentError("block_size goes with target_sparsity", fix="Give the share of zeros")
            if not is_whole_number(self.block_size) or self.block_size < 2:
                raise ArgumentError(f"block_size is a whole number from 2 on, not {self.block_size!r}")
        if self.dim is not None and (not self.structured or self.dim not in (0, 1)):
            raise ArgumentError(f"dim is 0 or 1, and goes with block_size or n_m_ratio; it is {self.dim!r}")

    @property
    def structured(self) -> bool:
        """Whether zeros come in blocks or n of every m."""
        return self.block_size is not None or self.n_m_ratio is not None

    def keep(self, values: NDArray[np.float32]) -> NDArray[np.bool_] | str:
        """The values that stay, bool of their shape; or why the rule does not go with the weight."""
        if self.structured and values.ndim not in _RANKS:
            return "blocks and n:m are for weights of 2 to 5 axes"
        if self.n_m_ratio is not None:
            n, m = self.n_m_ratio
            return _keep_n_of_m(values, int(n), int(m), 1 if self.dim is None else self.dim)
        magnitude = np.abs(values)
        if self.threshold is not None:
            above: NDArray[np.bool_] = magnitude > np.float32(self.threshold)
            return above
        assert self.target_sparsity is not None
        if self.block_size is not None:
            axis = self.dim or 0
            if self.block_size > values.shape[axis] / 2:
                return f"its {values.shape[axis]} channels are fewer than two blocks of {self.block_size}"
            magnitude = _block_lengths(magnitude, self.block_size, axis)
        if self.target_sparsity == 0:
            return np.not_equal(values, 0)
        if self.target_sparsity == 1:
            return np.zeros(values.shape, dtype=np.bool_)
        kept: NDArray[np.bool_] = magnitude > np.percentile(magnitude, self.target_sparsity * 100)
        kept &= values != 0
        return kept


def _block_lengths(magnitude: NDArray[np.float32], size: int, axis: int) -> NDArray[np.float32]:
    """For each value the root sum of squares of its block along an axis; the last block may be shorter."""
    moved = np.moveaxis(magnitude, axis, 0)
    squares = moved**2
    sums = np.add.reduceat(squares, np.arange(0, len(squares), size), axis=0)
    lengths = np.repeat(np.sqrt(sums), size, axis=0)[: len(squares)]
    return np.moveaxis(lengths, 0, axis)


def _keep_n_of_m(values: NDArray[np.float32], n: int, m: int, axis: int) -> NDArray[np.bool_] | str:
    size = values.shape[axis]
    if m > size / 2:
        return f"its {size} channels are fewer than two times m = {m}"
    moved = np.abs(np.moveaxis(values, axis, -1))
    padded = np.zeros((*moved.shape[:-1], -(-size // m) * m), dtype=np.float32)
    padded[..., :size] = moved
    rows = padded.reshape(-1, m)
    kept = np.ones(rows.shape, dtype=np.bool_)
    np.put_along_axis(kept, np.argsort(rows, axis=-1, kind="stable")[:, :n], False, axis=-1)
    result: NDArray[np.bool_] = np.moveaxis(kept.reshape(padded.shape)[..., :size], -1, axis) & (values != 0)
    return result
