"""PyTorch models: traced for coremltools, or exported to ONNX where coremltools refuses them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from mltoolkit.converters.coremltools_front_ends.request import (
    ConvertedModel,
    TensorInput,
    scaled_by_coremltools,
)
from mltoolkit.converters.coremltools_front_ends.running import run_coremltools
from mltoolkit.converters.mil.target import ArrayInput, CoreMLTarget, ImageInput, SizeRange
from mltoolkit.errors import MissingExtraError, ModelFileError, UnsupportedModelError


def load_torch() -> Any:
    """The module ``torch``.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "train", "Converting a PyTorch model") from error
    return torch


def read_torch_file(torch: Any, path: Path) -> Any:
    """An ExportedProgram (.pt2) or TorchScript module (other suffixes). Pickled modules, which run code, are refused.

    Raises:
        ModelFileError: the file is neither.
    """
    program = path.suffix.lower() == ".pt2"
    try:
        with _quiet():
            return torch.export.load(path) if program else torch.jit.load(str(path), map_location="cpu")
    except Exception as error:  # torch raises whatever its parts raise
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        what = "an exported program (torch.export.save)" if program else "a TorchScript model (torch.jit.save)"
        raise ModelFileError(
            f"the file is not {what}: {line[:200]}",
            where=str(path),
            fix="A checkpoint or pickled module holds no graph: load it in Python and give the module to convert()",
        ) from error


def as_module(torch: Any, source: Any) -> Any:
    """A module that can be called: that of an exported program, or the source itself."""
    return source.module() if isinstance(source, torch.export.ExportedProgram) else source


