"""Running workers over seeds, and what came of them: crashes and hangs of a worker are outcomes too.

MLTOOLKIT_MUTATIONS sets the number of seeds, 5000 by default.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mltoolkit import errors
from mltoolkit.errors import ArgumentError, MLToolkitError

COUNT = int(os.environ.get("MLTOOLKIT_MUTATIONS", "5000"))
_PROCESSES = 2
HANG_SECONDS = 60
OUR_ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, MLToolkitError) and not issubclass(value, ArgumentError)
}


def _follow(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


@dataclass(frozen=True)
class Outcome:
    """What came of a seed: an error's name, ``ran``, or after a ``!`` what should not have happened."""

    what: str
    seconds: float = 0.0
    megabytes: int = 0

    @property
    def failed(self) -> bool:
        return self.what.startswith("!")


def outcomes_of(
    first: int, count: int, step: int, worker_file: Path, hang_seconds: float = HANG_SECONDS
) -> dict[int, Outcome]:
    """The outcomes of every ``step``-th seed; after a crash or a hang a new worker goes on behind it."""
    results: dict[int, Outcome] = {}
    while first < count:
        command = [sys.executable, str(worker_file), str(first), str(count), str(step)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as worker:
            assert worker.stdout is not None
            lines: queue.Queue[str | None] = queue.Queue()
            threading.Thread(target=_follow, args=(worker.stdout, lines), daemon=True).start()
            running, end = first, "! crashed"
            while True:
                try:
                    line = lines.get(timeout=hang_seconds)
                except queue.Empty:
                    worker.kill()
                    end = "! hung"
                    break
                if line is None:
                    break
                seed, *words = line.rstrip("\n").split(" ", 3)
                running = int(seed)
                if len(words) == 3:
                    results[running] = Outcome(words[2], float(words[0]), int(words[1]))
            code = worker.wait()
        if code == 0:
            break
        results[running] = Outcome(f"{end} with exit code {code}")
        first = running + step
    return results


def outcomes_of_all(worker_file: Path, count: int) -> dict[int, Outcome]:
    """The outcomes of so many seeds, by several workers at a time."""
    collected: list[dict[int, Outcome]] = [{} for _ in range(_PROCESSES)]

    def work(number: int) -> None:
        collected[number] = outcomes_of(number, count, _PROCESSES, worker_file)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(_PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {seed: outcome for part in collected for seed, outcome in part.items()}


def report(failures: dict[int, str], worker_file: Path) -> str:
    """What went wrong, for the message of a test."""
    lines = [f"{len(failures)} of {COUNT}; one of them again: python {worker_file} {min(failures)}"]
    for seed, outcome in list(failures.items())[:5]:
        text = json.loads(outcome[2:]) if outcome.startswith('! "') else outcome
        lines.append(f"--- seed {seed}\n{text}")
    return "\n".join(lines)
