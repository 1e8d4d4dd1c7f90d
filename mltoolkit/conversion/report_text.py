"""A conversion's report as text and, for notebooks, as HTML. Names come from files: HTML escapes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mltoolkit.markup.fragments import card, facts, heading, section, table

if TYPE_CHECKING:
    from mltoolkit.conversion.report import ConversionReport, OutputCheck

_COLUMNS = ("output", "compared", "inputs", "measure", "result", "asked", "largest difference", "remark")
_TYPES_SHOWN = 12


def report_text(report: ConversionReport) -> str:
    """The headline, the way, what the model became, and a table of the verification."""
    lines = [report.headline, *(f"{name}: {text}" for name, text in _facts(report))]
    if report.checks:
        rows = [_COLUMNS, *(_cells(check) for check in report.checks)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
    return "\n".join(lines)


def report_html(report: ConversionReport) -> str:
    """The same as tables; no scripts."""
    parts = [heading(f"{report.source} → .{report.format}", report.headline), facts(_facts(report))]
    if report.checks:
        parts += [section("Verification"), table(_COLUMNS, (_cells(check) for check in report.checks))]
    return card(*parts)


def _facts(report: ConversionReport) -> Iterator[tuple[str, str]]:
    yield "way", report.way
    for note in report.notes:
        yield "note", note
    types = list(report.operations_out.items())
    more = f" and {len(types) - _TYPES_SHOWN} more types" if len(types) > _TYPES_SHOWN else ""
    yield "operations", ", ".join(f"{count} {kind}" for kind, count in types[:_TYPES_SHOWN]) + more
    yield "transposes", str(report.transposes)
    if report.custom_layers:
        yield "custom layers", ", ".join(f"{count} {name}" for name, count in report.custom_layers.items())
    for key, names in report.hooks_used.items():
        yield f"hook {key}", f"converted {', '.join(names)}"
    for key, hint in report.hooks_unused.items():
        yield f"hook {key}", f"matches no layer. {hint}"
    yield "seconds", ", ".join(f"{name} {seconds:.2f}" for name, seconds in report.seconds.items())


def _cells(check: OutputCheck) -> tuple[str, ...]:
    from mltoolkit.conversion.report import decibels_text

    verdict = {True: "agrees", False: "differs", None: "not compared"}[check.passed]
    return (
        check.output,
        check.stages,
        check.inputs,
        check.measure,
        verdict if check.decibels is None else f"{decibels_text(check.decibels)}, {verdict}",
        "" if check.tolerance_db is None else f"≥ {check.tolerance_db:g} dB",
        "" if check.largest_difference is None else f"{check.largest_difference:.3g}",
        check.reason,
    )
