"""Statistics of a site over all samples of two runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mltoolkit.calibration.one_thread import one_thread_a_product
from mltoolkit.calibration.sites import Site
from mltoolkit.calibration.statistics import Columns, InputStatistics, RowFrequencies
from mltoolkit.runtime.sections import SectionedRun

# Samples are summed up together until there are so many positions, or so many bytes of them.
_POSITIONS = 2048
_BYTES = 32 << 20
# More positions of one sample than so many for each input tell little more: depthwise convolutions have few inputs.
_PER_INPUT = 16
_LEAST = 64


def collect_statistics(
    site: Site, run: SectionedRun, run_hat: SectionedRun, *, rows: int = 256, seed: int = 0
) -> InputStatistics | RowFrequencies:
    """The statistics of a site's inputs, the same for any number of threads.

    Args:
        site: a site whose node both runs have stopped in front of.
        run: the float network.
        run_hat: the other network, on the same samples; may be the same run.
        rows: at most so many positions of a sample, and at most 16 for each input (or 64).
        seed: of the choice of positions.
    """
    statistics = site.new_statistics()
    if isinstance(statistics, RowFrequencies):
        for x in run_hat.each_sample(lambda sample: site.read(run_hat, sample)):
            statistics.add(x[0])
        return statistics

    rows = min(rows, max(_LEAST, _PER_INPUT * site.inputs))

    def columns(sample: int) -> tuple[Columns, Columns]:
        rng = np.random.default_rng((seed, site.slot.index, sample))
        x = site.read(run, sample)
        return site.columns(x, x if run_hat is run else site.read(run_hat, sample), rng, rows)

    with one_thread_a_product(), ThreadPoolExecutor(run.threads) as pool:
        buffer, buffer_hat = _Buffer(pool), _Buffer(pool)
        for samples in _batches(site, run, rows):
            parts = list(pool.map(columns, samples))
            joined = buffer.join([part for part, _ in parts])
            joined_hat = joined if run_hat is run else buffer_hat.join([part for _, part in parts])
            statistics.add(joined, joined_hat, pool.map)
    return statistics


class _Buffer:
    """Puts columns side by side, in the same memory each time."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._held: Columns = np.empty((0, 0, 0), dtype=np.float32)

    def join(self, parts: Sequence[Columns]) -> Columns:
        """The columns of all parts, good until the next call."""
        ends = list(itertools.accumulate(part.shape[2] for part in parts))
        if self._held.shape[2] < ends[-1]:
            self._held = np.empty((*parts[0].shape[:2], ends[-1]), dtype=np.float32)

        def copy(part: Columns, end: int) -> None:
            self._held[:, :, end - part.shape[2] : end] = part

        for _ in self._pool.map(copy, parts, ends):
            pass
        return self._held[:, :, : ends[-1]]


def _batches(site: Site, run: SectionedRun, rows: int) -> list[range]:
    if not run.samples:
        return []
    each = max(1, min(rows, site.product.positions(site.read(run, 0))))
    together = max(1, min(_POSITIONS, _BYTES // (4 * site.groups * site.inputs)) // each)
    return [range(first, min(first + together, run.samples)) for first in range(0, run.samples, together)]
