"""What the predictors of classical models have in common: transformers, regressors and classifiers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from mltoolkit.errors import ArgumentError, InputError, InvalidModelError
from mltoolkit.formats.features import (
    ArrayFeature,
    DictionaryFeature,
    Feature,
    Interface,
    ScalarFeature,
    StringFeature,
)
from mltoolkit.formats.size_limits import check_features
from mltoolkit.runtime.outputs import present_outputs
from mltoolkit.runtime.predictor import Prediction
from mltoolkit.runtime.values import bind_values, present_value, raw_values

# What a classifier's scores are called in predict_raw() where the description gives them no name.
_SCORES = "classProbability"

AFeature = TypeVar("AFeature", bound=Feature)


class ClassicalPredictor(ABC):
    """Runs a classical model; see :class:`~mltoolkit.runtime.predictor.Predictor`.

    Args:
        spec: the ``Model`` message.
        interface: its inputs and outputs.

    Raises:
        InvalidModelError: the model contradicts itself.
    """

    def __init__(self, spec: Any, interface: Interface) -> None:
        if not interface.inputs or not interface.outputs:
            raise InvalidModelError("the model's description names no input or no output")
        check_features(interface.inputs, "input")
        check_features(interface.outputs, "output")
        self.interface = interface
        self.parameters = getattr(spec, spec.WhichOneof("Type"))

    def run(self, data: Mapping[str, Any], *, threads: int = 0, taps: Sequence[str] = ()) -> Prediction:
        """Run the model. Threads do not matter, and there is nothing to tap.

        Raises:
            ArgumentError: taps are given.
            InputError: the inputs do not fit.
            PredictionError: what the model makes does not fit its description.
        """
        if taps:
            raise ArgumentError("only neural networks and ML Programs have values to tap")
        values = bind_values(self.interface, data)
        # Infinite and missing numbers go through to the outputs, without warnings of NumPy.
        with np.errstate(all="ignore"):
            return self._predict(values)

    @abstractmethod
    def _predict(self, values: Mapping[str, Any]) -> Prediction: ...


class Transformer(ClassicalPredictor):
    """A model whose outputs are values as they are, by name."""

    def _predict(self, values: Mapping[str, Any]) -> Prediction:
        made = self.transform(values)
        return Prediction(
            raw_values(self.interface, made),
            lambda: {feature.name: present_value(feature, made[feature.name]) for feature in self.interface.outputs},
        )

    @abstractmethod
    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs by name; inputs come as :func:`~mltoolkit.runtime.values.bind_values` makes them."""


