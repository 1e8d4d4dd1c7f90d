"""Bytes against what is kept, as a plot."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mltoolkit.comparison.plotting import COLOURS, CYCLE, new_plot
from mltoolkit.markup.text import bytes_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mltoolkit.sweeps.report import SweepReport
    from mltoolkit.sweeps.rows import SweepRow

# What an output without any difference is drawn at, above the best that differs.
_ABOVE_DB = 5.0


@contextlib.contextmanager
def draw_sweep(report: SweepReport) -> Iterator[Figure]:
    """Size of the file against top-1 agreement with its interval; or against PSNR or SNR for other models.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    rows = [row for row in report.rows if not row.error]
    with new_plot("the plot of a sweep", 7.5, 4.6) as (figure, axes):
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        finite = [value for row in rows if math.isfinite(value := quality(report, row))]
        top = max(finite, default=0.0) + _ABOVE_DB
        bottom = min(finite, default=0.0) - _ABOVE_DB
        for number, mode in enumerate(dict.fromkeys(row.mode for row in rows)):
            colour = CYCLE[number % len(CYCLE)]
            line = sorted((row for row in rows if row.mode == mode), key=lambda row: row.bytes)
            sizes = [row.bytes for row in line]
            heights = [min(max(quality(report, row), bottom), top) for row in line]
            axes.plot(sizes, heights, color=colour, marker="o", markersize=4, linewidth=1.4, label=mode)
            intervals = [row.top1_interval for row in line]
            if all(interval is not None for interval in intervals):
                ends = [(100 * low, 100 * high) for low, high in intervals if intervals]  # type: ignore[misc]
                below = [height - low for height, (low, _) in zip(heights, ends, strict=True)]
                above = [high - height for height, (_, high) in zip(heights, ends, strict=True)]
                axes.errorbar(
                    sizes, heights, yerr=[below, above], fmt="none", ecolor=colour, elinewidth=0.9, capsize=2.5
                )
            for row, height in zip(line, heights, strict=True):
                axes.annotate(
                    str(row.nbits),
                    (row.bytes, height),
                    xytext=(4, -11),
                    textcoords="offset points",
                    fontsize=7.5,
                    color=colour,
                )
        axes.axvline(report.original_bytes, color=COLOURS["muted"], linewidth=1, linestyle="--", label="original")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda size, place: bytes_text(round(size))))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("bytes of the file; numbers at the points are bits a weight")
        axes.set_ylabel(measure_name(report))
        axes.legend(frameon=False, fontsize=8)
        yield figure


def measure_name(report: SweepReport) -> str:
    """What :func:`quality` measures."""
    if report.is_classifier:
        return "top-1 agreement, % (95 % interval)"
    name = "" if report.output is None else f" of {report.output}"
    return f"{'PSNR' if report.pictures else 'SNR'}{name}, dB"


def quality(report: SweepReport, row: SweepRow) -> float:
    """Agreement in percent; PSNR of pictures and SNR of other outputs in dB, of the worst output."""
    if row.top1_agreement is not None:
        return 100 * row.top1_agreement
    worst = row.worst_output
    if worst is None:
        return math.nan
    return worst.psnr_db if report.pictures else worst.snr_db
