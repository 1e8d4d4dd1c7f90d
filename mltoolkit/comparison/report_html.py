"""A comparison report as HTML for notebooks. Every name in it comes from files and is escaped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mltoolkit.comparison.report_text import answers, difference, headline, output_figures
from mltoolkit.markup.fragments import card, details, facts, figure, gallery, heading, section, table
from mltoolkit.markup.thumbnails import thumbnail_uri

if TYPE_CHECKING:
    from mltoolkit.comparison.report import ComparisonReport

_UNREADABLE_SHOWN = 100
# Pictures put into the page, some 6 kB each.
_PICTURES_SHOWN = 12


def report_html(report: ComparisonReport) -> str:
    """The figures, the pictures that the models disagree on with both answers, outputs, worst inputs; no scripts.

    The pictures are read from where they were when the models were compared; what is gone is left out.
    """
    title = "Comparison of two models"
    if report.top1_agreement is not None:
        title = f"{100 * report.top1_agreement:.2f} % top-1 agreement"
    parts = [
        heading(title, f"{report.count:,} inputs from {report.source}"),
        facts(headline(report)),
        *_pictures(report),
    ]
    for output in report.outputs:
        parts += [section(f"Output {output.name}"), facts(output_figures(output))]
    if report.worst:
        rows = ((row.name, difference(row)) for row in report.worst)
        parts += [section("Inputs that differ most"), table(("input", "first model → second model"), rows)]
    if report.unreadable:
        shown = report.unreadable[:_UNREADABLE_SHOWN]
        listed = table(("file", "reason"), ((item.name, item.reason) for item in shown))
        parts.append(details(f"Left out, since they could not be read: {len(report.unreadable)}", listed))
    return card(*parts)


def _pictures(report: ComparisonReport) -> Iterator[str]:
    """Pictures with both answers: those with different answers, worst first; those that differ for non-classifiers."""
    rows = [row for row in report.worst if row.agree is not True]
    known = {row.index for row in rows}
    rows += [row for row in report.inputs if row.agree is False and row.index not in known]
    figures = []
    for row in rows:
        uri = _thumbnail(report.source, row.name)
        if uri:
            figures.append(figure(uri, row.name, answers(row)))
        if len(figures) == _PICTURES_SHOWN:
            break
    if figures:
        count = sum(row.agree is False for row in report.inputs)
        title = f"Different answers: {count:,}" if count else "Pictures that differ most"
        more = "" if len(figures) in (count, 0) or not count else f", {len(figures)} of them shown"
        yield section(title + more)
        yield gallery(figures)


def _thumbnail(source: str, name: str) -> str:
    """The picture of that name in the folder ``source``, or at that path; "" if there is none."""
    try:
        for path in (Path(source, name), Path(name)):
            if path.is_file():
                return thumbnail_uri(path)
    except (OSError, ValueError):
        pass
    return ""
