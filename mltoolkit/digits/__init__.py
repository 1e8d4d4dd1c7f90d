"""The embedded digit classifier, its pictures, and the generator that drew them."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

__all__ = ["digit_images_path", "digit_model_path"]


def digit_model_path() -> Path:
    """The embedded classifier: 28 × 28 grayscale ``image`` → ``classLabel``, ``labelProbabilities``."""
    return Path(__file__).parent / "digits.mlmodel"


def digit_images_path() -> Path:
    """The folder of labelled digits the classifier never saw: ``<label>/<number>.png``."""
    # The import system is asked, because a checkout keeps this package elsewhere than an installation.
    return Path(str(importlib.resources.files("mltoolkit.sample_images"))) / "digits"
