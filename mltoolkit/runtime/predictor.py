"""What every kind of model that can run has in common, and which class runs which kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.formats.features import Interface
from mltoolkit.formats.ml_program import program_of
from mltoolkit.formats.networks import network_of, pipeline_of
from mltoolkit.formats.weight_blob import WeightFolder


@dataclass(frozen=True)
class Prediction:
    """What a model gave for one set of inputs.

    Attributes:
        raw: the outputs as arrays, by name: probabilities by class index, images as float32 (C, H, W); and the taps.
        present: makes the outputs as described: labels, dictionaries, images, arrays, numbers.
    """

    raw: dict[str, NDArray[Any]]
    present: Callable[[], dict[str, Any]]


class Predictor(Protocol):
    """Runs one model."""

    interface: Interface

    def run(self, data: Mapping[str, Any], *, threads: int = 0, taps: Sequence[str] = ()) -> Prediction:
        """Run the model.

        Args:
            data: the inputs by name.
            threads: threads for one operation; 0 lets onnxruntime use all cores.
            taps: names of graph values to give out as well.
        """
        ...


def make_predictor(
    spec: Any,
    interface: Interface,
    custom_layers: CustomLayerSet,
    weights: WeightFolder | None = None,
    function: str = "",
) -> Predictor:
    """The predictor for a ``Model`` message.

    Args:
        spec: the message.
        interface: its inputs and outputs.
        custom_layers: where custom layers find their Python class.
        weights: the weight files of ML Programs.
        function: which function of an ML Program; by default its own default.

    Raises:
        UnsupportedModelError: models of this kind cannot be run.
        InvalidModelError: a classical model contradicts itself.
    """
    if network_of(spec) is not None:
        from mltoolkit.runtime.network import NetworkPredictor

        return NetworkPredictor(spec, interface, custom_layers)
    if pipeline_of(spec) is not None:
        from mltoolkit.runtime.pipeline import PipelinePredictor

        return PipelinePredictor(spec, interface, custom_layers, weights)
    if program_of(spec) is not None:
        from mltoolkit.runtime.ml_program import MLProgramPredictor

        return MLProgramPredictor(spec, interface, weights or WeightFolder(), function)
    from mltoolkit.runtime.classical.refused import refusal
    from mltoolkit.runtime.classical.registry import classical_predictors

    kind = spec.WhichOneof("Type")
    classical = classical_predictors().get(kind)
    if classical is None:
        raise refusal(kind)
    return classical(spec, interface)
