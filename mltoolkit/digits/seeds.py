"""Which seed drew which digits; that they differ is what makes the shipped pictures unseen."""

from __future__ import annotations

from typing import Final

TRAINING_SEED: Final = 2025
"""The pictures on which digits.mlmodel was trained (examples/train_digits.py)."""

VALIDATION_SEED: Final = 7
"""The pictures that measure it after training."""

SAMPLE_SEED: Final = 99
"""The pictures in sample_images/digits (examples/draw_sample_digits.py)."""
