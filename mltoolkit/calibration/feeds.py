"""Calibration data as the inputs of every network in a model, prepared once."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.comparison.records import UnreadableInput
from mltoolkit.comparison.sources import Sample, SampleStream, open_samples
from mltoolkit.errors import ComparisonError, InputError, MLToolkitError, UnreadablePictureError
from mltoolkit.formats.features import ImageFeature
from mltoolkit.graph.model_graph import ModelGraph
from mltoolkit.model import Model
from mltoolkit.runtime.cores import available_cores
from mltoolkit.runtime.images import Crop
from mltoolkit.runtime.inputs import Shapes
from mltoolkit.runtime.ml_program import MLProgramPredictor
from mltoolkit.runtime.network import NetworkPredictor
from mltoolkit.runtime.side_by_side import in_order

Feed = dict[str, NDArray[Any]]
_BoundStage = tuple[Shapes, Feed]
_log = logging.getLogger(__name__)


class FeedList(Sequence[Mapping[str, NDArray[Any]]]):
    """The inputs of a graph for every sample; prepared pictures are held as bytes and widened when asked for."""

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._feeds = list(feeds)

    def __len__(self) -> int:
        return len(self._feeds)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return FeedList(self._feeds[index])
        return {
            name: array.astype(np.float32) if array.dtype == np.uint8 else array
            for name, array in self._feeds[index].items()
        }

    def take(self, indices: Sequence[int]) -> FeedList:
        """Those of some samples."""
        return FeedList(self._feeds[index] for index in indices)


@dataclass(frozen=True)
class StageFeeds:
    """The inputs of one network or program.

    Attributes:
        stage: the pipeline stages down to it joined by "/", as in ``WeightSlot.stage``; "" for a plain model.
        model: the network or program.
        shapes: input shapes other than the described ones, for :attr:`graph`.
        feeds: the graph's inputs by name, float32 or int32, for each sample; states are zeros.
    """

    stage: str
    model: Model
    shapes: Shapes
    feeds: FeedList

    @property
    def graph(self) -> ModelGraph:
        """The graph that the feeds are for: the model's own, not to be changed."""
        return self.model.graph(dict(self.shapes))


@dataclass(frozen=True)
class CalibrationFeeds:
    """Calibration data for a whole model.

    Attributes:
        names: what the samples are called, in order.
        stages: by ``stage``, in the order in which they run.
        unreadable: pictures that could not be read.
        other_shapes: how many samples were left out since their inputs had other shapes than most.
        source: what the samples come from, for messages.
    """

    names: tuple[str, ...]
    stages: dict[str, StageFeeds]
    unreadable: tuple[UnreadableInput, ...]
    other_shapes: int
    source: str

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: Sequence[int]) -> CalibrationFeeds:
        """Some of the samples; nothing is copied."""
        return CalibrationFeeds(
            tuple(self.names[index] for index in indices),
            {
                name: StageFeeds(name, stage.model, stage.shapes, stage.feeds.take(indices))
                for name, stage in self.stages.items()
            },
            self.unreadable,
            self.other_shapes,
            self.source,
        )


def stage_feeds(model: Model, sample_data: Any, *, crop: Crop = "whole", limit: int | None = None) -> CalibrationFeeds:
    """Prepare sample data for every network and program of a model.

    In a pipeline the inputs of a later stage are what the stages before it give, unquantized.

    Args:
        model: the float model.
        sample_data: as for ``compare_models``: a folder, list or iterator.
        crop: how pictures are fitted, likewise.
        limit: read so many samples at most, spread evenly over all where their number is known: in the order of a
            folder, one class comes after the other.

    Returns:
        The inputs. Samples of other shapes than the most frequent ones, and unreadable pictures, are left out.

    Raises:
        ComparisonError: there is nothing in the sample data, or it does not suit the model's inputs.
        InputError: a sample does not fit the model's inputs, or holds NaN or infinity; the error names it.
        PredictionError: a stage of a pipeline failed.
    """
    stream = open_samples(sample_data, model.inputs)
    binder = _Binder(model, stream, crop)
    bound: list[tuple[str, dict[str, _BoundStage]]] = []
    unreadable = list(stream.unreadable)
    for result in in_order(binder.bind, _limited(stream, limit), available_cores()):
        if isinstance(result, UnreadableInput):
            unreadable.append(result)
        else:
            bound.append(result)
    if not bound:
        first = f"; the first, {unreadable[0].name}: {unreadable[0].reason}" if unreadable else ""
        raise ComparisonError(
            f"there is no sample to calibrate with{first}",
            where=stream.source,
            fix="Give pictures of a type that Pillow reads, such as JPEG or PNG" if unreadable else None,
        )
    shapes = [_shapes(stages) for _, stages in bound]
    usual = Counter(shapes).most_common(1)[0][0]
    kept = [item for item, own in zip(bound, shapes, strict=True) if own == usual]
    if len(kept) < len(bound):
        _log.warning("%d of %d samples are left out: their shapes differ", len(bound) - len(kept), len(bound))
    return CalibrationFeeds(
        names=tuple(name for name, _ in kept),
        stages={
            stage: StageFeeds(stage, owner, dict(usual)[stage], FeedList(stages[stage][1] for _, stages in kept))
            for stage, owner in binder.networks.items()
        },
        unreadable=tuple(unreadable),
        other_shapes=len(bound) - len(kept),
        source=stream.source,
    )


