"""A quantization report as HTML for notebooks. Names in it come from files and are escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mltoolkit.markup.fragments import card, details, facts, heading, section, table
from mltoolkit.markup.sqnr_bars import sqnr_bar
from mltoolkit.markup.text import bytes_text

if TYPE_CHECKING:
    from mltoolkit.quantization.report import QuantizationReport, WeightRecord

# Weights shown at once, those that lost most; all stand in the list that opens.
_WORST = 12
_LISTED = 2000
_COLUMNS = ("layer", "type", "weight", "shape", "stored as", "bits", "size", "SQNR", "remark")
_NUMERIC = ("bits", "size")


def report_html(report: QuantizationReport, more: str = "") -> str:
    """The figures, the weights that lost most with bars, and all weights in a list that opens; no scripts.

    Args:
        report: what was done.
        more: HTML that stands before the list.
    """
    before, after = report.model_bytes_before, report.model_bytes_after
    smaller = f", {100 * after / before:.1f} % of it" if before else ""
    rows: list[tuple[str, object]] = [
        ("file", f"{bytes_text(before)} → {bytes_text(after)}{smaller}"),
        ("weights", f"{bytes_text(report.weight_bytes_before)} → {bytes_text(report.weight_bytes_after)}"),
        ("changed", f"{len(report.changed):,} of {len(report.records):,} weights"),
    ]
    measured = [record for record in report.changed if record.sqnr_db is not None]
    if report.skipped:
        rows.append(("left as they were", report.reasons_text))
    worst = sorted(measured, key=lambda record: record.sqnr_db or 0.0)[:_WORST]
    if measured:
        rows.append(("lowest SQNR", sqnr_bar(min(record.sqnr_db or 0.0 for record in measured))))
    parts = [heading(f"{report.mode}, {report.bits_text}"), facts(rows)]
    if worst:
        title = (
            "SQNR of each weight" if len(worst) == len(measured) else f"Lowest SQNR: {len(worst)} of {len(measured)}"
        )
        shown = worst if len(worst) < len(measured) else measured
        parts += [section(title), _table(shown)]
    parts.append(more)
    if len(report.records) > len(worst):
        note = "" if len(report.records) <= _LISTED else f", the first {_LISTED:,} of them"
        listed = _table(list(report.records[:_LISTED]))
        parts.append(details(f"All {len(report.records):,} weights in the order of the file{note}", listed))
    return card(*parts)


def _table(records: list[WeightRecord]) -> str:
    rows = [_cells(record) for record in records]
    if not any(record.reason for record in records):
        return table(_COLUMNS[:-1], (row[:-1] for row in rows), numeric=_NUMERIC)
    return table(_COLUMNS, rows, numeric=_NUMERIC)


def _cells(record: WeightRecord) -> tuple[object, ...]:
    return (
        f"{record.stage}/{record.layer}" if record.stage else record.layer,
        record.layer_type,
        record.weight,
        "×".join(map(str, record.shape)),
        record.mode or "as before",
        _change(str(record.bits_before), str(record.bits_after)),
        _change(bytes_text(record.bytes_before), bytes_text(record.bytes_after)),
        sqnr_bar(record.sqnr_db),
        record.reason,
    )


def _change(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"
