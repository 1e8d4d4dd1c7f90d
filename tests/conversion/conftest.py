"""Keras runs on torch here, as in the tests of its importer."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")
