"""Calibrating the weights of one network or program, in the order in which they run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.collecting import collect_statistics
from mltoolkit.calibration.feeds import StageFeeds
from mltoolkit.calibration.layer import CalibratedWeight, calibrate_weight
from mltoolkit.calibration.sites import Site
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.quantization.plan import Decision
from mltoolkit.quantization.slots import WeightSlot
from mltoolkit.runtime.sections import SectionedRun

_log = logging.getLogger(__name__)

# Called after each weight with the weight.
Done = Callable[[WeightSlot], None]


@dataclass(frozen=True)
class Effort:
    """How much is looked at.

    Attributes:
        rows: positions of a sample that a layer's statistics take, at most.
        seed: of their choice.
        memory: bytes of activations of a network that stay in memory; the rest goes to a temporary file.
    """

    rows: int = 512
    seed: int = 0
    memory: int = 128 << 20


def calibrate_network(
    stage: StageFeeds,
    quantized: ModelGraph,
    sites: Sequence[Site],
    decisions: Mapping[int, Decision],
    values: Callable[[WeightSlot], NDArray[np.float32]],
    may_shift: Callable[[Site], bool],
    effort: Effort,
    done: Done,
) -> dict[int, CalibratedWeight]:
    """Quantize weights against calibration data, each upon what those before it have changed.

    Args:
        stage: the float network and its inputs.
        quantized: a copy of its graph, in which every weight is replaced as soon as it is quantized.
        sites: where the weights are used, in the order in which they run.
        decisions: the form of each, by the index of its slot.
        values: their values in the file's shape.
        may_shift: whether a weight's bias can take up what the means differ by.
        effort: how much to look at.
        done: called after each weight.

    Returns:
        The weights by the index of their slot.
    """
    graph = stage.graph
    by_node = [(name, list(group)) for name, group in groupby(sites, key=lambda site: site.node_name)]
    runs = [
        SectionedRun(used, [group[0].node(used) for _, group in by_node], stage.feeds, memory=effort.memory)
        for used in (graph, quantized)
    ]
    results: dict[int, CalibratedWeight] = {}
    for _, group in by_node:
        for run in runs:
            run.advance()
        for site in group:
            statistics = collect_statistics(site, runs[0], runs[1], rows=effort.rows, seed=effort.seed)
            result = calibrate_weight(
                site, values(site.slot), statistics, decisions[site.slot.index], centred=may_shift(site)
            )
            site.put(quantized, result.values)
            if result.shift is not None:
                site.shift_bias(quantized, result.shift)
            results[site.slot.index] = result
            _log.debug("%s: output SNR %.1f dB", site.slot.where, result.output_snr_db)
            done(site.slot)
    return results
