"""The whole job on the embedded digit classifier: quantize it every way, and see how often it still agrees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from mltoolkit.comparison import ComparisonReport, compare_models
from mltoolkit.digits import digit_images_path, digit_model_path
from mltoolkit.model import load
from mltoolkit.quantization import quantize_weights

BITS = (8, 6, 4, 3, 2, 1)
MODES = ("linear", "kmeans")


@dataclass(frozen=True)
class DemoRow:
    """One quantized model.

    Attributes:
        mode: how it was quantized.
        nbits: bits a weight.
        file_bytes: size of the file.
        top1_agreement: fraction of pictures, 0..1, on which it answers as the original does.
        top1_interval: the 95 % Wilson interval of that.
        accuracy: fraction of pictures for which its answer is the digit drawn.
    """

    mode: str
    nbits: int
    file_bytes: int
    top1_agreement: float
    top1_interval: tuple[float, float]
    accuracy: float


@dataclass(frozen=True)
class DemoTable:
    """The rows, and the original's size and accuracy on the same pictures."""

    pictures: int
    original_bytes: int
    original_accuracy: float
    rows: tuple[DemoRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """The table as dictionaries, lists and numbers."""
        return dataclasses.asdict(self)


def run_demo(
    bits: Sequence[int] = BITS, modes: Sequence[str] = MODES, on_row: Callable[[DemoRow], None] | None = None
) -> DemoTable:
    """Quantize the digit classifier with each mode to each number of bits and compare on the embedded pictures.

    Args:
        bits: numbers of bits, 1 to 8 or 16.
        modes: quantization modes.
        on_row: called with each row when it is measured.
    """
    model = load(digit_model_path())
    rows = []
    original_accuracy = 0.0
    pictures = 0
    for mode in modes:
        for nbits in bits:
            small = quantize_weights(model, nbits, mode)
            report = compare_models(model, small, digit_images_path(), progress=False)
            assert report.top1_agreement is not None and report.top1_interval is not None  # a classifier's are set
            pictures = report.count
            original_accuracy = _accuracy(report, "reference_label")
            row = DemoRow(
                mode=mode,
                nbits=nbits,
                file_bytes=small.spec.ByteSize(),
                top1_agreement=report.top1_agreement,
                top1_interval=report.top1_interval,
                accuracy=_accuracy(report, "other_label"),
            )
            rows.append(row)
            if on_row:
                on_row(row)
    return DemoTable(pictures, model.spec.ByteSize(), original_accuracy, tuple(rows))


def _accuracy(report: ComparisonReport, answer: str) -> float:
    """Pictures lie in folders named after their digit."""
    right = [PurePath(row.name).parent.name == getattr(row, answer) for row in report.inputs]
    return right.count(True) / report.count
