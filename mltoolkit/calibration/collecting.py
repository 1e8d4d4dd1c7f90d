"""Statistics of a site over all samples of two runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.sites import Site
from mltoolkit.calibration.statistics import InputStatistics
from mltoolkit.runtime.sections import SectionedRun


def collect_statistics(
    site: Site, run: SectionedRun, run_hat: SectionedRun, *, rows: int = 256, seed: int = 0
) -> InputStatistics:
    """The statistics of a site's inputs.

    Args:
        site: a site whose node both runs have stopped in front of.
        run: the float network.
        run_hat: the other network, on the same samples; may be the same run.
        rows: at most so many positions of a sample.
        seed: of the choice of positions.
    """
    statistics = site.new_statistics()

    def columns(sample: int) -> tuple[NDArray[Any], NDArray[Any]]:
        rng = np.random.default_rng((seed, site.slot.index, sample))
        x = site.read(run, sample)
        return site.columns(x, x if run_hat is run else site.read(run_hat, sample), rng, rows)

    for x, x_hat in run.each_sample(columns):
        statistics.add(x, x_hat)
    return statistics
