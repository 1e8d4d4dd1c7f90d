"""Signal to quantization noise."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError

_BLOCK = 1 << 16


def sqnr_db(original: NDArray[np.floating], reconstructed: NDArray[np.floating]) -> float:
    """10 log10 of the power of ``original`` over that of ``original - reconstructed``, in dB.

    Summed in float64, block by block.

    Args:
        original: any shape.
        reconstructed: the same shape.

    Returns:
        ``inf`` for an exact reconstruction (empty and all-zero ones too), ``-inf`` for errors upon zeros.

    Raises:
        ArgumentError: the shapes differ.

    >>> import numpy as np
    >>> round(sqnr_db(np.array([1.0, -1.0]), np.array([1.1, -0.9])), 6)
    20.0
    """
    if original.shape != reconstructed.shape:
        raise ArgumentError(
            f"the shapes {original.shape} and {reconstructed.shape} differ",
            fix="Give the values before and after quantization",
        )
    return sqnr_of_pieces([(original, reconstructed)])


def sqnr_of_pieces(pieces: Iterable[tuple[NDArray[np.floating], NDArray[np.floating]]]) -> float:
    """:func:`sqnr_db` of arrays that come piece by piece: pairs of equal shapes."""
    signal = noise = 0.0
    for original, reconstructed in pieces:
        before, after = original.reshape(-1), reconstructed.reshape(-1)
        for start in range(0, before.size, _BLOCK):
            block = before[start : start + _BLOCK].astype(np.float64)
            # Not np.dot: BLAS would start its threads for every block.
            signal += float(np.einsum("i,i->", block, block))
            block -= after[start : start + _BLOCK]
            noise += float(np.einsum("i,i->", block, block))
    if noise == 0.0:
        return math.inf
    if signal == 0.0:
        return -math.inf
    return 10.0 * math.log10(signal / noise)
