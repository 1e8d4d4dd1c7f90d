"""Our runtime behind ``MLModel.predict`` in Apple's own tests; see ../shared/tools/apple_suite.py.

APPLE_SUITE_PREDICT=apple_suite_adapter:predict APPLE_SUITE_STATE=apple_suite_adapter:make_state, with this
folder and the checkout on PYTHONPATH.
"""

from __future__ import annotations

from typing import Any

import mltoolkit as mlt
from mltoolkit.errors import PredictionError

# One entry a prediction; tests/apple/recording.py empties it before each test.
PREDICTIONS: list[Any] = []


def _loaded(model: Any) -> Any:
    """The mltoolkit model of a coremltools MLModel, made once for each."""
    if not hasattr(model, "_mltoolkit_model"):
        model._mltoolkit_model = mlt.load(model)
    return model._mltoolkit_model


def predict(model: Any, data: Any, state: Any = None) -> Any:
    """As coremltools' own ``MLModel.predict``; one thread, since the tests are small and run side by side."""
    PREDICTIONS.append(type(data))
    try:
        return _loaded(model).predict(data, threads=1, state=state)
    except PredictionError as error:
        # What coremltools itself raises where Core ML fails.
        raise RuntimeError(f"Unable to compute the prediction using ML Program: {error}") from error


def make_state(model: Any) -> Any:
    """As coremltools' own ``MLModel.make_state``."""
    return _loaded(model).make_state()
