"""A calibrated quantization's report as HTML for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltoolkit.markup.fragments import section, table
from mltoolkit.markup.text import bytes_text, escaped

if TYPE_CHECKING:
    from mltoolkit.calibration.report import CalibratedQuantizationReport, CurvePoint

_HEAD = ("tried", "bits a weight", "file", "divergence", "agreement", "95 % interval", "samples", "")


def curve_html(report: CalibratedQuantizationReport) -> str:
    """What was calibrated with, what may be wrong with it, and a row for each way that was tried; no scripts."""
    title = section(f"Calibrated with {report.samples:,} samples in {report.seconds:.1f} s")
    warnings = "".join(f"<p>{escaped(f'Warning: {warning}', 1000)}</p>" for warning in report.warnings)
    rows = map(_cells, report.curve)
    return title + warnings + table(_HEAD, rows, numeric=("bits a weight", "file", "divergence", "agreement"))


def _cells(point: CurvePoint) -> tuple[str, ...]:
    low, high = point.interval or (0.0, 0.0)
    return (
        point.name,
        f"{point.bits_per_weight:.2f}",
        bytes_text(point.model_bytes),
        f"{point.divergence:.3g}",
        "" if point.agreement is None else f"{100 * point.agreement:.1f} %",
        "" if point.agreement is None else f"{100 * low:.1f} .. {100 * high:.1f}",
        f"{point.samples:,}, {'held out' if point.held_out else 'calibrated with'}",
        "this model" if point.chosen else "",
    )
