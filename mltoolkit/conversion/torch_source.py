"""PyTorch models: through coremltools' converter, else through ONNX; and run by PyTorch itself."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mltoolkit.conversion.imported import Arrays, Imported
from mltoolkit.conversion.options import Options
from mltoolkit.conversion.sources import Source
from mltoolkit.converters.coremltools_front_ends.request import TensorInput
from mltoolkit.converters.coremltools_front_ends.torch_models import (
    TorchCaller,
    as_module,
    convert_torch,
    export_to_onnx,
    load_torch,
    read_torch_file,
)
from mltoolkit.converters.mil.labels import read_labels
from mltoolkit.converters.mil.target import ArrayInput, ImageInput, SizeRange
from mltoolkit.converters.onnx_import.importer import import_onnx
from mltoolkit.errors import ArgumentError, InputError, UnsupportedModelError
from mltoolkit.graph.model_graph import GraphLayer
from mltoolkit.model import Model

_SHAPES_FIX = (
    'Give inputs={"name": (1, 3, 224, 224)}, input_shapes, or examples as verification_inputs (whole numbers need them)'
)


def open_torch(source: Source, options: Options) -> Imported:
    """Convert a PyTorch model.

    Raises:
        ArgumentError: the shapes of its inputs are not known.
        InputError: the module fails on inputs of these shapes.
        UnsupportedModelError: coremltools and torch.onnx both refuse it.
    """
    torch = load_torch()
    model = read_torch_file(torch, source.value) if isinstance(source.value, Path) else source.value
    caller = TorchCaller(torch, as_module(torch, model))
    inputs, examples = _inputs(torch, model, caller.module, options)
    try:
        results = caller.run([_fed(item, array) for item, array in zip(inputs, examples, strict=True)])
    except Exception as error:  # a user's code
        line = (str(error).strip().splitlines() or [""])[0]
        raise InputError(
            f"the model fails on inputs of shape {', '.join(str(item.shape) for item in inputs)}: "
            f"{type(error).__name__}: {line[:300]}",
            where=source.title,
            fix=_SHAPES_FIX,
        ) from error
    outputs = _output_names([name for name, _ in results], [item.name for item in inputs], options)
    _check_labels(dict(zip(outputs, (array for _, array in results), strict=True)), options)
    new = {item.name: options.names.get(item.name, item.name) for item in inputs}
    reference = TorchReference(caller, [item.name for item in inputs], outputs)
    imported = Imported(
        kind="PyTorch",
        title=source.title,
        way="PyTorch → coremltools",
        layers=sum(1 for part in caller.module.modules() if not list(part.children())),
        reference=reference,
    )
    refusal = "custom conversion functions work on ONNX operators" if len(options.hooks) else ""
    if not refusal:
        named = [replace(item, name=new[item.name]) for item in inputs]
        try:
            made = convert_torch(
                caller, named, examples, [options.names.get(name, name) for name in outputs], _renamed(options)
            )
        except UnsupportedModelError as error:
            refusal = error.what
        else:
            imported.model = Model(made.spec, custom_layers=options.custom_layers, weights_dir=made.weights_dir)
            imported.inputs = {item.name: array.dtype for item, array in zip(inputs, examples, strict=True)}
            imported.renamed = {**{name: options.names.get(name, name) for name in outputs}, **new}
            return imported
    imported.notes.append(f"through ONNX, since {refusal}")
    imported.way = "PyTorch → torch.onnx → hub → Core ML"
    try:
        exported = export_to_onnx(caller, inputs, examples, outputs)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{refusal}; {error.what}", where=source.title) from error
    imported.hub = import_onnx(exported, hooks=options.hooks)
    return imported


def _check_labels(results: Arrays, options: Options) -> None:
    """Compare the number of labels with the number of classes, which coremltools does not.

    Raises:
        ArgumentError: they differ, or no output has the probabilities.
    """
    classifier = options.target.classifier
    if classifier is None:
        return
    name = classifier.probabilities or (next(iter(results)) if len(results) == 1 else "")
    if name not in results:
        raise ArgumentError(
            f"the source has the outputs {', '.join(map(repr, results))}; which holds the probabilities?",
            fix="Name it with probabilities=...",
        )
    labels = len(read_labels(classifier))
    if labels != results[name].size:
        raise ArgumentError(
            f"there are {labels} class labels for the {results[name].size} classes of the output {name!r}",
            fix="Give one label a class",
        )


def _renamed(options: Options) -> Any:
    from mltoolkit.conversion.writing import renamed_target

    return renamed_target(options.target, options.names)


class TorchReference:
    """Runs a PyTorch module.

    Args:
        caller: the module.
        inputs: names of its inputs in order.
        outputs: names of its outputs in order.
    """

    def __init__(self, caller: TorchCaller, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        self._caller = caller
        self._inputs = list(inputs)
        self._outputs = list(outputs)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        """The outputs by name."""
        try:
            results = self._caller.run([feeds[name] for name in self._inputs])
        except Exception as error:  # a user's code
            raise InputError(f"PyTorch fails: {type(error).__name__}: {str(error).strip()[:200]}") from error
        return {name: array for name, (_, array) in zip(self._outputs, results, strict=True)}

    def layer_outputs(self, feeds: Mapping[str, NDArray[Any]], layers: Sequence[GraphLayer]) -> Arrays:
        """Nothing: ONNX operators have no names in PyTorch."""
        return {}


def _inputs(torch: Any, model: Any, module: Any, options: Options) -> tuple[list[TensorInput], list[NDArray[Any]]]:
    """The inputs in the order of the call, and an example of each as the traced module takes it."""
    names = _argument_names(torch, model, module, options)
    examples = _given_examples(torch, model, options, names)
    shapes = options.shapes_by_name(names) or {}
    declared = options.with_named_inputs(names).target.inputs
    inputs, arrays = [], []
    rng = np.random.default_rng(options.seed)
    for name in names:
        item = declared.get(name)
        shape = examples[name].shape if name in examples else _shape(name, item, shapes.get(name))
        if name in examples and not isinstance(item, ImageInput):
            array = examples[name]
        else:
            array = rng.uniform(0, 255, shape) if isinstance(item, ImageInput) else rng.standard_normal(shape)
            array = array.astype(np.float32)
        dtype = np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype
        inputs.append(TensorInput(name, tuple(shape), dtype, item))
        arrays.append(array.astype(dtype))
    return inputs, arrays


def _argument_names(torch: Any, model: Any, module: Any, options: Options) -> list[str]:
    """Names of the inputs: those of ``forward`` where they are known, else those that were given."""
    if isinstance(model, torch.export.ExportedProgram):
        return [str(name) for name in model.graph_signature.user_inputs]
    given = [name for name in options.target.inputs if name]
    for more in (options.input_shapes, options.verification_inputs):
        if isinstance(more, Mapping):
            given += [str(name) for name in more if name not in given]
    if isinstance(model, torch.jit.ScriptModule):
        arguments = [str(item.name) for item in model.forward.schema.arguments][1:]
        required = arguments
    else:
        parameters = [
            item
            for item in inspect.signature(module.forward).parameters.values()
            if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)
        ]
        arguments = [item.name for item in parameters]
        required = [item.name for item in parameters if item.default is item.empty]
    if given and all(name in arguments for name in given):
        last = max(arguments.index(name) for name in given)
        return arguments[: max(last + 1, len(required))]
    if given and len(given) >= len(required) and isinstance(model, torch.jit.ScriptModule):
        return given  # tracing may have lost the names: those of the caller, in the order of the call
    if given:
        raise ArgumentError(
            f"the model takes the inputs {', '.join(map(repr, arguments))}, not {', '.join(map(repr, given))}",
            fix="Call them so; names={...} renames them in the Core ML model",
        )
    count = _count(options)
    return arguments[: max(count, len(required))] or ["input"]


def _count(options: Options) -> int:
    """How many inputs were given without names."""
    examples = options.verification_inputs
    if isinstance(examples, (list, tuple)) and not any(isinstance(item, Mapping) for item in examples):
        return len(examples)
    return 1 if options.target.inputs or options.input_shapes is not None else 0


def _given_examples(torch: Any, model: Any, options: Options, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Examples by name, where the caller or the exported program brings some."""
    given = options.verification_inputs
    if given is not None and not isinstance(given, (Mapping, list, tuple)):
        raise ArgumentError(
            f"verification_inputs is {type(given).__name__}", fix="Give a dictionary, or a list with a value an input"
        )
    if isinstance(given, (list, tuple)) and given:
        given = given[0] if isinstance(given[0], Mapping) else dict(zip(names, given, strict=False))
    if not given and isinstance(model, torch.export.ExportedProgram) and model.example_inputs is not None:
        given = dict(zip(names, model.example_inputs[0], strict=False))
    return {
        name: value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        for name, value in (given or {}).items()
        if not isinstance(options.target.inputs.get(name), ImageInput)
    }


