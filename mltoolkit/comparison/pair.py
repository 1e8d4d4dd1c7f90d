"""Two models that run side by side, each picture decoded and resized once for both."""

from __future__ import annotations

import functools
import pickle
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.comparison.compatibility import (
    ComparableModel,
    check_interfaces,
    class_match,
    class_scores,
    same_pixels,
    shared_image_inputs,
)
from mltoolkit.comparison.outputs import output_difference
from mltoolkit.comparison.records import InputComparison, UnreadableInput
from mltoolkit.comparison.sources import Sample
from mltoolkit.errors import ComparisonError, InputError, PredictionError, UnreadablePictureError
from mltoolkit.runtime.images import Crop
from mltoolkit.runtime.pictures import decode

# Inputs run side by side. More threads within each would only wait for one another: on two busy cores the
# same 200 pictures took 3.9 s with one thread a session and 7.9 s with two.
_THREADS = 1


class ModelPair:
    """A reference model and another with the same interface.

    Pickling it writes both models once and keeps the bytes, and a process that receives it many times
    rebuilds the models the first time only: an executor of processes may get it with every task.

    Args:
        reference: the model that is taken for right.
        other: the model that is measured.
        single_input: the input that a sample stands for which is not a dictionary.
        crop: "whole" to resize the whole picture, "center" to cut it to the input's aspect ratio first.
        top_k: how many of the second model's classes may hold the first model's answer.

    Raises:
        ComparisonError: the interfaces differ.
    """

    def __init__(
        self,
        reference: ComparableModel,
        other: ComparableModel,
        *,
        single_input: str | None,
        crop: Crop = "whole",
        top_k: int = 5,
    ) -> None:
        check_interfaces(reference, other)
        self.reference = reference
        self.other = other
        self.single_input = single_input
        self.crop = crop
        self.top_k = top_k
        self.classes = class_match(reference, other)
        self._images = shared_image_inputs(reference, other)
        answers = {reference.predicted_feature_name, reference.predicted_probabilities_name}
        self.compared_outputs = tuple(
            feature for feature in reference.outputs if self.classes is None or feature.name not in answers
        )

    def compare_all(self, samples: Iterable[Sample]) -> list[InputComparison | UnreadableInput]:
        """The result of every sample, in order: one task of an executor."""
        return [self.compare(sample) for sample in samples]

    def compare(self, sample: Sample) -> InputComparison | UnreadableInput:
        """Run both models on one sample.

        Raises:
            ComparisonError: scores are NaN or outputs have different shapes.
            InputError: the sample does not fit the models' inputs.
            PredictionError: a model failed.
        """
        try:
            first, second = self.prepare(sample)
            a = self.reference.predict_raw(first, threads=_THREADS)
            b = self.other.predict_raw(second, threads=_THREADS)
        except UnreadablePictureError as error:
            return UnreadableInput(sample.name, error.what)
        except (InputError, PredictionError) as error:
            place = f"{error.where}, {sample.name}" if error.where else sample.name
            raise type(error)(error.what, where=place, fix=error.fix) from error
        return self._result(sample, a, b)

    def prepare(self, sample: Sample) -> tuple[dict[str, Any], dict[str, Any]]:
        """The sample as inputs of the first and of the second model, its pictures decoded once.

        Raises:
            UnreadablePictureError: a picture cannot be read.
        """
        values = sample.value
        if not isinstance(values, Mapping):
            assert self.single_input is not None  # sources.py lets no such sample pass
            values = {self.single_input: values}
        first, second = dict(values), dict(values)
        for name, (feature, twin) in self._images.items():
            if name not in values:
                continue
            picture = decode(values[name])
            first[name] = self.reference.prepare_image(feature, picture, self.crop)
            if same_pixels(feature, twin):
                second[name] = first[name]
            else:
                second[name] = self.other.prepare_image(twin, picture, self.crop)
        return first, second

    def _result(self, sample: Sample, a: Mapping[str, NDArray[Any]], b: Mapping[str, NDArray[Any]]) -> InputComparison:
        outputs = tuple(
            output_difference(feature, a[feature.name], b[feature.name], sample.name)
            for feature in self.compared_outputs
            if isinstance(a.get(feature.name), np.ndarray)
        )
        if self.classes is None:
            return InputComparison(sample.index, sample.name, outputs=outputs)
        p = class_scores(self.reference, a, "first", sample.name)
        q = class_scores(self.other, b, "second", sample.name)
        found = self.classes.compare(p, q, self.top_k)
        return InputComparison(
            sample.index,
            sample.name,
            reference_label=self.classes.reference[found.reference_class],
            other_label=self.classes.other[found.other_class],
            reference_score=float(p[found.reference_class]),
            other_score=float(q[found.other_class]),
            agree=found.agree,
            in_top_k=found.in_top_k,
            kl=found.kl,
            outputs=outputs,
        )

    @functools.cached_property
    def _pickled(self) -> tuple[str, bytes]:
        arguments = (self.reference, self.other, self.single_input, self.crop, self.top_k)
        try:
            return uuid.uuid4().hex, pickle.dumps(arguments, protocol=pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ComparisonError(
                f"the models cannot be sent to another process: {error}",
                fix="Leave executor out to use threads, or put their custom layers in an importable module",
            ) from error

    def __reduce__(self) -> tuple[Callable[[str, bytes], ModelPair], tuple[str, bytes]]:
        return _unpickle, self._pickled


# The last pair a process received: models are big, and a worker serves one comparison at a time.
_received: dict[str, ModelPair] = {}
_receiving = threading.Lock()


def _unpickle(token: str, data: bytes) -> ModelPair:
    with _receiving:
        if token not in _received:
            reference, other, single_input, crop, top_k = pickle.loads(data)
            _received.clear()
            _received[token] = ModelPair(reference, other, single_input=single_input, crop=crop, top_k=top_k)
        return _received[token]
