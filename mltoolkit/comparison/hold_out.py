"""Drawing the samples that are kept apart."""

from __future__ import annotations

import numpy as np


def drawn_apart(total: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Which of so many samples stay, and which a share of them sets apart: drawn at random, each side in order."""
    count = round(share * total)
    order = np.random.default_rng(seed).permutation(total)
    return sorted(order[count:].tolist()), sorted(order[:count].tolist())
