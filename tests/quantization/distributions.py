"""The distributions on which k-means is tested and measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Generator = np.random.Generator


def _mixture(r: Generator, n: int) -> np.ndarray:
    part = r.integers(0, 5, n)
    return r.normal(r.normal(size=5)[part], 10.0 ** r.uniform(-3, 0, 5)[part])


DISTRIBUTIONS: dict[str, Callable[[Generator, int], np.ndarray]] = {
    "normal": lambda r, n: r.standard_normal(n),
    "laplace": lambda r, n: r.laplace(size=n),
    "student-t 2": lambda r, n: r.standard_t(2, n),
    "student-t 3": lambda r, n: r.standard_t(3, n),
    "cauchy": lambda r, n: r.standard_cauchy(n),
    "uniform": lambda r, n: r.random(n),
    "lognormal": lambda r, n: np.exp(1.5 * r.standard_normal(n)),
    "arcsine": lambda r, n: np.sin(2 * np.pi * r.random(n)),
    "two normals": lambda r, n: np.where(r.random(n) < 0.3, r.normal(-1, 0.1, n), r.normal(1, 0.3, n)),
    "two scales": lambda r, n: r.normal(0, np.where(r.random(n) < 0.9, 0.01, 1.0)),
    "five normals": _mixture,
    "narrow clumps": lambda r, n: r.normal(size=100)[r.integers(0, 100, n)] + r.normal(0, 1e-3, n),
    "float16 data": lambda r, n: r.standard_normal(n).astype(np.float16),
    "90 % zeros": lambda r, n: r.standard_normal(n) * (r.random(n) < 0.1),
    "300 values": lambda r, n: r.standard_normal(300)[r.integers(0, 300, n)],
    "counts": lambda r, n: r.poisson(30, n),
    "far from zero": lambda r, n: 100 + r.standard_normal(n),
    "an outlier": lambda r, n: np.append(r.standard_normal(n - 1), 1000.0),
    "scale 1e-4": lambda r, n: 1e-4 * r.standard_normal(n),
}


def sample(name: str, n: int, seed: int = 0) -> np.ndarray:
    """``n`` float32 values of a distribution, the same for the same arguments."""
    generator = np.random.default_rng([seed, n, *name.encode()])
    return DISTRIBUTIONS[name](generator, n).astype(np.float32)
