"""What long benchmarks keep of their measurements, and the clock of a measurement."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from measured_pages import PROJECT
from run_record import conditions


class Results:
    """Figures by name, kept in a file of ``build/`` after each measurement, so that a run can be continued.

    Each keeps the conditions under which it was measured.

    Args:
        name: of the file.
        fresh: forget those of an earlier run.
        packages: further distributions whose versions are kept.
    """

    def __init__(self, name: str, *, fresh: bool, packages: Iterable[str] = ()) -> None:
        self._path = PROJECT / "build" / f"{name}.json"
        self._conditions = conditions(packages)
        self._rows: dict[str, dict[str, Any]] = {}
        self._used: dict[str, None] = {}
        if self._path.is_file() and not fresh:
            self._rows = json.loads(self._path.read_text(encoding="utf-8"))

    def measure(self, key: str, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What is known by this name, or is measured now."""
        if key not in self._rows:
            self._rows[key] = {"conditions": self._conditions, "result": call()}
            self._path.parent.mkdir(exist_ok=True)
            self._path.write_text(json.dumps(self._rows, indent=1), encoding="utf-8")
            print(time.strftime("%H:%M:%S"), key, json.dumps(self._rows[key]["result"]), file=sys.stderr, flush=True)
        self._used[self._rows[key]["conditions"]] = None
        found: dict[str, Any] = self._rows[key]["result"]
        return found

    def take_conditions(self) -> list[str]:
        """Those of all that was asked for since the last call, each once."""
        used, self._used = sorted(self._used), {}
        return used


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
