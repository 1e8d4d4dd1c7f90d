"""Which class runs which classical kind of model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from mltoolkit.converters.registry import Registry

if TYPE_CHECKING:
    from mltoolkit.formats.features import Interface
    from mltoolkit.runtime.predictor import Predictor

PredictorClass = Callable[[Any, "Interface"], "Predictor"]
Registered = TypeVar("Registered", bound=PredictorClass)

# One module a family; importing it registers its predictors.
FAMILIES = (
    "categorical_mapping",
    "feature_extraction",
    "generalized_linear",
    "identity",
    "imputer",
    "nearest_neighbors",
    "non_maximum_suppression",
    "normalizer",
    "one_hot_encoder",
    "recommender",
    "scaler",
    "sound_preprocessing",
    "support_vectors",
    "tree_ensemble",
    "vectorizers",
)

_registry = Registry[PredictorClass]("mltoolkit.runtime.classical", FAMILIES, "model kind")


def predicts(kind: str) -> Callable[[Registered], Registered]:
    """Register a class as the predictor of a kind of model (a name of the ``Type`` oneof of ``Model``).

    The class is called with the ``Model`` message and its interface, and checks both.
    """

    def register(predictor: Registered) -> Registered:
        _registry.add((kind,), predictor)
        return predictor

    return register


def classical_predictors() -> dict[str, PredictorClass]:
    """All predictor classes by kind of model."""
    return _registry.entries()