def _shape(name: str, item: ImageInput | ArrayInput | None, given: Sequence[int | None] | None) -> tuple[int, ...]:
    """The default shape of an input that has no example."""
    sizes: list[Any] = list(given or ())
    if not sizes and isinstance(item, ArrayInput):
        sizes = list(item.shapes[0] if item.shapes else item.shape or ())
    if not sizes and isinstance(item, ImageInput):
        pair = item.sizes[0] if item.sizes else item.size
        channels = 1 if (item.color or "").startswith("GRAYSCALE") else 3
        sizes = [1, channels, *pair] if pair is not None else []
    shape = [size.default or size.lower if isinstance(size, SizeRange) else size for size in sizes]
    if not shape or any(not isinstance(size, int) for size in shape):
        raise ArgumentError(f"the shape of the input {name!r} is not known", fix=_SHAPES_FIX)
    return tuple(shape)


def _fed(item: TensorInput, array: NDArray[Any]) -> NDArray[Any]:
    """An example as the module takes it: pixels scaled."""
    if not isinstance(item.declared, ImageInput):
        return array
    scale, bias = (
        np.asarray(values, np.float32).reshape(-1, 1, 1) for values in (item.declared.scale, item.declared.bias)
    )
    scaled: NDArray[Any] = (array * scale + bias).astype(np.float32)
    return scaled


def _output_names(keys: Sequence[str], taken: Sequence[str], options: Options) -> list[str]:
    """The keys of a dictionary, else ``output``, ``output_1``, …"""
    names: list[str] = []
    for index, key in enumerate(keys):
        name = key or ("output" if not index else f"output_{index}")
        while name in taken or name in names:
            name += "_out"
        names.append(name)
    return names
