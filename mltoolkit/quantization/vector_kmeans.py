"""k-means of short vectors: tables whose entries stand for several weights at once.

Lloyd's algorithm from seeded starts after k-means++ (Arthur and Vassilvitskii 2007), the best of several.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Starts are tried on a sample, and the best goes on with all vectors.
_SAMPLE, _SAMPLE_OF_A_CLUSTER = 4096, 32
_STARTS, _ROUNDS, _FINAL_ROUNDS = 8, 30, 25
# The sum of squares that a round must still gain, relative to what is left.
_GAIN, _FINAL_GAIN = 1e-4, 1e-5
# Candidates for each vector of a start.
_DRAWS = 3
# Vectors whose distances are computed at a time.
_PIECE = 1 << 14


def kmeans_vectors(
    vectors: NDArray[np.float32], clusters: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A table of ``clusters`` vectors with small squared error, and the code of the nearest entry for each vector.

    Args:
        vectors: float32 (n, d), finite.
        clusters: 1 to 256.
        seed: of the starts.

    Returns:
        The table, float32 (clusters, d), and the codes, uint8 (n,). Up to ``clusters`` different vectors are kept
        exactly.
    """
    distinct, codes = np.unique(vectors, axis=0, return_inverse=True)
    if len(distinct) <= clusters:
        table = np.zeros((clusters, vectors.shape[1]), dtype=np.float32)
        table[: len(distinct)] = distinct
        return table, codes.reshape(-1).astype(np.uint8)
    rng = np.random.default_rng(seed)
    scale = float(np.abs(vectors).max())
    scaled = vectors / np.float32(scale)
    most = max(_SAMPLE, _SAMPLE_OF_A_CLUSTER * clusters)
    sample = scaled if len(scaled) <= most else scaled[rng.choice(len(scaled), most, replace=False)]
    runs = (_lloyd(sample, _spread(sample, clusters, rng), _ROUNDS, _GAIN) for _ in range(_STARTS))
    _, table, _ = min(runs, key=lambda run: run[0])
    _, table, nearest = _lloyd(scaled, table, _FINAL_ROUNDS, _FINAL_GAIN)
    return (table * np.float32(scale)).astype(np.float32), nearest.astype(np.uint8)


def _spread(vectors: NDArray[np.float32], clusters: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Vectors far from each other: each is drawn with the squared distance to those before it for a weight."""
    table = np.empty((clusters, vectors.shape[1]), dtype=np.float32)
    table[0] = vectors[rng.integers(len(vectors))]
    distance = ((vectors - table[0]) ** 2).sum(axis=1, dtype=np.float64)
    for entry in range(1, clusters):
        total = np.cumsum(distance)
        # The best of a few draws, as scikit-learn does.
        drawn = np.minimum(np.searchsorted(total, rng.random(_DRAWS) * total[-1]), len(vectors) - 1)
        candidates = [
            np.minimum(distance, ((vectors - vectors[place]) ** 2).sum(axis=1, dtype=np.float64)) for place in drawn
        ]
        best = min(range(len(drawn)), key=lambda number: float(candidates[number].sum()))
        table[entry], distance = vectors[drawn[best]], candidates[best]
    return table


def _lloyd(
    vectors: NDArray[np.float32], table: NDArray[np.float32], rounds: int, least_gain: float
) -> tuple[float, NDArray[np.float32], NDArray[np.intp]]:
    """The sum of squares, the table and the codes after rounds of assigning and averaging."""
    codes, error = _nearest(vectors, table)
    for _ in range(rounds):
        counts = np.bincount(codes, minlength=len(table))
        sums = np.stack([np.bincount(codes, weights=column, minlength=len(table)) for column in vectors.T], axis=1)
        # An entry that nothing is nearest to stays where it is.
        moved = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], table).astype(np.float32)
        new_codes, new_error = _nearest(vectors, moved)
        if not new_error < error:
            break
        gained = error - new_error
        table, codes, error = moved, new_codes, new_error
        if gained <= least_gain * error:
            break
    return error, table, codes


def _nearest(vectors: NDArray[np.float32], table: NDArray[np.float32]) -> tuple[NDArray[np.intp], float]:
    """The nearest entry of each vector, and the sum of squared distances."""
    codes = np.empty(len(vectors), dtype=np.intp)
    lengths = (table.astype(np.float64) ** 2).sum(axis=1).astype(np.float32)
    error = 0.0
    for start in range(0, len(vectors), _PIECE):
        piece = vectors[start : start + _PIECE]
        nearest = (lengths - 2 * (piece @ table.T)).argmin(axis=1)
        codes[start : start + _PIECE] = nearest
        error += float(((piece - table[nearest]) ** 2).sum(dtype=np.float64))
    return codes, error
