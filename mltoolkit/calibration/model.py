"""Quantizing a whole model against calibration data, in given forms."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mltoolkit.calibration.feeds import CalibrationFeeds, StageFeeds
from mltoolkit.calibration.layer import CalibratedWeight, obstacle
from mltoolkit.calibration.network import Effort, calibrate_network
from mltoolkit.calibration.sites import Site, copy_graph, find_sites
from mltoolkit.calibration.stored import file_channels
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.model import Model
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.modes import MODES
from mltoolkit.quantization.plan import Decision
from mltoolkit.quantization.quantize_spec import apply_decision, decided_layers, make_record
from mltoolkit.quantization.report import WeightRecord
from mltoolkit.quantization.rewriting import open_rewriter
from mltoolkit.quantization.slots import WeightSlot
from mltoolkit.quantization.sqnr import sqnr_db
from mltoolkit.quantization.weight_access import ModelRewriter

_log = logging.getLogger(__name__)

# Called after each weight: weights done in this attempt, weights in all, the layer's name.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class CalibratedModel:
    """A model that was quantized but not yet finished.

    Attributes:
        rewriter: what finishes it.
        records: what was done to each weight.
        decisions: likewise.
        graphs: the graph of every network and program by its stage, with the new weights.
    """

    rewriter: ModelRewriter
    records: list[WeightRecord]
    decisions: list[Decision]
    graphs: dict[str, ModelGraph]


class Calibration:
    """A model with calibration data: quantizes it in one form after another, to compare them.

    Args:
        model: the float model.
        feeds: its inputs.
        effort: how much to look at.
        target: as for :func:`~mltoolkit.quantization.rewriting.open_rewriter`.
    """

    def __init__(self, model: Model, feeds: CalibrationFeeds, effort: Effort, target: str | None = None) -> None:
        self.model = model
        self.feeds = feeds
        self.effort = effort
        self.target = target
        self._sites: dict[int, Site | str] = {}

    def with_samples(self, most: int) -> Calibration:
        """The same with fewer samples, spread over all."""
        count = len(self.feeds)
        if count <= most:
            return self
        chosen = np.linspace(0, count - 1, most).round().astype(int)
        fewer = Calibration(self.model, self.feeds.take([int(index) for index in chosen]), self.effort, self.target)
        fewer._sites = self._sites
        return fewer

    def may_shift(self, rewriter: ModelRewriter) -> Callable[[Site], bool]:
        """Tells whether a weight's bias can take up what the means differ by."""
        return lambda site: rewriter.bias_channels(site.slot) == site.outputs * site.groups

    def added_bias_bytes(self) -> int:
        """What biases take that calibration may add to layers without, at most."""
        rewriter = self.open()
        slots = [site.slot for site in self.sites(rewriter).values() if isinstance(site, Site)]
        return sum(4 * rewriter.bias_channels(slot) for slot in slots if rewriter.bias_slot(slot) is None)

    def open(self) -> ModelRewriter:
        """The model's weights."""
        return open_rewriter(self.model, minimum_deployment_target=self.target)

    def sites(self, rewriter: ModelRewriter) -> dict[int, Site | str]:
        """Where each weight is used, by the index of its slot, or why that is not known; found once."""
        if not self._sites:
            self._sites.update({slot.index: "nothing runs it here" for slot in rewriter.slots})
            for name, stage in self.feeds.stages.items():
                own = [slot for slot in rewriter.slots if slot.stage == name]
                found, reasons = find_sites(stage.graph, own, rewriter.values)
                self._sites.update({site.slot.index: site for site in found})
                self._sites.update(reasons)
        return self._sites

    def quantize(self, config: QuantizationConfig, progress: Progress | None = None) -> CalibratedModel:
        """Quantize every weight that the configuration names.

        Weights that cannot be calibrated are quantized from their values alone; the reason is in their record.

        Args:
            config: how.
            progress: called after each weight with weights done, weights in all and the layer's name.
        """
        rewriter = self.open()
        decisions = [decision for layer in decided_layers(rewriter, config) for decision in layer]
        found = self.sites(rewriter)
        forms = {decision.slot.index: decision for decision in decisions if decision.form is not None}
        sites: dict[int, Site] = {}
        reasons: dict[int, str] = {}
        for index, decision in forms.items():
            site, form = found[index], decision.form
            assert form is not None
            if isinstance(site, str):
                reasons[index] = site
            elif decision.config.mode is MODES["unique"]:
                reasons[index] = "its table holds its own values"
            elif reason := obstacle(site, form):
                reasons[index] = reason
            else:
                sites[index] = site
        records: dict[int, WeightRecord] = {}
        settled: dict[int, Decision] = {}
        for decision in decisions:
            index = decision.slot.index
            if index not in sites:
                record, after = apply_decision(rewriter, decision)
                if after.form is not None and after.form.kind in ("table", "linear"):
                    remarks = (record.reason, f"from its values alone: {reasons[index]}")
                    record = replace(record, reason="; ".join(filter(None, remarks)))
                records[index], settled[index] = record, after
        graphs = self._graphs(forms, set(reasons))
        done = 0

        def count(slot: WeightSlot) -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, len(sites), slot.layer)

        for name, stage in self.feeds.stages.items():
            own = _in_order([site for site in sites.values() if site.slot.stage == name], stage)
            results = calibrate_network(
                stage,
                graphs[name],
                own,
                forms,
                rewriter.values,
                self.may_shift(rewriter),
                self.effort,
                count,
            )
            for site in own:
                records[site.slot.index] = _write(rewriter, site, forms[site.slot.index], results[site.slot.index])
                settled[site.slot.index] = forms[site.slot.index]
            _write_biases(rewriter, own, results)
        order = [decision.slot.index for decision in decisions]
        return CalibratedModel(
            rewriter, [records[index] for index in order], [settled[index] for index in order], graphs
        )

    def _graphs(self, forms: Mapping[int, Decision], data_free: set[int]) -> dict[str, ModelGraph]:
        """Copies of the graphs in which those weights are quantized that cannot be calibrated."""
        model = self.model
        if data_free:
            rewriter = self.open()
            for index in sorted(data_free):
                apply_decision(rewriter, forms[index])
            model = rewriter.finish()
        return {
            name: copy_graph(_stage(model, stage).graph(dict(stage.shapes)))
            for name, stage in self.feeds.stages.items()
        }


