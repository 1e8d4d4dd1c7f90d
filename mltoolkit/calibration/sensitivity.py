"""How much a network's outputs move if one weight alone is stored in fewer bits.

Each weight is quantized against the float network's own inputs, in some numbers of bits, and the whole network is run
with it. Between these, and beyond them, the divergence is taken to follow the loss of the layer's own outputs by a
power law, whose two numbers the measured points give: small errors act quadratically, large ones saturate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mltoolkit.calibration.allocation import Option
from mltoolkit.calibration.collecting import collect_statistics
from mltoolkit.calibration.divergence import divergence
from mltoolkit.calibration.feeds import StageFeeds
from mltoolkit.calibration.graphs import run_graph
from mltoolkit.calibration.layer import CalibratedWeight, calibrate_weight
from mltoolkit.calibration.network import Effort
from mltoolkit.calibration.sites import Site, copy_graph
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.quantization.plan import Decision
from mltoolkit.quantization.slots import Form, WeightSlot
from mltoolkit.quantization.weight_access import ModelRewriter
from mltoolkit.runtime.sections import SectionedRun

# Where the network is run; other numbers of bits are told from these.
_MEASURED_BITS = (2, 4, 6)
# A divergence below this is rounding noise of float32.
_LEAST = 1e-12


@dataclass(frozen=True)
class Candidate:
    """A weight that is to be stored in one of several forms.

    Attributes:
        decision: what holds for it but for the form.
        forms: the forms, by rising number of bits.
        site: where it is used.
    """

    decision: Decision
    forms: tuple[Form, ...]
    site: Site


def measure_options(
    stage: StageFeeds,
    candidates: Sequence[Candidate],
    rewriter: ModelRewriter,
    may_shift: Callable[[Site], bool],
    effort: Effort,
    done: Callable[[WeightSlot], None],
) -> dict[int, list[Option]]:
    """The options of each weight of a network, by the index of its slot, with their losses.

    Args:
        stage: the network and some inputs.
        candidates: its weights, in the order in which they run.
        rewriter: the model.
        may_shift: whether a weight's bias can take up what the means differ by.
        effort: how much to look at.
        done: called after each weight.
    """
    graph = stage.graph
    changed = copy_graph(graph)
    reference = run_graph(graph, stage.feeds)
    nodes = list(dict.fromkeys(candidate.site.node_name for candidate in candidates))
    by_node = {name: [one for one in candidates if one.site.node_name == name] for name in nodes}
    run = SectionedRun(graph, [by_node[name][0].site.node(graph) for name in nodes], stage.feeds, memory=effort.memory)
    options: dict[int, list[Option]] = {}
    for name in nodes:
        run.advance()
        for candidate in by_node[name]:
            site = candidate.site
            values, centred = rewriter.values(site.slot), may_shift(site)
            statistics = collect_statistics(site, run, run, rows=effort.rows, seed=effort.seed)
            results = {
                form: calibrate_weight(
                    site, values, statistics, replace(candidate.decision, form=form), centred=centred, rounds=0
                )
                for form in candidate.forms
            }
            measured: dict[Form, float] = {}
            for form in _worth_measuring(candidate.forms):
                _put(site, changed, results[form], 1)
                measured[form] = divergence(graph, reference, run_graph(changed, stage.feeds))
                _put(site, changed, replace(results[form], values=values), -1)
            losses = _spread(results, measured)
            options[site.slot.index] = [
                Option(form, rewriter.size(site.slot, form), losses[form]) for form in candidate.forms
            ]
            done(site.slot)
    return options


def _put(site: Site, graph: ModelGraph, result: CalibratedWeight, sign: int) -> None:
    site.put(graph, result.values)
    if result.shift is not None:
        site.shift_bias(graph, sign * result.shift)


def _worth_measuring(forms: Sequence[Form]) -> list[Form]:
    """The forms nearest to the bits that are measured."""
    return list(
        dict.fromkeys(min(forms, key=lambda form: (abs(form.nbits - bits), form.nbits)) for bits in _MEASURED_BITS)
    )


def _spread(results: Mapping[Form, CalibratedWeight], measured: Mapping[Form, float]) -> dict[Form, float]:
    """The losses of all forms from those that were measured, along the noise of the layer's own output."""
    noise = {form: -0.1 * min(result.output_snr_db, 150.0) for form, result in results.items()}
    known = sorted((noise[form], float(np.log10(max(value, _LEAST)))) for form, value in measured.items())
    x, y = np.array([first for first, _ in known]), np.maximum.accumulate(np.array([second for _, second in known]))
    losses = {}
    for form, at in noise.items():
        if form in measured:
            exponent = float(np.interp(at, x, y))
        elif at < x[0]:
            exponent = y[0] + (at - x[0])
        elif at > x[-1]:
            exponent = y[-1] + (at - x[-1])
        else:
            exponent = float(np.interp(at, x, y))
        losses[form] = 10.0**exponent
    return losses