class VectorModel(ClassicalPredictor):
    """A model that sees its inputs, numbers and arrays in the description's order, as one vector.

    Attributes:
        missing: what stands for an optional number that is not given; None lets nothing be left out.
    """

    missing: ClassVar[float | None] = None

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        for feature in interface.inputs:
            if not isinstance(feature, (ScalarFeature, ArrayFeature)):
                raise InvalidModelError(
                    "the model takes numbers and arrays of numbers", where=f"input {feature.name!r}"
                )

    def vector(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """The inputs as one float64 vector (features,).

        Raises:
            InputError: an optional input is needed.
        """
        parts = []
        for feature in self.interface.inputs:
            value = values[feature.name]
            if value is None:
                if self.missing is None:
                    raise InputError(f"no value is given for {feature.name!r}", fix="Add it to the dictionary")
                value = np.full(getattr(feature, "shape", ()), self.missing)
            parts.append(np.asarray(value, dtype=np.float64).reshape(-1))
        return np.concatenate(parts)

    @property
    def described_length(self) -> int | None:
        """How many numbers the inputs hold together; None where the description leaves it open."""
        total = 0
        for feature in self.interface.inputs:
            if isinstance(feature, ArrayFeature):
                if feature.flexible or not feature.shape:
                    return None
                total += int(np.prod(feature.shape))
            else:
                total += 1
        return total

    def check_length(self, length: int) -> None:
        """Compare the number of features that the model needs with the described inputs.

        Raises:
            InvalidModelError: they differ.
        """
        described = self.described_length
        if described is not None and described != length:
            raise InvalidModelError(f"the model takes {length} numbers, its description's inputs hold {described}")

    def checked_vector(self, values: Mapping[str, Any], length: int) -> NDArray[np.float64]:
        """The inputs as a vector of that length.

        Raises:
            InputError: they have another length, which the description leaves open.
        """
        vector = self.vector(values)
        if vector.size != length:
            raise InputError(f"the model takes {length} numbers, the inputs hold {vector.size}")
        return vector


class Regressor(VectorModel):
    """A model that makes one number, or an array of several."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        name = interface.predicted_feature_name or interface.outputs[0].name
        self.target = next((feature for feature in interface.outputs if feature.name == name), None)
        if not isinstance(self.target, (ScalarFeature, ArrayFeature)) or len(interface.outputs) > 1:
            raise InvalidModelError("a regressor has one output, the predicted number or array of numbers")

    def check_targets(self, count: int) -> None:
        """Compare the number of predicted values with the described output.

        Raises:
            InvalidModelError: they differ.
        """
        if count != 1 and isinstance(self.target, ScalarFeature):
            raise InvalidModelError(
                f"the model predicts {count} numbers, its description has one",
                where=f"output {self.target.name!r}",
            )

    def _predict(self, values: Mapping[str, Any]) -> Prediction:
        predicted = self.evaluate(values)
        target = self.target
        assert target is not None  # __init__ lets no such model pass
        return Prediction({target.name: predicted}, lambda: {target.name: present_value(target, predicted)})

    @abstractmethod
    def evaluate(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """The predicted values (targets,)."""


class Classifier(VectorModel):
    """A model that makes a score for each class, mostly a probability; the answer has the largest."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        if not interface.class_labels:
            raise InvalidModelError("the classifier has no class labels")
        self.labels = interface.class_labels
        self._check_outputs()
        described = {feature.name for feature in interface.outputs}
        name = interface.predicted_probabilities_name
        if not name:
            name = _SCORES
            while name in described:
                name += "_"
        self._scores = name

    def _check_outputs(self) -> None:
        texts = isinstance(self.labels[0], str)
        answers = (self.interface.predicted_feature_name, self.interface.predicted_probabilities_name)
        for feature in self.interface.outputs:
            if feature.name == answers[0]:
                fits = (
                    isinstance(feature, StringFeature)
                    if texts
                    else isinstance(feature, ScalarFeature) and feature.dtype == "int64"
                )
            elif feature.name == answers[1]:
                fits = isinstance(feature, DictionaryFeature) and (feature.key_type == "string") == texts
            else:
                raise InvalidModelError(
                    "the description does not say whether this is the label or the probabilities",
                    where=f"output {feature.name!r}",
                )
            if not fits:
                raise InvalidModelError(
                    f"the class labels are {'texts' if texts else 'integers'}, the description gives another type",
                    where=f"output {feature.name!r}",
                )

    def _predict(self, values: Mapping[str, Any]) -> Prediction:
        raw = {self._scores: self.scores(values)}
        described = {feature.name for feature in self.interface.outputs}

        def present() -> dict[str, Any]:
            made = present_outputs(self.interface, raw, self._scores)
            return {name: value for name, value in made.items() if name in described}

        return Prediction(raw, present)

    @abstractmethod
    def scores(self, values: Mapping[str, Any]) -> NDArray[np.float64]:
        """A score for each class (classes,), by class index."""


def only(features: tuple[Feature, ...], side: str, *kinds: type[AFeature]) -> AFeature:
    """The only input or output of a model, which is of one of these kinds.

    Raises:
        InvalidModelError: there are several, or it is of another kind.
    """
    if len(features) != 1:
        raise InvalidModelError(f"a model of this kind has one {side}, not {len(features)}")
    feature = features[0]
    if not isinstance(feature, kinds):
        raise InvalidModelError(
            f"a model of this kind has no {side} of type {type(feature).__name__.removesuffix('Feature')}",
            where=f"{side} {feature.name!r}",
        )
    return feature


def matrix(rows: Sequence[Any], what: str) -> NDArray[np.float64]:
    """Lists of numbers as a matrix (rows, columns).

    Args:
        rows: repeated fields of a message.
        what: what they are, for the message.

    Raises:
        InvalidModelError: they have different lengths, or there are none.
    """
    lengths = {len(row) for row in rows}
    if len(lengths) != 1:
        raise InvalidModelError(
            f"the {what} have different lengths: from {min(lengths)} to {max(lengths)}"
            if lengths
            else f"the model has no {what}"
        )
    made = np.empty((len(rows), lengths.pop()))
    for place, row in enumerate(rows):
        made[place] = row
    return made
