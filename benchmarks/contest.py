"""Two ways of running one network, measured against each other.

Each round runs ours, theirs, theirs, ours and gives one ratio, so that a slow spell of the machine hits both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A stretch of inferences this long is well above the clock's resolution.
_STRETCH_SECONDS = 0.05

HEADING = f"{'':20}{'ours ms':>10}{'native ms':>12}{'ours ÷ native':>16}{'quartiles':>16}"


@dataclass(frozen=True)
class Contest:
    """One network, run in two ways on the same input.

    Attributes:
        name: the network's.
        ours: gives its output.
        theirs: gives its output in another way.
    """

    name: str
    ours: Callable[[], NDArray[Any]]
    theirs: Callable[[], NDArray[Any]]


def _cpu_seconds(run: Callable[[], Any], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        run()
    return (time.process_time() - start) / repeats


def measure(contest: Contest, rounds: int) -> str:
    """The line of a table under :data:`HEADING`: CPU time of one inference, and the median and quartiles of the ratio.

    Raises:
        SystemExit: the two do not give the same.
    """
    expected = contest.theirs()
    difference = np.abs(contest.ours() - expected).max() / expected.std()
    # Folding a batch normalisation changes the last bits of the weights only.
    if not difference < 1e-3:
        raise SystemExit(f"{contest.name}: the outputs differ by {difference:.1e} of their deviation")
    repeats = max(1, round(_STRETCH_SECONDS / _cpu_seconds(contest.theirs, 3)))
    ours, theirs = np.empty(rounds), np.empty(rounds)
    for index in range(rounds):
        first_ours, first_theirs = _cpu_seconds(contest.ours, repeats), _cpu_seconds(contest.theirs, repeats)
        last_theirs, last_ours = _cpu_seconds(contest.theirs, repeats), _cpu_seconds(contest.ours, repeats)
        ours[index], theirs[index] = (first_ours + last_ours) / 2, (first_theirs + last_theirs) / 2
    low, median, high = np.percentile(ours / theirs, (25, 50, 75))
    return (
        f"{contest.name:20}{np.median(ours) * 1e3:10.2f}{np.median(theirs) * 1e3:12.2f}"
        f"{median:16.3f}{f'{low:.3f}-{high:.3f}':>16}"
    )
