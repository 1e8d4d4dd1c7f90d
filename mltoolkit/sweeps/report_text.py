"""A sweep as a table, in text and in HTML."""

from __future__ import annotations

import importlib.util
import math
from typing import TYPE_CHECKING

from mltoolkit.markup.fragments import bar, card, heading, table
from mltoolkit.markup.text import bytes_text, shown

if TYPE_CHECKING:
    from mltoolkit.sweeps.report import SweepReport
    from mltoolkit.sweeps.rows import SweepRow


def report_text(report: SweepReport) -> str:
    """A headline and one line a row."""
    rows = [head(report), *(cells(report, row) for row in report.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_headline(report)]
    for row in rows:
        texts = [row[0].ljust(widths[0])]
        texts += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(texts).rstrip())
    lines += [f"{row.name}: {row.error}" for row in report.rows if row.error]
    return "\n".join(lines)


def report_html(report: SweepReport) -> str:
    """A card for notebooks: the table with bars and, where matplotlib is installed, the plot. No scripts."""
    titles = head(report)
    rows = []
    for row in report.rows:
        texts: list[object] = list(cells(report, row))
        if row.top1_agreement is not None:
            share = row.top1_agreement
            rating = "good" if share >= 0.95 else "fair" if share >= 0.8 else "bad"
            texts[titles.index("top-1 agreement")] = bar(share, f"{100 * share:.1f} %", rating)
        rows.append([*texts, row.error])
    parts = [heading(f"{report.model}, quantized {len(report.rows)} ways", _headline(report))]
    parts.append(table((*titles, ""), rows, numeric=("bits", "bytes", "share")))
    if importlib.util.find_spec("matplotlib") is not None:
        from mltoolkit.comparison.plotting import page_svg
        from mltoolkit.sweeps.plot import draw_sweep, measure_name

        with draw_sweep(report) as figure:
            parts.append(page_svg(figure, "sweep", f"bytes of the file against {measure_name(report)}"))
    return card(*parts)


def _headline(report: SweepReport) -> str:
    count = max((row.count for row in report.rows), default=0)
    return (
        f"{shown(report.model)}, {bytes_text(report.original_bytes)}, on {count:,} inputs from {shown(report.source)}"
    )


def head(report: SweepReport) -> tuple[str, ...]:
    """The names of the table's columns."""
    if report.is_classifier:
        return ("mode", "bits", "bytes", "share", "top-1 agreement", "95 % interval", "top-5", "KL, nats")
    return ("mode", "bits", "bytes", "share", "SNR, dB", "PSNR, dB") + (("SSIM",) if report.pictures else ())


def cells(report: SweepReport, row: SweepRow) -> tuple[str, ...]:
    """The cells of a row, under :func:`head`."""
    if row.error:
        return (row.mode, str(row.nbits), *("" for _ in head(report)[2:-1]), "failed")
    first = (row.mode, str(row.nbits), f"{row.bytes:,}", f"{100 * row.bytes / report.original_bytes:.1f} %")
    if report.is_classifier:
        low, high = row.top1_interval or (math.nan, math.nan)
        return (
            *first,
            f"{100 * (row.top1_agreement or 0):.1f} %",
            f"{100 * low:.1f} .. {100 * high:.1f}",
            "" if row.top5_agreement is None else f"{100 * row.top5_agreement:.1f} %",
            "" if row.mean_kl is None else f"{row.mean_kl:.3g}",
        )
    worst = row.worst_output
    ratios = ("", "") if worst is None else (_ratio(worst.snr_db), _ratio(worst.psnr_db))
    if not report.pictures:
        return (*first, *ratios)
    return (*first, *ratios, "" if worst is None or worst.ssim is None else f"{worst.ssim:.4f}")


def _ratio(value: float) -> str:
    return "equal" if value == math.inf else "none" if value == -math.inf else f"{value:.1f}"
