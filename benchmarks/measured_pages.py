"""Where benchmarks keep what they measured, and how it gets into a page of the documentation."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("MLTOOLKIT_SHARED", PROJECT.parent / "shared")) / "data"
END = "<!-- end -->"


class Results:
    """Figures by name, kept in a file of ``build/`` after each measurement, so that a run can be continued.

    Args:
        name: of the file.
        fresh: forget those of an earlier run.
    """

    def __init__(self, name: str, *, fresh: bool) -> None:
        self._path = PROJECT / "build" / f"{name}.json"
        self.rows: dict[str, Any] = {}
        if self._path.is_file() and not fresh:
            self.rows = json.loads(self._path.read_text(encoding="utf-8"))

    def measure(self, key: str, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What is known by this name, or is measured now."""
        if key not in self.rows:
            self.rows[key] = call()
            self._path.parent.mkdir(exist_ok=True)
            self._path.write_text(json.dumps(self.rows, indent=1), encoding="utf-8")
            print(time.strftime("%H:%M:%S"), key, json.dumps(self.rows[key]), flush=True)
        found: dict[str, Any] = self.rows[key]
        return found


class Clock:
    """Wall and CPU seconds of what runs inside; the latter of all threads, and little changed by others' work."""

    def __enter__(self) -> Clock:
        self._started = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._started[0]
        self.cpu = time.process_time() - self._started[1]

    @property
    def seconds(self) -> dict[str, float]:
        """Both."""
        return {"wall": self.wall, "cpu": self.cpu}


def put(document: Path, name: str, lines: Sequence[str]) -> None:
    """Write lines between ``<!-- name -->`` and the ``<!-- end -->`` that follows; at the end of a page without."""
    begin = f"<!-- {name} -->"
    text = document.read_text(encoding="utf-8") if document.is_file() else ""
    before, found, rest = text.partition(begin)
    after = rest.partition(END)[2] if found else "\n"
    if not found:
        before = before.rstrip("\n") + "\n\n"
    document.write_text("".join([before, begin, "\n", "\n".join(lines), "\n", END, after]), encoding="utf-8")
