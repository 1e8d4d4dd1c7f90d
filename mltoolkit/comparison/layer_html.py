"""The errors of layers as HTML, for notebooks and pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mltoolkit.comparison.layer_report import decibels, findings
from mltoolkit.markup.fragments import card, details, heading, table
from mltoolkit.markup.sqnr_bars import sqnr_bar
from mltoolkit.markup.text import shape_text

if TYPE_CHECKING:
    from mltoolkit.comparison.layer_report import LayerReport

_HEAD = ("layer", "type", "shape", "accumulated", "isolated", "worst sample")
# Rows of a table in a notebook; a page holds all.
_SHOWN = 100


def layers_html(report: LayerReport) -> str:
    """A card for notebooks: what was found, and two bars for each layer. No scripts."""
    title = f"{len(report.layers):,} layer outputs on {len(report.samples):,} samples"
    said = " ".join(findings(report))
    more = [] if len(report.layers) <= _SHOWN else [f"<p>… and {len(report.layers) - _SHOWN:,} more</p>"]
    return card(heading(title, said), layer_table(report, _SHOWN), *more, *not_measured(report))


def layer_table(report: LayerReport, most: int | None = None) -> str:
    """One row a layer output: its accumulated and isolated signal-to-noise ratios as bars, and the worst sample."""
    rows = (
        (
            layer.name,
            layer.type,
            shape_text(layer.shape),
            sqnr_bar(layer.snr_db),
            sqnr_bar(layer.isolated_snr_db),
            f"{decibels(layer.lowest_snr_db)}, {layer.lowest_input}",
        )
        for layer in report.layers[:most]
    )
    return table(_HEAD, rows)


def not_measured(report: LayerReport) -> Iterator[str]:
    """The layers that were left out, to be opened."""
    if report.left_out:
        title = f"{len(report.left_out):,} outputs of the first model were not measured"
        yield details(title, table(("output", "reason"), report.left_out[:_SHOWN]))
    if report.only_second:
        title = f"{len(report.only_second):,} outputs are in the second model alone"
        yield details(title, table(("output",), ((name,) for name in report.only_second[:_SHOWN])))
