"""Running two models on samples and measuring the layers that both have."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mltoolkit.comparison.layer_cuts import CutGraph
from mltoolkit.comparison.layer_values import LayerValue, MatchedValues, matched_values
from mltoolkit.comparison.layer_walk import LayerPowers, LayerWalk
from mltoolkit.comparison.noise import NoiseSum
from mltoolkit.comparison.pair import ModelPair
from mltoolkit.comparison.progress import ProgressCallback
from mltoolkit.comparison.sources import Sample
from mltoolkit.errors import ComparisonError, InputError
from mltoolkit.runtime.inputs import Shapes
from mltoolkit.runtime.ml_program import MLProgramPredictor
from mltoolkit.runtime.network import NetworkPredictor
from mltoolkit.runtime.recent import MAX_SHAPES, Recent
from mltoolkit.runtime.side_by_side import in_order

if TYPE_CHECKING:
    from mltoolkit.model import Model


@dataclass
class StageErrors:
    """What was measured in one network.

    Attributes:
        stage: its name in the pipeline; "" where there is none.
        values: every layer output of the first model, in order.
        sums: signal and noise of those that were measured, by place in ``values``, both models running freely.
        isolated: likewise, the second model's layer reading what the first model computed; None where that could not be
            done.
        left_out: why the others were not measured, likewise.
        only_second: outputs of the second model that the first has not.
    """

    stage: str
    values: list[LayerValue] = field(default_factory=list)
    sums: dict[int, NoiseSum] = field(default_factory=dict)
    isolated: dict[int, NoiseSum | None] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)
    only_second: tuple[str, ...] = ()

    def take(self, place: int, sample: int, powers: LayerPowers | None) -> None:
        """Add what one sample gave; None where the arrays cannot be compared."""
        if powers is None:
            self.leave_out(place, "the two models give arrays of different shapes")
        elif place not in self.left_out:
            self.sums.setdefault(place, NoiseSum()).add(sample, powers.accumulated)
            self.isolated.setdefault(place, NoiseSum())
            if powers.isolated is None:
                self.isolated[place] = None
            elif (isolated := self.isolated[place]) is not None:
                isolated.add(sample, powers.isolated)

    def leave_out(self, place: int, reason: str) -> None:
        """Measure nothing there: what holds for one sample holds for all."""
        self.left_out.setdefault(place, reason)
        self.sums.pop(place, None)
        self.isolated.pop(place, None)


@dataclass(frozen=True)
class _StageResult:
    matched: MatchedValues
    powers: list[LayerPowers | None]


class LayerRun:
    """Both models on all samples, one network of a pipeline after the other.

    Args:
        pair: the two models.
        samples: samples that can be read.

    Raises:
        ComparisonError: the two are not pipelines of the same stages.
    """

    def __init__(self, pair: ModelPair, samples: Sequence[Sample]) -> None:
        self._pair = pair
        self._samples = samples
        self._stages = [_Stage(name, a, b) for name, a, b in _stages(pair.reference, pair.other)]

    def measure(self, threads: int, show: ProgressCallback) -> list[StageErrors]:
        """Run everything; ``show`` is called with the samples done, and their number.

        Args:
            threads: how many samples run side by side.
            show: the callback.
        """
        errors = [StageErrors(stage.name) for stage in self._stages]
        for index, results in enumerate(in_order(self._measure, range(len(self._samples)), threads)):
            for stage, result in zip(errors, results, strict=True):
                if result is None:
                    continue
                if index == 0:
                    stage.values, stage.only_second = result.matched.values, result.matched.only_second
                for place, reason in result.matched.left_out.items():
                    stage.leave_out(place, reason)
                for (place, _, _), powers in zip(result.matched.pairs, result.powers, strict=True):
                    stage.take(place, index, powers)
            show(index + 1, len(self._samples))
        return errors

    def _measure(self, index: int) -> list[_StageResult | None]:
        sample = self._samples[index]
        try:
            first, second = self._pair.prepare(sample)
            # What layers in isolation read: from the second stage of a pipeline on, what the first model's stages gave.
            isolated = second
            results = []
            for stage in self._stages:
                results.append(stage.measure(first, second, isolated))
                if stage is not self._stages[-1]:
                    given = stage.a.predict(_own(stage.a, first), threads=1)
                    own = stage.b.predict(_own(stage.b, second), threads=1)
                    first, second, isolated = first | given, second | own, isolated | given
        except InputError as error:
            raise InputError(error.what, where=sample.name, fix=error.fix) from error
        return results


class _Stage:
    """One network or program of each model; or of another kind, without layers."""

    def __init__(self, name: str, a: Model, b: Model) -> None:
        self.name = name
        self.a = a
        self.b = b
        # Samples of other sizes take other graphs.
        self._walks: Recent[tuple[MatchedValues, LayerWalk]] = Recent(MAX_SHAPES)
        self._lock = threading.Lock()

    def measure(
        self, first: Mapping[str, Any], second: Mapping[str, Any], isolated: Mapping[str, Any]
    ) -> _StageResult | None:
        """What every matched layer output gave.

        Args:
            first: the inputs of the first model.
            second: those of the second.
            isolated: those of the second that its layers read in isolation.
        """
        a, b = self.a.predictor, self.b.predictor
        if not isinstance(a, (NetworkPredictor, MLProgramPredictor)):
            return None
        if not isinstance(b, (NetworkPredictor, MLProgramPredictor)):
            return None
        feeds, shapes = _bound(a, _own(self.a, first))
        other_feeds, other_shapes = _bound(b, _own(self.b, second))
        with self._lock:
            matched, walk = self._walks.get((shapes, other_shapes), lambda: _walk(a, shapes, b, other_shapes))
        same = other_feeds if isolated is second else _bound(b, _own(self.b, isolated))[0]
        return _StageResult(matched, walk.run(feeds, other_feeds, same))


_GraphPredictor = NetworkPredictor | MLProgramPredictor


def _bound(predictor: _GraphPredictor, values: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], Shapes]:
    """The graph's inputs, states as zeros, and which shapes differ from the described ones."""
    bound = predictor.bind(values)
    states = predictor.zero_states() if isinstance(predictor, MLProgramPredictor) else {}
    return bound.feeds | states, bound.shapes


def _walk(
    a: _GraphPredictor, shapes: Shapes, b: _GraphPredictor, other_shapes: Shapes
) -> tuple[MatchedValues, LayerWalk]:
    first, second = a.graph(shapes), b.graph(other_shapes)
    matched = matched_values(first, second)
    return matched, LayerWalk(
        CutGraph(first, [value for _, value, _ in matched.pairs], a.files),
        CutGraph(second, [twin for _, _, twin in matched.pairs], b.files),
    )


def _own(model: Model, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {feature.name for feature in model.inputs}
    return {name: value for name, value in values.items() if name in names}


def _stages(a: Any, b: Any) -> list[tuple[str, Model, Model]]:
    first, second = a.stages, b.stages
    if list(first) != list(second):
        raise ComparisonError(
            f"the models are pipelines of the stages {list(first)} and {list(second)}"
            if first and second
            else "only one of the two models is a pipeline",
            fix="Compare a model with one that was made from it, or two models of model.stages",
        )
    return [(name, first[name], second[name]) for name in first] or [("", a, b)]
