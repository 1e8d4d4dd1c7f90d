"""pytest plugin: draws a seeded sample of the tests, and writes the outcome of each to a file.

APPLE_SAMPLE: how many tests to draw (0 for all); APPLE_OUTCOMES: the file, one JSON object a line.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import apple_suite_adapter
import pytest

_SEED = 2026


@pytest.hookimpl(trylast=True)  # after pytest's own -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note how many tests there are, and keep the sample."""
    target = os.environ.get("APPLE_OUTCOMES")
    if target:
        # Every worker collects the same tests and writes the same number.
        Path(target).with_suffix(".collected").write_text(str(len(items)), encoding="utf-8")
    wanted = int(os.environ.get("APPLE_SAMPLE", "0"))
    if not wanted or len(items) <= wanted:
        return
    chosen = {item.nodeid for item in random.Random(_SEED).sample(sorted(items, key=lambda item: item.nodeid), wanted)}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in chosen])
    items[:] = [item for item in items if item.nodeid in chosen]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note whether the test predicted."""
    apple_suite_adapter.PREDICTIONS.clear()
    try:
        return (yield)
    finally:
        item.user_properties.append(("predicted", bool(apple_suite_adapter.PREDICTIONS)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write one line for each test (in the controlling process, where there are several)."""
    target = os.environ.get("APPLE_OUTCOMES")
    if (
        not target
        or os.environ.get("PYTEST_XDIST_WORKER")
        or not (report.when == "call" or report.failed or report.skipped)
    ):
        return
    expected = hasattr(report, "wasxfail")
    outcome = ("xfailed" if report.skipped else "xpassed") if expected else report.outcome
    line = {
        "test": report.nodeid,
        "outcome": outcome,
        "predicted": dict(report.user_properties).get("predicted", False),
        "reason": _reason(report) if outcome == "failed" else "",
    }
    with Path(target).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _reason(report: pytest.TestReport) -> str:
    """The error's last line, without addresses and numbers that change from run to run."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    first = next((line for line in text.splitlines() if line.strip()), "")
    return re.sub(r"0x[0-9a-f]+", "0x…", first)[:300]
