"""Keras runs on torch in these tests (its NumPy backend needs JAX); it must be told before its first import."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")
