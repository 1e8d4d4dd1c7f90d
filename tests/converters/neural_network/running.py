"""Running one layer: protobuf message → ONNX graph → onnxruntime → arrays (for all layer families)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from numpy.typing import NDArray

from mltoolkit.converters.neural_network.context import LayerContext
from mltoolkit.converters.neural_network.registry import layer_converters
from mltoolkit.errors import InvalidModelError, MLToolkitError
from mltoolkit.formats.protobuf import proto_module
from mltoolkit.formats.weights import write_float32
from mltoolkit.graph.builder import Dimension, GraphBuilder, known_shape


def new_layer(
    kind: str, inputs: Sequence[str] = ("x",), outputs: Sequence[str] = ("y",), name: str = "the layer"
) -> tuple[Any, Any]:
    """A layer message of the given type, and its parameters message to fill in."""
    layer = proto_module("NeuralNetwork_pb2").NeuralNetworkLayer(name=name)
    layer.input.extend(inputs)
    layer.output.extend(outputs)
    params = getattr(layer, kind)
    params.SetInParent()
    return layer, params


def check_refused(layer: Any, shapes: Mapping[str, Sequence[Dimension]], *, match: str, **options: Any) -> None:
    """Check that a layer is refused as a damaged one, with a message and its name; see :func:`convert_layer`."""
    with pytest.raises(InvalidModelError, match=match) as caught:
        convert_layer(layer, shapes, **options)
    assert "'the layer'" in str(caught.value)


def is_refused(attempt: Callable[[], object], layer: Any, seed: int) -> bool:
    """Whether a damaged layer is refused, and named; errors of other kinds than ours fail the test."""
    try:
        attempt()
    except MLToolkitError as error:
        assert layer.name in str(error), error
        return True
    except Exception as error:
        pytest.fail(f"seed {seed}: {type(error).__name__}: {error}\n{layer}")
    return False


def set_weight(params: Any, values: Any) -> None:
    """Store values as float32 in a WeightParams message."""
    write_float32(params, np.asarray(values, dtype=np.float32))


def convert_layers(
    layers: Sequence[Any],
    shapes: Mapping[str, Sequence[Dimension]],
    *,
    rank5: bool = True,
    batch: int = 1,
) -> tuple[GraphBuilder, LayerContext]:
    """The graph of layers whose float32 inputs have these shapes (as held: rank 4 with ``rank5``)."""
    builder = GraphBuilder("test")
    context = LayerContext(builder, rank5=rank5, batch=batch)
    for name, shape in shapes.items():
        context.values[name] = builder.input(name, np.float32, shape)
    for layer in layers:
        context.layer = layer
        with builder.scope(layer.name):
            layer_converters()[layer.WhichOneof("layer")](context, layer)
    return builder, context


def convert_layer(
    layer: Any, shapes: Mapping[str, Sequence[Dimension]], *, rank5: bool = True, batch: int = 1
) -> tuple[GraphBuilder, LayerContext]:
    """The graph of one layer; see :func:`convert_layers`."""
    return convert_layers([layer], shapes, rank5=rank5, batch=batch)


def run_layer(
    layer: Any,
    inputs: Mapping[str, NDArray[Any]],
    rank5: bool = True,
    *,
    batch: int = 1,
    shapes: Mapping[str, Sequence[Dimension]] | None = None,
) -> dict[str, NDArray[Any]]:
    """The outputs of one layer; see :func:`run_layers`."""
    return run_layers([layer], inputs, rank5, batch=batch, shapes=shapes)


def run_layers(
    layers: Sequence[Any],
    inputs: Mapping[str, NDArray[Any]],
    rank5: bool = True,
    *,
    batch: int = 1,
    shapes: Mapping[str, Sequence[Dimension]] | None = None,
) -> dict[str, NDArray[Any]]:
    """The last layer's outputs by blob name, computed by onnxruntime.

    Checks on the way that the graph is valid ONNX and that every shape known beforehand comes out.

    Args:
        layers: NeuralNetworkLayer messages in the order of the network.
        inputs: values of the input blobs, as the graph holds them: [N, C, H, W] with ``rank5``.
        rank5: see LayerContext.
        batch: see LayerContext.
        shapes: shapes to declare for some inputs in place of their own, e.g. with symbolic sizes.
    """
    arrays = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in inputs.items()}
    declared = {name: array.shape for name, array in arrays.items()} | dict(shapes or {})
    builder, context = convert_layers(layers, declared, rank5=rank5, batch=batch)
    return compute(builder, {name: context.values[name] for name in layers[-1].output}, arrays)


def compute(
    builder: GraphBuilder, values: Mapping[str, ir.Value], inputs: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Values of a graph by the given names, computed by onnxruntime; closes the builder."""
    # An identity gives each output a name and value of its own, even where a layer hands its input on.
    outputs = {name: builder.op("Identity", value, name=f"output/{name}") for name, value in values.items()}
    model = ir.to_proto(builder.finish(list(outputs.values())))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    used = {value.name for value in session.get_inputs()}
    results = session.run(
        [value.name for value in outputs.values()],
        {name: array for name, array in inputs.items() if name in used},
    )
    for value, result in zip(outputs.values(), results, strict=True):
        inferred = known_shape(value)
        if inferred is None:
            continue
        assert len(inferred) == result.ndim, f"inferred {inferred}, computed {result.shape}"
        for known, size in zip(inferred, result.shape, strict=True):
            assert not isinstance(known, int) or known == size, f"inferred {inferred}, computed {result.shape}"
    return dict(zip(outputs, results, strict=True))


def assert_close(actual: NDArray[Any], expected: NDArray[Any], tolerance: float = 1e-5, what: str = "") -> None:
    """Shapes equal and |actual − expected| ≤ tolerance · max(1, |expected|) everywhere; shows the worst."""
    assert actual.shape == expected.shape, f"{what} shape {actual.shape}, expected {expected.shape}"
    if not actual.size:
        return
    with np.errstate(invalid="ignore"):
        error = np.abs(actual.astype(np.float64) - expected) / np.maximum(1.0, np.abs(expected))
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    error = np.where(same, 0.0, error)
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
    assert error[worst] <= tolerance, (
        f"{what} worst error {error[worst]:.3g} > {tolerance:g} at {tuple(map(int, worst))}: "
        f"{actual[worst]!r}, expected {expected[worst]!r}"
    )
