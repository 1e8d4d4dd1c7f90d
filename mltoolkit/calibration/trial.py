"""Quantizing in one way after another and measuring each."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from mltoolkit.calibration.divergence import divergence, top_class_agrees
from mltoolkit.calibration.feeds import CalibrationFeeds, FeedList, StageFeeds
from mltoolkit.calibration.graphs import Outputs, run_graph
from mltoolkit.calibration.model import Calibration, Progress
from mltoolkit.calibration.report import CurvePoint
from mltoolkit.errors import ArgumentError
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.model import Model
from mltoolkit.quantization.config import QuantizationConfig
from mltoolkit.quantization.plan import Decision
from mltoolkit.quantization.report import WeightRecord
from mltoolkit.quantization.settings_record import record_settings, settings_of
from mltoolkit.quantization.weight_access import ModelRewriter

# (outputs of the float network, those of the quantized one) → how far they agree, 0 to 1; by name, for one sample.
Agreement = Callable[[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]], float]

METHOD = "calibrated"


@dataclass(eq=False)
class Trial:
    """What was done to make a quantized model, and what was measured of it; a search keeps many, and few models.

    Attributes:
        config: how it was quantized.
        decisions: the form of each weight.
        records: what was done to each weight, in the same order.
        bytes_before: size of the float model's file or package.
        point: what was measured.
    """

    config: QuantizationConfig
    decisions: list[Decision]
    records: list[WeightRecord]
    bytes_before: int
    point: CurvePoint


class Bench:
    """Measures quantized models on samples.

    Args:
        model: the float model.
        feeds: the samples to calibrate with.
        held_out: samples for the agreement alone; without them it is measured on the former.
        agreement: what to take for agreement; by default whether a classifier's first class is the same.
        details: what the metadata of the models shall say of the calibration.

    Attributes:
        details: see above.
    """

    def __init__(
        self,
        model: Model,
        feeds: CalibrationFeeds,
        held_out: CalibrationFeeds | None,
        agreement: Agreement | None,
        details: Mapping[str, Any],
    ) -> None:
        self.model = model
        self.feeds = feeds
        self._apart = held_out
        self._given = agreement
        self.details = details
        # The samples are kept with what they gave, lest others get their identity.
        self._outputs: dict[int, tuple[FeedList, Outputs]] = {}

    @property
    def knows_agreement(self) -> bool:
        """Whether there is something to agree on."""
        return self._judge() is not None

    def try_out(
        self,
        name: str,
        calibration: Calibration,
        config: QuantizationConfig,
        progress: Progress | None = None,
        counted: Collection[int] = (),
    ) -> tuple[Trial, Model]:
        """Quantize, finish and measure.

        Args:
            name: what the curve calls it.
            calibration: the model with samples, perhaps fewer than all.
            config: how to quantize.
            progress: called after each weight.
            counted: the weights, by their slots' indices, that bits per weight are counted of; by default those that
                are stored anew.
        """
        calibrated = calibration.quantize(config, progress)
        rewriter = calibrated.rewriter
        self.record(rewriter, calibrated.decisions, calibration.target)
        model = rewriter.finish()
        pairs = zip(calibrated.decisions, calibrated.records, strict=True)
        rated = [
            record
            for decision, record in pairs
            if (decision.slot.index in counted if counted else decision.form is not None)
        ]
        weights = sum(math.prod(record.shape) for record in rated)
        agreement, samples = self._agreement(calibrated.graphs)
        point = CurvePoint(
            name=name,
            bits_per_weight=8 * sum(record.bytes_after for record in rated) / max(weights, 1),
            model_bytes=rewriter.bytes_after,
            divergence=self._divergence(calibrated.graphs),
            agreement=agreement,
            samples=samples,
            held_out=self._apart is not None,
        )
        return Trial(config, calibrated.decisions, calibrated.records, rewriter.bytes_before, point), model

    def record(self, rewriter: ModelRewriter, decisions: Sequence[Decision], target: str | None) -> None:
        """Write into the metadata what was done, if anything was."""
        if any(decision.form for decision in decisions):
            record_settings(rewriter, replace(settings_of(decisions, target), method=METHOD, details=self.details))

    def _divergence(self, graphs: Mapping[str, ModelGraph]) -> float:
        """The sum over all networks, on all samples that are not held out."""
        return sum(
            divergence(stage.graph, self._reference(stage), run_graph(graphs[name], stage.feeds))
            for name, stage in self.feeds.stages.items()
        )

    def _agreement(self, graphs: Mapping[str, ModelGraph]) -> tuple[float | None, int]:
        found = self._judge()
        feeds = self._apart or self.feeds
        if found is None:
            return None, len(feeds)
        name, judge = found
        stage = feeds.stages[name]
        pairs = zip(self._reference(stage), run_graph(graphs[name], stage.feeds), strict=True)
        return sum(_checked(judge(expected, given)) for expected, given in pairs) / len(feeds), len(feeds)

    def _judge(self) -> tuple[str, Agreement] | None:
        """Which network's outputs are judged, and how."""
        stages = self.feeds.stages
        if self._given is not None:
            return list(stages)[-1], self._given
        classifiers = [(name, stage.graph.probabilities) for name, stage in stages.items() if stage.graph.probabilities]
        if len(stages) != 1 or not classifiers:
            return None
        name, output = classifiers[0]
        return name, lambda expected, given: top_class_agrees(expected[output], given[output])

    def _reference(self, stage: StageFeeds) -> Outputs:
        key = id(stage.feeds)
        if key not in self._outputs:
            self._outputs[key] = stage.feeds, run_graph(stage.graph, stage.feeds)
        return self._outputs[key][1]


def _checked(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"the agreement function returned {value!r}", fix="Return a number from 0 to 1") from error
    if not 0.0 <= number <= 1.0:
        raise ArgumentError(f"the agreement function returned {value!r}", fix="Return a number from 0 to 1")
    return number
