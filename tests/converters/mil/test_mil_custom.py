"""Custom layers: written whole into neural networks, refused for ML Programs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.mil.write import write_core_ml
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.custom_layers.description import CustomLayerDescription
from mltoolkit.custom_layers.protocol import CustomLayer
from mltoolkit.errors import UnsupportedLayersError
from mltoolkit.graph.builder import GraphBuilder
from mltoolkit.model import Model

WEIGHT = np.arange(4, dtype=np.float32)
DESCRIPTION = CustomLayerDescription(
    "ScaleAndPick",
    description="scales the first input, hands on the second",
    parameters={"factor": 2.5, "count": 3, "big": 1 << 40, "name": "text", "flag": True},
    weights=[WEIGHT, np.ones((2, 2), np.float32)],
)


class ScaleAndPick(CustomLayer):
    """What the device's class would do."""

    class_name = "ScaleAndPick"

    def output_shapes(self, input_shapes):
        return list(input_shapes)

    def evaluate(self, inputs):
        factor = np.float32(self.parameters["factor"])
        return [inputs[0] * factor + WEIGHT, inputs[1]]


def source() -> SourceModel:
    builder = GraphBuilder("custom")
    x, z = builder.input("x", np.float32, (2, 4)), builder.input("z", np.float32, (2, 3))
    relu = builder.op("Relu", x)
    node, (first, second) = builder.custom_op("ScaleAndPick", [relu, z], [("", (2, 4)), ("", (2, 3))])
    outputs = [builder.op("Neg", first, name="y"), builder.op("Abs", second, name="s")]
    model: ir.Model = builder.finish(outputs)
    return SourceModel(model, "test", custom_layers={str(node.name): DESCRIPTION})


def test_custom_layer_is_written_whole():
    written = write_core_ml(source(), CoreMLTarget(format="mlmodel"))
    (layer,) = [layer for layer in written.spec.neuralNetwork.layers if layer.WhichOneof("layer") == "custom"]
    params = layer.custom
    assert (params.className, params.description) == (DESCRIPTION.class_name, DESCRIPTION.description)
    stored = {name: value.WhichOneof("value") for name, value in params.parameters.items()}
    assert stored == {
        "factor": "doubleValue",
        "count": "intValue",
        "big": "longValue",
        "name": "stringValue",
        "flag": "boolValue",
    }
    assert params.parameters["big"].longValue == 1 << 40
    assert [list(weight.floatValue) for weight in params.weights] == [[0, 1, 2, 3], [1, 1, 1, 1]]


def test_custom_layer_runs():
    written = write_core_ml(source(), CoreMLTarget(format="mlmodel"))
    model = Model.from_spec(written.spec, custom_layers=[ScaleAndPick])
    rng = np.random.default_rng(3)
    x, z = rng.standard_normal((2, 4)).astype(np.float32), rng.standard_normal((2, 3)).astype(np.float32)
    outputs = model.predict_raw({"x": x, "z": z})
    np.testing.assert_allclose(outputs["y"], -(np.maximum(x, 0) * np.float32(2.5) + WEIGHT), rtol=1e-6)
    np.testing.assert_allclose(outputs["s"], np.abs(z), rtol=1e-6)


def test_custom_layer_in_a_package_is_refused():
    with pytest.raises(UnsupportedLayersError, match="neural networks only") as caught:
        write_core_ml(source(), CoreMLTarget(format="mlpackage"))
    (layer,) = caught.value.layers
    assert layer.class_name == "ScaleAndPick"
    assert "format='mlmodel'" in layer.closest


def test_all_refusals_at_once():
    builder = GraphBuilder("refused")
    x = builder.input("x", np.float32, (1, 2, 6, 6))
    ratio, training = builder.constant(np.float32(0.5)), builder.constant(np.array(True))
    dropped = builder.op("Dropout", x, ratio, training)
    pooled = builder.op("MaxPool", builder.op("Relu", dropped), attributes={"kernel_shape": [2, 2]})
    last = builder.op("Dropout", pooled, ratio, training, name="y")
    with pytest.raises(UnsupportedLayersError) as caught:
        write_core_ml(SourceModel(builder.finish([last]), "test"), CoreMLTarget(format="mlmodel"))
    assert [layer.class_name for layer in caught.value.layers] == ["Dropout", "Dropout"]
    assert all("training mode" in layer.reason for layer in caught.value.layers)