class TorchCaller:
    """Calls a module in evaluation mode, and leaves its mode as it was.

    Args:
        torch: the module ``torch``.
        module: the model.
    """

    def __init__(self, torch: Any, module: Any) -> None:
        self.torch = torch
        self.module = module

    def run(self, arrays: Sequence[NDArray[Any]]) -> list[tuple[str, NDArray[Any]]]:
        """The outputs in order, each with its key where the model returns a dictionary ("" elsewhere)."""
        with self.evaluating(), self.torch.no_grad(), _quiet():
            result = self.module(*(self.torch.from_numpy(np.array(array)) for array in arrays))
        pairs = [("", result)] if not isinstance(result, Mapping) else [(str(key), result[key]) for key in result]
        flat: list[tuple[str, NDArray[Any]]] = []
        for key, value in pairs:
            leaves = self.torch.utils._pytree.tree_leaves(value)
            for index, leaf in enumerate(item for item in leaves if isinstance(item, self.torch.Tensor)):
                name = key if not index else f"{key}_{index}" if key else ""
                flat.append((name, leaf.detach().cpu().numpy()))
        return flat

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Dropout and batch statistics off meanwhile."""
        # Not by eval(), which modules of exported programs refuse; those are what they were exported as.
        modes = [(part, part.training) for part in self.module.modules()]
        try:
            for part, _ in modes:
                part.training = False
            yield
        finally:
            for part, training in modes:
                part.training = training


def convert_torch(
    caller: TorchCaller,
    inputs: Sequence[TensorInput],
    examples: Sequence[NDArray[Any]],
    outputs: Sequence[str],
    target: CoreMLTarget,
) -> ConvertedModel:
    """Trace a module and let coremltools convert it.

    Args:
        caller: the module.
        inputs: its inputs in order.
        examples: an example of each.
        outputs: names for its outputs in order.
        target: what is written.

    Raises:
        UnsupportedModelError: it cannot be traced, or coremltools refuses it; the error of either is the cause.
    """
    torch = caller.torch
    tensors = tuple(torch.from_numpy(np.array(array)) for array in examples)
    with caller.evaluating(), _quiet():
        module = _frozen(torch, caller.module)
        scaling = _scaling(torch, inputs)
        if isinstance(module, torch.jit.ScriptModule) and not scaling:
            return run_coremltools(module, "pytorch", inputs, outputs, target)
        wrapper = _flat_module(torch, module, scaling)
        try:
            with torch.no_grad():
                traced = torch.jit.trace(wrapper, tensors, check_trace=False)
        except Exception as error:  # a user's code
            line = (str(error).strip().splitlines() or [""])[0]
            raise UnsupportedModelError(f"torch.jit.trace fails: {type(error).__name__}: {line[:300]}") from error
        return run_coremltools(traced, "pytorch", inputs, outputs, target)


def export_to_onnx(
    caller: TorchCaller, inputs: Sequence[TensorInput], examples: Sequence[NDArray[Any]], outputs: Sequence[str]
) -> ir.Model:
    """Let ``torch.onnx`` convert a module: by ``torch.export``, or by TorchScript where that fails.

    Raises:
        UnsupportedModelError: both fail.
    """
    torch = caller.torch
    tensors = tuple(torch.from_numpy(np.array(array)) for array in examples)
    names = {"input_names": [item.name for item in inputs], "output_names": list(outputs)}
    flexible = [_flexible_axes(item) for item in inputs]

    def by_export() -> ir.Model:
        shapes = tuple(dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in flexible)
        dynamic = {"dynamic_shapes": (shapes,)} if any(flexible) else {}
        program = torch.onnx.export(module, tensors, dynamo=True, verbose=False, **names, **dynamic)
        model: ir.Model = program.model
        return model

    def by_script() -> ir.Model:
        axes = {
            item.name: {axis: f"{item.name}_{axis}" for axis in some}
            for item, some in zip(inputs, flexible, strict=True)
        }
        written = io.BytesIO()
        torch.onnx.export(
            module, tensors, written, dynamo=False, verbose=False, opset_version=17, dynamic_axes=axes, **names
        )
        return ir.from_proto(onnx.load_from_string(written.getvalue()))

    scripted = isinstance(caller.module, torch.jit.ScriptModule)
    ways: tuple[Callable[[], ir.Model], ...] = (by_script,) if scripted else (by_export, by_script)
    reasons = []
    with caller.evaluating(), _quiet():
        module = _frozen(torch, caller.module)
        module = module if scripted else _flat_module(torch, module, {})
        for way in ways:
            try:
                return way()
            except Exception as error:  # torch raises whatever its parts raise
                line = next((line for line in str(error).splitlines() if line.strip()), "")
                reasons.append(f"{type(error).__name__}: {line[:200]}")
    raise UnsupportedModelError(f"torch.onnx refuses the model: {'; '.join(reasons)}")


def _flexible_axes(item: TensorInput) -> list[int]:
    declared = item.declared
    shapes: list[tuple[Any, ...]] = []
    if isinstance(declared, ImageInput):
        pairs: Sequence[Sequence[Any]] = declared.sizes or ([declared.size] if declared.size is not None else [])
        shapes = [(None, None, *pair) for pair in pairs]
    elif isinstance(declared, ArrayInput):
        shapes = [tuple(shape) for shape in declared.shapes]
        if declared.shape is not None:
            shapes = [tuple(declared.shape)]
    return [
        axis
        for axis, sizes in enumerate(zip(*shapes, strict=True))
        if len(set(sizes)) > 1 or any(isinstance(size, SizeRange) for size in sizes)
    ]


def _frozen(torch: Any, module: Any) -> Any:
    """A TorchScript module without its branches for training, over which coremltools stumbles; others unchanged."""
    if not isinstance(module, torch.jit.ScriptModule):
        return module
    try:
        return torch.jit.freeze(module)
    except Exception:  # frozen already, or of a kind that cannot be
        return module


def _scaling(torch: Any, inputs: Sequence[TensorInput]) -> dict[int, list[Any]]:
    """Scale and bias of images that coremltools cannot scale, by the index of the input."""
    return {
        index: [
            torch.tensor(np.asarray(values, np.float32).reshape(-1, 1, 1))
            for values in (item.declared.scale, item.declared.bias)
        ]
        for index, item in enumerate(inputs)
        if isinstance(item.declared, ImageInput) and not scaled_by_coremltools(item.declared)
    }


def _flat_module(torch: Any, module: Any, scaling: Mapping[int, Sequence[Any]]) -> Any:
    """The module with a tuple of tensors as its result, and with the scaling of some of its inputs."""

    class Flat(torch.nn.Module):  # type: ignore[misc]  # torch is imported late
        def __init__(self) -> None:
            super().__init__()
            self.training = False
            self.module = module

        def forward(self, *arguments: Any) -> Any:
            given = [
                argument * scaling[index][0] + scaling[index][1] if index in scaling else argument
                for index, argument in enumerate(arguments)
            ]
            result = self.module(*given)
            if isinstance(result, Mapping):
                result = list(result.values())
            leaves = tuple(leaf for leaf in torch.utils._pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor))
            return leaves[0] if len(leaves) == 1 else leaves

    return Flat()


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings, and nothing on stdout or stderr: torch's exporters print what they do."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        yield
