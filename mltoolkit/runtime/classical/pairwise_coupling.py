"""Class probabilities from the probabilities of each pair of classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# As LIBSVM: where to stop, and how near to 0 and 1 a pair's probability may come.
_TOLERANCE = 0.005
_MARGIN = 1e-7


def pair_probabilities(decisions: Floats, slopes: Floats, intercepts: Floats) -> Floats:
    """The probability of the first class of each pair: 1 / (1 + exp(A f + B)) (Platt 2000).

    Args:
        decisions: decision values f (pairs,).
        slopes: A, ``probA`` in the file.
        intercepts: B, ``probB`` in the file.
    """
    return np.clip(np.exp(-np.logaddexp(0.0, decisions * slopes + intercepts)), _MARGIN, 1 - _MARGIN)


def couple(pairs: Floats) -> Floats:
    """The probabilities p that minimise sum_ij (r_ji p_i - r_ij p_j)² under sum p = 1.

    The second method of Wu, Lin and Weng, "Probability Estimates for Multi-class Classification by Pairwise
    Coupling" (2004), their algorithm 2, with the start and the stopping rule of LIBSVM, so that its results
    are reached.

    Args:
        pairs: r (classes, classes), r_ij the probability of class i among i and j; the diagonal is not read.

    Returns:
        p (classes,).
    """
    classes = len(pairs)
    r = pairs.copy()
    np.fill_diagonal(r, 0.0)
    # Q_ii = sum_j≠i r_ji², Q_ij = -r_ji r_ij
    q = -r.T * r
    np.fill_diagonal(q, np.sum(r**2, axis=0))
    p = np.full(classes, 1.0 / classes)
    for _ in range(max(100, classes)):
        qp = q @ p
        pqp = float(p @ qp)
        if np.max(np.abs(qp - pqp)) < _TOLERANCE / classes:
            break
        for t in range(classes):
            step = (pqp - qp[t]) / q[t, t]
            p[t] += step
            scale = 1.0 + step
            pqp = (pqp + step * (step * q[t, t] + 2.0 * qp[t])) / scale**2
            qp = (qp + step * q[t]) / scale
            p /= scale
    return p