def _limited(stream: SampleStream, limit: int | None) -> Iterable[Sample]:
    if limit is None or stream.total is None or stream.total <= limit:
        return itertools.islice(stream.samples, limit)
    chosen = {int(index) for index in np.linspace(0, stream.total - 1, limit).round()}
    return (sample for sample in stream.samples if sample.index in chosen)


def _shapes(stages: Mapping[str, _BoundStage]) -> tuple[tuple[str, Shapes], ...]:
    return tuple((stage, shapes) for stage, (shapes, _) in stages.items())


class _Binder:
    """Turns samples into the inputs of every network of a model."""

    def __init__(self, model: Model, stream: SampleStream, crop: Crop) -> None:
        self._model = model
        self._single = stream.single_input.name if stream.single_input else None
        self._crop = crop
        self._stages: dict[str, dict[str, Model]] = {}
        self.networks: dict[str, Model] = {}
        self._list(model, "")

    def _list(self, model: Model, path: str) -> None:
        stages = model.stages
        if not stages:
            if isinstance(model.predictor, (NetworkPredictor, MLProgramPredictor)):
                self.networks[path] = model
            return
        self._stages[path] = stages
        for name, stage in stages.items():
            self._list(stage, f"{path}/{name}" if path else name)

    def bind(self, sample: Sample) -> tuple[str, dict[str, _BoundStage]] | UnreadableInput:
        """The sample's name, and stage → input shapes and inputs."""
        values = sample.value
        if not isinstance(values, Mapping):
            assert self._single is not None  # sources.py lets no such sample pass
            values = {self._single: values}
        bound: dict[str, _BoundStage] = {}
        try:
            self._run(self._model, "", self._prepared(values), bound)
        except UnreadablePictureError as error:
            return UnreadableInput(sample.name, error.what)
        except MLToolkitError as error:
            place = f"{error.where}, {sample.name}" if error.where else sample.name
            raise type(error)(error.what, where=place, fix=error.fix) from error
        return sample.name, bound

    def _prepared(self, values: Mapping[str, Any]) -> dict[str, Any]:
        images = {feature.name: feature for feature in self._model.inputs if isinstance(feature, ImageFeature)}
        return {
            name: self._model.prepare_image(images[name], value, self._crop)
            if name in images and value is not None
            else value
            for name, value in values.items()
        }

    def _run(self, model: Model, path: str, values: Mapping[str, Any], bound: dict[str, _BoundStage]) -> dict[str, Any]:
        """Bind a model's inputs; its outputs, as described, if a later network may need them."""
        if path in self._stages:
            known = dict(values)
            for name, stage in self._stages[path].items():
                names = {feature.name for feature in stage.inputs}
                given = {key: value for key, value in known.items() if key in names}
                known.update(self._run(stage, f"{path}/{name}" if path else name, given, bound))
            return known
        predictor = model.predictor
        if isinstance(predictor, (NetworkPredictor, MLProgramPredictor)):
            inputs = predictor.bind(values)
            bound[path] = inputs.shapes, {name: _checked(name, array) for name, array in inputs.feeds.items()}
            if isinstance(predictor, MLProgramPredictor):
                bound[path][1].update(predictor.zero_states())
        if len(bound) == len(self.networks):
            return {}
        return model.predict(values, threads=1)


def _checked(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array, as bytes where nothing is lost.

    Raises:
        InputError: it has NaN or infinity.
    """
    if array.dtype != np.float32:
        return array
    # Both show in the extremes.
    low, high = float(array.min()), float(array.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise InputError("the calibration data hold NaN or infinite values", where=f"input {name!r}")
    if low >= 0 and high <= 255:
        small = array.astype(np.uint8)
        if np.array_equal(small, array):
            return small
    return array