def _stage(model: Model, stage: StageFeeds) -> Model:
    for name in filter(None, stage.stage.split("/")):
        model = model.stages[name]
    return model


def _in_order(sites: Sequence[Site], stage: StageFeeds) -> list[Site]:
    order = {node.name or "": index for index, node in enumerate(stage.graph.model.graph)}
    return sorted(sites, key=lambda site: (order[site.node_name], site.place, site.slot.index))


def _write(rewriter: ModelRewriter, site: Site, decision: Decision, result: CalibratedWeight) -> WeightRecord:
    size = rewriter.write(site.slot, result.stored)
    record = make_record(decision, size, sqnr_db(rewriter.values(site.slot), result.values))
    remark = "exact" if math.isinf(result.output_snr_db) else f"output SNR {result.output_snr_db:.1f} dB"
    return replace(record, reason=remark)


def _write_biases(rewriter: ModelRewriter, sites: Sequence[Site], results: Mapping[int, CalibratedWeight]) -> None:
    """Add the shifts to the biases; the gates of a recurrent layer share one between two matrices."""
    shifts: dict[int, NDArray[np.float32]] = {}
    owners: dict[int, Site] = {}
    for site in sites:
        result = results[site.slot.index]
        if result.shift is None:
            continue
        bias = rewriter.bias_slot(site.slot)
        rows = file_channels(site)
        if rows.size < site.groups * site.outputs:
            # The groups of a transposed convolution share the channels of its file, but not their biases.
            rows = np.arange(site.groups * site.outputs, dtype=np.int32)
        key = bias.index if bias is not None else -1 - site.slot.index
        shifts[key] = shifts.get(key, np.zeros(rows.size, np.float32)) + result.shift[rows]
        owners[key] = site
    for key, shift in shifts.items():
        slot = owners[key].slot
        bias = rewriter.bias_slot(slot)
        before = rewriter.values(bias) if bias is not None else np.float32(0)
        if reason := rewriter.write_bias(slot, before + shift):
            _log.warning("%s: the bias could not be corrected: %s", slot.where, reason)
