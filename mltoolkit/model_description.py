"""What a model says of itself, without running: kind, functions, interface, labels, layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mltoolkit.errors import MLToolkitError
from mltoolkit.formats.features import Feature, Interface, read_interface
from mltoolkit.formats.ml_program import function_name, function_names
from mltoolkit.formats.summary import ModelSummary, summarize
from mltoolkit.formats.validation import validate_spec
from mltoolkit.formats.weight_blob import WeightFolder


class ModelDescription:
    """The describing half of :class:`~mltoolkit.model.Model`.

    Attributes:
        name: the file's name, or "".
    """

    def __init__(self, spec: Any, name: str, weights: Path | WeightFolder | None, function: str) -> None:
        validate_spec(spec)
        self._spec = spec
        self._interface = read_interface(spec, function)
        self._function = function
        self._weights = weights if isinstance(weights, WeightFolder) else WeightFolder(weights)
        self.name = name

    @property
    def spec(self) -> Any:
        """The ``CoreML.Specification.Model`` message. Change a copy, not this one."""
        return self._spec

    def get_spec(self) -> Any:
        """The message, under the name that coremltools gives it."""
        return self._spec

    @property
    def kind(self) -> str:
        """The model's type in the format, such as ``neuralNetworkClassifier``."""
        return str(self._spec.WhichOneof("Type"))

    @property
    def weights_dir(self) -> Path | None:
        """The folder of weight files of an ML Program that was loaded from a package."""
        return self._weights.folder

    @property
    def weights(self) -> WeightFolder:
        """The mapped weight files of an ML Program; none for other kinds."""
        return self._weights

    @property
    def function_names(self) -> tuple[str, ...]:
        """The functions of an ML Program; empty for other kinds."""
        return function_names(self._spec)

    @property
    def function_name(self) -> str | None:
        """The function of an ML Program that this model runs."""
        return function_name(self._spec, self._function) if self.function_names else None

    @property
    def chosen_function(self) -> str | None:
        """The function that this model was made for; None for a whole program, which runs its default one."""
        return self._function or None

    @property
    def interface(self) -> Interface:
        """The inputs, outputs and labels together."""
        return self._interface

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """The described inputs."""
        return self._interface.inputs

    @property
    def outputs(self) -> tuple[Feature, ...]:
        """The described outputs."""
        return self._interface.outputs

    @property
    def class_labels(self) -> tuple[str, ...] | tuple[int, ...] | None:
        """A classifier's labels by class index (they may repeat), else None."""
        return self._interface.class_labels

    @property
    def predicted_feature_name(self) -> str | None:
        """The output that holds a classifier's label or a regressor's value."""
        return self._interface.predicted_feature_name or None

    @property
    def predicted_probabilities_name(self) -> str | None:
        """The output that holds a classifier's probabilities."""
        return self._interface.predicted_probabilities_name or None

    @property
    def short_description(self) -> str:
        """What the author says of the model."""
        return str(self._spec.description.metadata.shortDescription)

    def summary(self) -> ModelSummary:
        """Inputs, outputs, layers and weights, without running anything; and each function of an ML Program."""
        return summarize(self._spec, self._function)

    @property
    def size(self) -> int:
        """Bytes of the file, with the weight files of a package."""
        return int(self._spec.ByteSize()) + self._weights.size

    def _repr_html_(self) -> str:
        from mltoolkit.markup.model_card import broken_card, model_card

        try:
            return model_card(self.summary(), self.name, self.size)
        except MLToolkitError as error:
            return broken_card(self.name or self.kind, error)

    def __repr__(self) -> str:
        inputs = ", ".join(feature.name for feature in self.inputs)
        outputs = ", ".join(feature.name for feature in self.outputs)
        return f"<mltoolkit.Model {self.name or self.kind}: {inputs} → {outputs}>"
