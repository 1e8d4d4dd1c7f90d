"""A comparison report as HTML for notebooks. Every name in it comes from files and is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from mltoolkit.comparison.report_text import difference, headline, output_figures

if TYPE_CHECKING:
    from mltoolkit.comparison.report import ComparisonReport

_UNREADABLE_SHOWN = 100


def report_html(report: ComparisonReport) -> str:
    """Tables of the figures, outputs, worst inputs and unreadable files; no scripts, no style sheets."""
    parts = [_table((), headline(report))]
    for output in report.outputs:
        parts.append(_table((f"Output {output.name}", ""), output_figures(output)))
    if report.worst:
        rows = ((row.name, difference(row)) for row in report.worst)
        parts.append(_table(("Inputs that differ most", "first model -> second model"), rows))
    if report.unreadable:
        title = f"Left out, since they could not be read: {len(report.unreadable)}"
        listed = ((item.name, item.reason) for item in report.unreadable[:_UNREADABLE_SHOWN])
        parts.append(f"<details><summary>{escape(title)}</summary>{_table((), listed)}</details>")
    return f"<div>{''.join(parts)}</div>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join(_row(cells) for cells in rows)
    return f"<table>{f'<thead><tr>{titles}</tr></thead>' if titles else ''}<tbody>{body}</tbody></table>"


def _row(cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in cells) + "</tr>"
