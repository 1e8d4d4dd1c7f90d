"""The models that other tests damage are sound to begin with."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import SMALL_MODELS

from mltoolkit.model import Model

INPUTS = {
    "image_classifier": {"image": np.zeros((8, 8, 3), np.uint8)},
    "image_filter": {"image": np.zeros((6, 6, 3), np.uint8)},
    "vector_regressor": {"x": np.ones(4, np.float32)},
    "sequence_model": {"step": np.ones(3, np.float32)},
    "pipeline": {"x": np.ones(4, np.float32)},
}


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_it_runs(name: str) -> None:
    spec = SMALL_MODELS[name]()
    model = Model(spec)
    outputs = model.predict(INPUTS[name])
    assert set(outputs) == {feature.name for feature in model.outputs}
    assert spec.ByteSize() < 2000
