"""docs/onnx-operators.md from the outcomes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cases import Case

from mltoolkit.converters.onnx_import.registry import known_operators

_FORMATS = ("mlpackage", "mlmodel")
_STATUSES = ("passed", "refused", "wrong", "crashed")
Outcomes = Mapping[str, Mapping[str, Mapping[str, Any]]]


def write_document(cases: Sequence[Case], outcomes: Outcomes, path: Path) -> str:
    """Write the document; the totals as one line for the terminal."""
    path.write_text("\n".join(_lines(cases, outcomes)) + "\n", encoding="utf-8")
    held = [case for case in cases if not case.excluded]
    parts = []
    for name in _FORMATS:
        count = _count(held, outcomes, name)
        parts.append(f"{name}: " + ", ".join(f"{count[status]} {status}" for status in _STATUSES))
    return f"{len(held)} tests; " + "; ".join(parts)


def _count(cases: Sequence[Case], outcomes: Outcomes, format_name: str) -> Counter[str]:
    return Counter(outcomes[case.name][format_name]["status"] for case in cases if case.name in outcomes)


def _lines(cases: Sequence[Case], outcomes: Outcomes) -> Iterator[str]:
    held = [case for case in cases if not case.excluded]
    yield "# ONNX operators"
    yield ""
    yield (
        f"The node tests that onnx {version('onnx')} generates (opset 1 to 28), each converted to both Core ML "
        "formats, read back, run and compared with ONNX's own expected outputs by ONNX's own tolerances "
        "(and what float32 resolves beside an output's largest value). "
        "`python tests/onnx_suite/run.py` writes this page. *Refused*: an error of mltoolkit's before anything was "
        "written. *Wrong*: what was written gives something else, or does not run."
    )
    yield ""
    yield "| | tests | " + " | ".join(_STATUSES) + " | share passed | of these with constant parameters |"
    yield "|---|---|---|---|---|---|---|---|"
    for name in _FORMATS:
        count = _count(held, outcomes, name)
        constants = sum(
            outcomes[case.name][name]["constants"] and outcomes[case.name][name]["status"] == "passed"
            for case in held
            if case.name in outcomes
        )
        share = f"{count['passed'] / len(held):.1%}"
        numbers = " | ".join(str(count[status]) for status in _STATUSES)
        yield f"| .{name} | {len(held)} | {numbers} | {share} | {constants} |"
    yield ""
    yield (
        "*Constant parameters*: the tests feed weights, shapes, axes and sizes while the model runs, which published "
        "models store. A test that is refused that way is tried again with those inputs as constants "
        "(`PARAMETERS` in tests/onnx_suite/cases.py says which inputs of which operators). "
        f"{_without_inputs(held, outcomes)} of the passed tests have no input left then, or never had one."
    )
    yield ""
    yield from _excluded(cases)
    yield ""
    yield from _domains()
    yield ""
    yield "## By operator"
    yield ""
    yield "Tests passed of those that are not excluded; the share needs constant parameters where a * stands."
    yield ""
    yield "| operator | tests | .mlpackage | .mlmodel | why not |"
    yield "|---|---|---|---|---|"
    by_operator: defaultdict[str, list[Case]] = defaultdict(list)
    for case in held:
        by_operator[case.operator].append(case)
    for operator, group in sorted(by_operator.items()):
        cells = []
        for name in _FORMATS:
            rows = [outcomes[case.name][name] for case in group if case.name in outcomes]
            passed = [row for row in rows if row["status"] == "passed"]
            star = "*" if any(row["constants"] for row in passed) else ""
            wrong = sum(row["status"] in ("wrong", "crashed") for row in rows)
            cells.append(f"{len(passed)}{star}" + (f", **{wrong} wrong**" if wrong else ""))
        yield f"| {operator} | {len(group)} | {cells[0]} | {cells[1]} | {_why(group, outcomes)} |"


def _why(group: Sequence[Case], outcomes: Outcomes) -> str:
    reasons: dict[str, set[str]] = {}
    for case in group:
        for name in _FORMATS:
            row = outcomes.get(case.name, {}).get(name)
            if row is not None and row["status"] != "passed":
                reasons.setdefault(_short(row["reason"]), set()).add(name)
    shown = [
        reason + (f" (.{next(iter(formats))})" if len(formats) == 1 else "")
        for reason, formats in sorted(reasons.items())[:4]
    ]
    if len(reasons) > 4:
        shown.append(f"and {len(reasons) - 4} more")
    return "; ".join(shown)


def _short(reason: str) -> str:
    line = " ".join(reason.replace("|", "/").split())
    return line if len(line) <= 140 else line[:137] + "…"


def _excluded(cases: Sequence[Case]) -> Iterator[str]:
    excluded = Counter(case.excluded for case in cases if case.excluded)
    yield (
        f"Excluded from the count are {sum(excluded.values())} of {len(cases)} tests, whose inputs or outputs an array "
        "of Core ML cannot hold:"
    )
    yield ""
    yield "| tests | why |"
    yield "|---|---|"
    for reason, count in excluded.most_common():
        yield f"| {count} | {reason} |"


def _without_inputs(cases: Sequence[Case], outcomes: Outcomes) -> int:
    """Passed tests whose result is computed before anything is written, in either format."""
    count = 0
    for case in cases:
        rows = [row for row in outcomes.get(case.name, {}).values() if row["status"] == "passed"]
        frozen = case.with_constants()
        count += any(not (frozen if row["constants"] and frozen is not None else case).inputs for row in rows)
    return count


def _domains() -> Iterator[str]:
    yield "## Other domains"
    yield ""
    yield (
        "Operators of other domains are composed of ONNX's own where they are known; the rest goes through "
        "`custom_conversion_functions`. A model's own functions are composed whatever their domain."
    )
    yield ""
    for domain in ("com.microsoft", "ai.onnx.ml"):
        yield f"- `{domain}`: {', '.join(known_operators(domain))}"


def failures(cases: Sequence[Case], outcomes: Outcomes) -> str:
    """What does not pass, by operator and reason, for those who work on it."""
    lines: dict[str, dict[tuple[str, str, str], list[str]]] = {}
    for case in cases:
        for name in _FORMATS:
            row = outcomes.get(case.name, {}).get(name)
            if row is not None and row["status"] != "passed":
                key = (row["status"], name, " ".join(row["reason"].split())[:300])
                lines.setdefault(case.operator, {}).setdefault(key, []).append(case.name)
    text = []
    for operator, reasons in sorted(lines.items()):
        text.append(f"== {operator}")
        for (status, name, reason), names in sorted(reasons.items()):
            more = "" if len(names) <= 4 else f" and {len(names) - 4} more"
            text.append(f"  {status.upper():8} {name:9} {len(names):3}: {reason}  [{', '.join(names[:4])}{more}]")
    return "\n".join(text) + "\n"
