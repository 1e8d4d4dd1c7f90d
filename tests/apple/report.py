"""docs/conformance.md from the outcomes of the last run."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from suites import Suite


def write_report(suites: Sequence[Suite], outcomes: Path, document: Path) -> None:
    """Write the document: a table of counts, and every failing test with its reason."""
    results = {suite.name: read_outcomes(outcomes / f"{suite.name}.jsonl") for suite in suites}
    collected = {suite.name: _read_count(outcomes / f"{suite.name}.collected") for suite in suites}
    document.write_text("\n".join(_lines(suites, results, collected)) + "\n", encoding="utf-8")


def _read_count(path: Path) -> int:
    return int(path.read_text(encoding="utf-8")) if path.exists() else 0


def read_outcomes(path: Path) -> list[dict[str, Any]]:
    """The outcomes that recording.py wrote; empty where the suite has not been run."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _lines(
    suites: Sequence[Suite], results: dict[str, list[dict[str, Any]]], collected: dict[str, int]
) -> Iterator[str]:
    yield "# Conformance: Apple's own tests"
    yield ""
    yield (
        f"The tests that ship inside the coremltools {version('coremltools')} wheel, run unchanged with mltoolkit "
        "behind `MLModel.predict` by `python tests/apple/run.py`, which writes this page. Off a Mac, coremltools "
        "itself fails each test that predicts. Counts are of tests that were run. *Predict* counts those that asked "
        "for a prediction and are not expected by Apple to fail; the share is of those."
    )
    yield ""
    yield "| suite | run | passed | failed | skipped | expected failures | predict | of these passed |"
    yield "|---|---|---|---|---|---|---|---|"
    for suite in suites:
        rows = results[suite.name]
        if not rows:
            yield f"| {suite.title} | not run | | | | | | |"
            continue
        count = Counter(row["outcome"] for row in rows)
        predicting = [row for row in rows if row["predicted"] and row["outcome"] in ("passed", "failed", "xpassed")]
        passed = sum(row["outcome"] != "failed" for row in predicting)
        share = f"{passed} ({passed / len(predicting):.2%})" if predicting else ""
        yield (
            f"| {suite.title} | {_share_run(len(rows), collected[suite.name])} "
            f"| {count['passed'] + count['xpassed']} | {count['failed']} | {count['skipped']} | {count['xfailed']} "
            f"| {len(predicting)} | {share} |"
        )
    for suite in suites:
        failed = [row for row in results[suite.name] if row["outcome"] == "failed"]
        if failed:
            yield ""
            yield f"## {suite.title}: what fails"
            yield ""
            yield from _failures(failed)


def _share_run(run: int, collected: int) -> str:
    return f"{run:,} of {collected:,}, drawn with a seed" if run < collected else f"{run:,}"


def _failures(failed: Sequence[dict[str, Any]]) -> Iterator[str]:
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for row in failed:
        by_reason[row["reason"]].append(row["test"])
    for reason, tests in sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0])):
        yield f"- `{reason.replace('`', chr(39)) or 'no message'}` ({len(tests)})"
        for test in sorted(tests):
            yield f"    - `{test}`"
