"""Fixtures of the layer tests."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """The same random numbers in every run and for every test."""
    return np.random.default_rng(2026)
