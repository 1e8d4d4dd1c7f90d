"""Statistics of a site over all samples of two runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.one_thread import one_thread_a_product
from mltoolkit.calibration.sites import Site
from mltoolkit.calibration.statistics import InputStatistics, RowFrequencies, Sums
from mltoolkit.runtime.sections import SectionedRun
from mltoolkit.runtime.side_by_side import in_order

# Samples are summed up together until there are so many positions, or so many bytes of them.
_POSITIONS = 1024
_BYTES = 16 << 20


def collect_statistics(
    site: Site, run: SectionedRun, run_hat: SectionedRun, *, rows: int = 256, seed: int = 0
) -> InputStatistics | RowFrequencies:
    """The statistics of a site's inputs, the same for any number of threads.

    Args:
        site: a site whose node both runs have stopped in front of.
        run: the float network.
        run_hat: the other network, on the same samples; may be the same run.
        rows: at most so many positions of a sample.
        seed: of the choice of positions.
    """
    statistics = site.new_statistics()
    if isinstance(statistics, RowFrequencies):
        for x in run_hat.each_sample(lambda sample: site.read(run_hat, sample)):
            statistics.add(x[0])
        return statistics

    def columns(sample: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng = np.random.default_rng((seed, site.slot.index, sample))
        x = site.read(run, sample)
        return site.columns(x, x if run_hat is run else site.read(run_hat, sample), rng, rows)

    def sums(samples: range) -> Sums:
        parts = [columns(sample) for sample in samples]
        x = np.concatenate([x for x, _ in parts], axis=2)
        return Sums.over(x, x if run_hat is run else np.concatenate([x_hat for _, x_hat in parts], axis=2))

    if run.samples:
        each = max(1, min(rows, site.product.positions(site.read(run, 0))))
        most = min(_POSITIONS, _BYTES // (4 * site.groups * site.inputs))
        together = max(1, most // each)
        batches = [range(first, min(first + together, run.samples)) for first in range(0, run.samples, together)]
        with one_thread_a_product():
            for batch in in_order(sums, batches, run.threads):
                statistics.add_sums(batch)
    return statistics
