"""What onnxruntime's own optimizer would get wrong, and sessions keep from it."""

from __future__ import annotations

import numpy as np

from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.runtime.session import OrtSession


def test_padded_zeros_win_over_negative_numbers() -> None:
    builder = GraphBuilder("padded")
    x = builder.input("x", np.float32, (1, 1, 4, 4))
    padded = builder.op("Pad", x, builder.constant([0, 0, 1, 1, 0, 0, 1, 1]))
    y = builder.op("MaxPool", padded, attributes={"kernel_shape": [2, 2], "strides": [2, 2]}, name="y")
    model = builder.finish([y])
    session = OrtSession(list(model.graph), [x], [y], threads=1, name="padded")
    found = session.run({"x": -np.ones((1, 1, 4, 4), np.float32)})["y"]
    assert found[0, 0].tolist() == [[0, 0, 0], [0, -1, 0], [0, 0, 0]]
