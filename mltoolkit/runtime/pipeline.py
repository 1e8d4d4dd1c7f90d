"""Running a pipeline: each model takes its inputs from the caller or from the models before it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import ArgumentError, InvalidModelError, MLToolkitError, UnsupportedModelError, did_you_mean
from mltoolkit.formats.features import Interface, read_interface
from mltoolkit.formats.networks import pipeline_stages
from mltoolkit.formats.weight_blob import WeightFolder
from mltoolkit.runtime.inputs import check_names
from mltoolkit.runtime.predictor import Prediction, Predictor, make_predictor


class PipelinePredictor:
    """Runs a pipeline, pipeline classifier or regressor; see :class:`~mltoolkit.runtime.predictor.Predictor`."""

    def __init__(
        self,
        spec: Any,
        interface: Interface,
        custom_layers: CustomLayerSet,
        weights: WeightFolder | None = None,
    ) -> None:
        self.interface = interface
        self._specs = pipeline_stages(spec)
        if not self._specs:
            raise InvalidModelError("the pipeline holds no model")
        self._custom_layers = custom_layers
        self._weights = weights
        self._stages: dict[str, Predictor] = {}
        self._lock = threading.Lock()

    def stage(self, name: str) -> Predictor:
        """The predictor of one model of the pipeline.

        Raises:
            UnsupportedModelError: a model of that kind cannot be run; the message names the stage.
        """
        with self._lock:
            if name not in self._stages:
                spec = self._specs[name]
                try:
                    interface = read_interface(spec)
                    if interface.states:
                        raise UnsupportedModelError(
                            "a model with states cannot be run inside a pipeline: the format does not say how a "
                            "pipeline keeps them",
                            fix="Run the models of model.stages one after the other, each with its make_state()",
                        )
                    self._stages[name] = make_predictor(spec, interface, self._custom_layers, self._weights)
                except MLToolkitError as error:
                    raise _at_stage(error, name) from error
            return self._stages[name]

    def run(self, data: Mapping[str, Any], *, threads: int = 0, taps: Sequence[str] = ()) -> Prediction:
        """Run the models one after the other; taps cannot be taken across a pipeline."""
        if taps:
            raise ArgumentError("a pipeline has no values of its own to tap", fix="Tap one of its stages")
        check_names(self.interface, data)
        values: dict[str, Any] = {name: value for name, value in data.items() if value is not None}
        raw: dict[str, NDArray[Any]] = {}
        for name in self._specs:
            stage = self.stage(name)
            names = {feature.name for feature in stage.interface.inputs}
            try:
                prediction = stage.run({key: value for key, value in values.items() if key in names}, threads=threads)
                values.update(prediction.present())
            except MLToolkitError as error:
                raise _at_stage(error, name) from error
            raw.update(prediction.raw)
        for feature in self.interface.outputs:
            if feature.name not in values:
                raise InvalidModelError(
                    f"no model of the pipeline makes the output {feature.name!r}",
                    fix=did_you_mean(feature.name, values),
                )
        wanted = {feature.name for feature in self.interface.outputs}
        return Prediction(
            {name: array for name, array in raw.items() if name in wanted},
            lambda: {name: value for name, value in values.items() if name in wanted},
        )


def _at_stage(error: MLToolkitError, name: str) -> MLToolkitError:
    """The same error, with the pipeline's stage in its place."""
    place = f"pipeline stage {name!r}" + (f", {error.where}" if error.where else "")
    return type(error)(error.what, where=place, fix=error.fix)
