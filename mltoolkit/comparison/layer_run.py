"""Running two models and measuring the layers that both have, some of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.comparison.layer_values import (
    LayerValue,
    ValuePair,
    in_groups,
    layer_values,
    same_elements,
)
from mltoolkit.comparison.name_matching import match_names
from mltoolkit.comparison.noise import NoiseSum, Powers, signal_and_noise
from mltoolkit.comparison.pair import ModelPair
from mltoolkit.comparison.progress import ProgressCallback
from mltoolkit.comparison.sources import Sample
from mltoolkit.errors import ComparisonError, InputError
from mltoolkit.formats.ml_program import program_of
from mltoolkit.formats.networks import network_of

if TYPE_CHECKING:
    from mltoolkit.model import Model


@dataclass
class StageErrors:
    """What was measured in one network.

    Attributes:
        stage: its name in the pipeline; "" where there is none.
        values: every layer output of the first model, in order.
        sums: signal and noise of those that were measured, by place in ``values``.
        left_out: why the others were not, likewise.
        only_second: outputs of the second model that the first has not.
    """

    stage: str
    values: list[LayerValue] = field(default_factory=list)
    sums: dict[int, NoiseSum] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)
    only_second: tuple[str, ...] = ()

    def take(self, place: int, sample: int, powers: Powers | None) -> None:
        """Add what one sample gave; None where the arrays cannot be compared."""
        if powers is None:
            self.left_out[place] = "the two models give arrays of different shapes"
            self.sums.pop(place, None)
        elif place not in self.left_out:
            self.sums.setdefault(place, NoiseSum()).add(sample, powers)


_Feeds = tuple[dict[str, Any], dict[str, Any]]


class LayerRun:
    """Both models on all samples, one network of a pipeline after the other.

    Args:
        pair: the two models.
        samples: samples that can be read.
        memory: bytes of activations that one sample may take at a time.

    Raises:
        ComparisonError: the two are not pipelines of the same stages.
    """

    def __init__(self, pair: ModelPair, samples: Sequence[Sample], memory: int) -> None:
        self._pair = pair
        self._samples = samples
        self._memory = memory
        self._stages = _stages(pair.reference, pair.other)
        # What the stages before gave. Of the first stage nothing is kept: its pictures are decoded again for each
        # group of layers, since together they could outgrow the memory that was granted.
        self._feeds: dict[int, _Feeds] = {}

    def measure(self, pool: ThreadPoolExecutor, show: ProgressCallback) -> list[StageErrors]:
        """Run everything; ``show`` is called with the runs done, and their number where it is known."""
        found = []
        done = 0
        for number, (name, a, b) in enumerate(self._stages):
            errors, pairs = self._plan(name, a, b)
            last = number == len(self._stages) - 1
            # A stage without layers has to run nevertheless, for those behind it.
            groups = in_groups(pairs, self._memory) or ([] if last else [[]])
            following: dict[int, _Feeds] = {}
            for group in groups:
                keep = following if not last and group is groups[-1] else None
                task = self._task(_copy(a), _copy(b), group, keep)
                for index, results in enumerate(pool.map(task, range(len(self._samples)))):
                    for pair, powers in zip(group, results, strict=True):
                        errors.take(pair.place, index, powers)
                    done += 1
                    show(done, len(self._samples) * len(groups) if len(self._stages) == 1 else None)
            self._feeds = following
            found.append(errors)
        return found

    def _plan(self, name: str, a: Model, b: Model) -> tuple[StageErrors, list[ValuePair]]:
        errors = StageErrors(name)
        if not (_has_layers(a) and _has_layers(b)):
            return errors, []
        first, second = self._inputs(0)
        errors.values = layer_values(a, _own(a, first))
        others = layer_values(b, _own(b, second))
        twins = match_names([value.output for value in errors.values], [value.output for value in others])
        taken = set(twins.values())
        errors.only_second = tuple(value.output for place, value in enumerate(others) if place not in taken)
        pairs = []
        for place, value in enumerate(errors.values):
            twin = others[twins[place]] if place in twins else None
            if twin is None:
                errors.left_out[place] = "the second model has no such layer"
            elif not value.value or not twin.value:
                which = "second" if value.value else "first"
                errors.left_out[place] = f"the {which} model computes it together with other layers, or in a branch"
            else:
                pairs.append(ValuePair(place, value, twin))
        return errors, pairs

    def _inputs(self, index: int) -> _Feeds:
        return self._feeds.get(index) or self._pair.prepare(self._samples[index])

    def _task(
        self, a: Model, b: Model, group: Sequence[ValuePair], keep: dict[int, _Feeds] | None
    ) -> Callable[[int], list[Powers | None]]:
        def run(index: int) -> list[Powers | None]:
            first, second = self._inputs(index)
            try:
                p = _predict(a, first, [pair.a.value for pair in group])
                q = _predict(b, second, [pair.b.value for pair in group])
            except InputError as error:
                raise InputError(error.what, where=self._samples[index].name, fix=error.fix) from error
            if keep is not None:
                keep[index] = first | p.present(), second | q.present()
            return [_powers(p.raw[pair.a.value], q.raw[pair.b.value]) for pair in group]

        return run


def _powers(a: Any, b: Any) -> Powers | None:
    a, b = np.asarray(a), np.asarray(b)
    return signal_and_noise(a, b) if same_elements(a.shape, b.shape) else None


def _predict(model: Model, values: Mapping[str, Any], taps: Sequence[str]) -> Any:
    options: dict[str, Any] = {"state": model.make_state()} if model.interface.states else {}
    # Samples run side by side, so that each needs one thread only.
    return model.predictor.run(_own(model, values), threads=1, taps=taps, **options)


def _copy(model: Model) -> Model:
    """The same model with sessions of its own, which go when the layers they give out are measured.

    A session keeps what its largest run took; those of all groups of layers together would be unbounded.
    """
    if model.function_name is not None:
        return model.functions[model.function_name]
    return type(model).from_spec(model.spec, name=model.name, custom_layers=model.custom_layers)


def _own(model: Model, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {feature.name for feature in model.inputs}
    return {name: value for name, value in values.items() if name in names}


def _has_layers(model: Model) -> bool:
    return network_of(model.spec) is not None or program_of(model.spec) is not None


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
