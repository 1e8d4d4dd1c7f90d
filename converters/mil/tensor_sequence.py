"""A sequence of tensors, as ONNX has them, while a program is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TensorSequence:
    """What stands for a value that is a sequence: Core ML has none of tensors that differ in shape.

    Attributes:
        items: the PyMIL values, as many as are known while the program is written.
    """

    items: tuple[Any, ...]
