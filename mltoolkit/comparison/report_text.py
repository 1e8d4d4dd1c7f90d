"""A comparison report as plain text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mltoolkit.comparison.records import InputComparison

if TYPE_CHECKING:
    from mltoolkit.comparison.report import ComparisonReport
    from mltoolkit.comparison.summary import Decibels, OutputSummary

_UNREADABLE_SHOWN = 10


def report_text(report: ComparisonReport) -> str:
    """Top-1 agreement first, then the other figures, the worst inputs, and what could not be read."""
    return "\n".join(_lines(report))


def _lines(report: ComparisonReport) -> Iterator[str]:
    for name, figure in headline(report):
        yield f"{name}: {figure}"
    for output in report.outputs:
        yield f"Output {output.name}:"
        for name, figure in output_figures(output):
            yield f"  {name}: {figure}"
    if report.worst:
        yield "Inputs that differ most:"
        for row in report.worst:
            yield f"  {row.name}: {difference(row)}"
    if report.unreadable:
        yield f"Left out, since they could not be read: {len(report.unreadable)}"
        for item in report.unreadable[:_UNREADABLE_SHOWN]:
            yield f"  {item.name}: {item.reason}"
        if len(report.unreadable) > _UNREADABLE_SHOWN:
            yield f"  … and {len(report.unreadable) - _UNREADABLE_SHOWN} more"


def headline(report: ComparisonReport) -> Iterator[tuple[str, str]]:
    """The figures on the whole comparison: (name, figure)."""
    if report.top1_agreement is not None and report.top1_interval is not None:
        low, high = (f"{100 * end:.1f}" for end in report.top1_interval)
        yield (
            "Top 1 Agreement",
            f"{100 * report.top1_agreement:.2f} %  "
            f"(95 % interval {low} .. {high}, {report.top1_agreements} of {report.count})",
        )
        # With k classes or fewer the answer is always among the k best.
        if report.top_k_agreement is not None and (report.class_count or 0) > report.top_k > 1:
            yield f"Top {report.top_k} Agreement", f"{100 * report.top_k_agreement:.2f} %"
        if report.mean_kl is not None:
            yield "Mean KL divergence", f"{report.mean_kl:.3g} nats"
        if report.compared_by == "label":
            yield "Classes", "the two models list them differently, so they were compared by label"
    yield "Inputs", f"{report.count} from {report.source}"


def output_figures(output: OutputSummary) -> Iterator[tuple[str, str]]:
    """The figures on one output: (name, figure)."""
    yield "SNR", _decibels(output.snr)
    yield "PSNR", _decibels(output.psnr)
    if output.ssim is not None:
        yield "SSIM", f"{output.ssim:.4f}"
    if output.equal is not None:
        yield "Equal elements", f"{100 * output.equal:.2f} %"
    if output.identical:
        yield "Identical", f"{output.identical} of {output.count}"


def answers(row: InputComparison) -> Iterator[str]:
    """Both models' answers to one input, a line each; how far outputs lie apart for models without answers."""
    if row.reference_label is None:
        yield difference(row)
        return
    yield f"first: {row.reference_label} ({row.reference_score:.3f})"
    yield f"second: {row.other_label} ({row.other_score:.3f})"


def difference(row: InputComparison) -> str:
    """Both models' answers to one input, and how far they lie apart."""
    parts = []
    if row.reference_label is not None:
        parts.append(f"{row.reference_label} ({row.reference_score:.3f}) → {row.other_label} ({row.other_score:.3f})")
    if row.kl is not None:
        parts.append(f"KL {row.kl:.3g}")
    for output in row.outputs:
        values = ""
        if output.reference_value is not None:
            values = f"{output.reference_value:.6g} → {output.other_value:.6g}, "
        more = "" if output.ssim is None else f", SSIM {output.ssim:.4f}"
        more += "" if output.equal is None else f", {100 * output.equal:.2f} % of the elements equal"
        parts.append(f"{output.name}: {values}SNR {_db(output.snr_db)}, PSNR {_db(output.psnr_db)}{more}")
    return "; ".join(parts)


def _decibels(ratio: Decibels) -> str:
    if math.isinf(ratio.mean):
        return _db(ratio.mean)
    return f"{ratio.mean:.2f} dB mean, {ratio.std:.2f} standard deviation, {ratio.minimum:.2f} lowest"


def _db(value: float) -> str:
    if value == math.inf:
        return "infinite (equal)"
    return "none (infinite noise)" if value == -math.inf else f"{value:.2f} dB"
