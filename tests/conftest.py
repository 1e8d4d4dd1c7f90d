"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine makes the first examples slow, which says nothing of the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def project() -> Path:
    """The checkout's root folder."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real models and pictures beside the checkout.

    A test that asks for it is skipped where it is absent, and fails there in CI.
    """
    folder = Path(os.environ.get("MLTOOLKIT_SHARED", PROJECT.parent / "shared")) / "data"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the shared test data, which is not in {folder}")
        pytest.skip(f"needs the shared test data in {folder} (set MLTOOLKIT_SHARED to its parent)")
    return folder
