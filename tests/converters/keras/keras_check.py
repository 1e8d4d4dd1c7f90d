"""The one checker of Keras conversions: Keras' own output against the hub's in onnxruntime."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
from numpy.typing import NDArray

from mltoolkit.converters.hooks import HookSet
from mltoolkit.converters.keras import import_keras
from mltoolkit.converters.source_model import SourceModel

# Both sides compute in float32 in another order: 24 bits are 144 dB, of which sums of some hundred products cost up
# to 25 dB. A wrong formula or a wrong element is below 60 dB.
FLOAT32 = 105.0


def sqnr(reference: NDArray[Any], other: NDArray[Any]) -> float:
    """Signal to noise in dB; infinite for equal arrays."""
    assert reference.shape == other.shape, f"{other.shape} in place of {reference.shape}"
    signal = reference.astype(np.float64)
    noise = np.sum((signal - other.astype(np.float64)) ** 2)
    if noise == 0:
        return np.inf
    return float(10 * np.log10(max(np.sum(signal**2), 1e-300) / noise))


def run_hub(source: SourceModel, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The outputs of the hub's graph in onnxruntime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(ir.to_proto(source.model).SerializeToString(), options)
    return session.run(None, {item.name: array for item, array in zip(session.get_inputs(), inputs, strict=True)})


def run_keras(model: Any, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Keras' own outputs at inference."""
    import keras

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs = model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(keras.ops.convert_to_numpy(output)) for output in keras.tree.flatten(outputs)]


def example_inputs(model: Any, rng: np.random.Generator, batch: int = 1) -> list[NDArray[Any]]:
    """Normal numbers for floating inputs, small indices for integers, coins for bools."""
    arrays = []
    for symbol in model.inputs:
        shape = [batch if size is None else size for size in symbol.shape]
        if symbol.dtype.startswith("int"):
            arrays.append(rng.integers(0, 5, shape).astype(np.int32))
        elif symbol.dtype == "bool":
            arrays.append(rng.integers(0, 2, shape).astype(bool))
        else:
            arrays.append(rng.standard_normal(shape).astype(np.float32))
    return arrays


def randomize(model: Any, rng: np.random.Generator) -> None:
    """Give every weight values that matter: no zero biases, no unit scales, variances above 0."""
    for variable in model.weights:
        if variable.dtype not in ("float32",):
            continue
        values = rng.standard_normal(variable.shape) * 0.5
        name = variable.path.rsplit("/", 1)[-1]
        if "variance" in name:
            values = np.abs(values) + 0.5
        elif variable.ndim <= 1:
            values = values + 0.5
        else:
            values = values / np.sqrt(max(np.prod(variable.shape[:-1]), 1))
        variable.assign(values.astype(np.float32))


def check_model(
    model: Any,
    *,
    inputs: Sequence[NDArray[Any]] | None = None,
    at_least: float = FLOAT32,
    hooks: HookSet | None = None,
    seed: int = 0,
    **options: Any,
) -> SourceModel:
    """Convert a model with random weights and compare all outputs; returns what was imported."""
    rng = np.random.default_rng(seed)
    randomize(model, rng)
    arrays = example_inputs(model, rng) if inputs is None else list(inputs)
    source = import_keras(model, hooks=hooks, **options)
    wanted, made = run_keras(model, arrays), run_hub(source, arrays)
    assert len(made) == len(wanted)
    for name, reference, other in zip([value.name for value in source.model.graph.outputs], wanted, made, strict=True):
        ratio = sqnr(reference, other)
        assert ratio >= at_least, f"{name}: {ratio:.1f} dB, {at_least} needed; nodes {node_counts(source)}"
        assert np.isfinite(reference).all(), f"{name}: Keras gives numbers that are not finite"
    return source


def check_layer(layer: Any, *shapes: tuple[int | None, ...], dtype: str = "float32", **options: Any) -> SourceModel:
    """Check a model of one layer; shapes without the batch."""
    import keras

    symbols = [keras.Input(shape, dtype=dtype) for shape in shapes]
    output = layer(symbols if len(symbols) > 1 else symbols[0])
    return check_model(keras.Model(symbols, output), **options)


def node_counts(source: SourceModel) -> Counter[str]:
    """How many nodes of each operator the graph has."""
    return Counter(node.op_type for node in source.model.graph)
