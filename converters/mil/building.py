"""From a source model to a PyMIL program: inputs, nodes, outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mltoolkit.converters.mil.interface import DeclaredInput, DeclaredInterface, DeclaredOutput
from mltoolkit.converters.mil.program import ProgramWriter, mil_type, new_function
from mltoolkit.converters.mil.refusal import Refusal
from mltoolkit.converters.mil.target import CoreMLTarget, SizeRange
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.errors import UnsupportedModelError

if TYPE_CHECKING:
    from coremltools.converters.mil.mil import Program, Var


@dataclass(frozen=True)
class BuiltProgram:
    """A program and the shapes of its outputs; sizes only known when the model runs are None."""

    program: Program
    output_shapes: tuple[tuple[int | None, ...], ...]


def build_program(source: SourceModel, target: CoreMLTarget, interface: DeclaredInterface) -> BuiltProgram:
    """Write the source's graph as a PyMIL program of one function, ``main``.

    Raises:
        UnsupportedLayersError: nodes cannot be written; it names all of them.
        UnsupportedModelError: an output holds numbers that Core ML does not.
    """
    from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import Program

    graph = source.model.graph
    writer = ProgramWriter(target, source.custom_layers)
    symbols: dict[str, Any] = {}
    placeholders = {
        item.name: mb.placeholder(
            _placeholder_shape(item, symbols), mil_type("int32" if item.kind == "bool" else item.kind), name=item.name
        )
        for item in interface.inputs
    }
    with new_function(placeholders, target.specification_version) as function:
        for item in interface.inputs:
            writer.bind(item.value, _source_value(function.inputs[item.name], item, target))
        writer.write_graph(graph)
        writer.unsupported.raise_if_any(graph.name)
        taken: set[Var] = set(function.inputs.values())
        outputs = []
        for declared in interface.outputs:
            try:
                var = _declared_output(writer.var(declared.value), declared, taken)
            except Refusal as refusal:
                raise UnsupportedModelError(
                    f"the output {declared.value.name!r} cannot be written: {refusal.reason}"
                ) from refusal
            taken.add(var)
            outputs.append(var)
        function.set_outputs(outputs)
        function.set_output_types(_output_types(interface))
    program = Program()
    program.add_function("main", function)
    shapes = tuple(
        tuple(int(size) if isinstance(size, (int, np.integer)) else None for size in var.shape) for var in outputs
    )
    return BuiltProgram(program, shapes)


def _placeholder_shape(item: DeclaredInput, symbols: dict[str, Any]) -> list[Any]:
    from coremltools.converters.mil.mil import Symbol, get_new_symbol

    shape: list[Any] = []
    for size, name in zip(item.sizes, item.symbols, strict=True):
        if not isinstance(size, SizeRange):
            shape.append(size)
        elif name is None:
            shape.append(get_new_symbol())
        else:
            if name not in symbols:
                # A symbol whose name starts with * would stand for several sizes.
                symbols[name] = Symbol("size_" + name)
            shape.append(symbols[name])
    return shape


def _source_value(var: Var, item: DeclaredInput, target: CoreMLTarget) -> Var:
    """What the source's graph works with, of what the model is given."""
    from coremltools.converters.mil.mil import Builder as mb  # noqa: N813

    if item.kind == "bool":
        var = mb.cast(x=var, dtype="bool")
    if item.value.shape is not None and len(item.value.shape) == 0:
        var = mb.squeeze(x=var, axes=[0])
    image = item.image
    if image is None:
        return var
    # A neural network's own preprocessing has one scale for all channels.
    if target.format == "mlpackage" or not isinstance(image.scale, (int, float)):
        for operation, numbers, neutral in (("mul", image.scale, 1.0), ("add", image.bias, 0.0)):
            factors = np.asarray(numbers, np.float32).reshape(1, -1, 1, 1)
            if (factors != neutral).any():
                var = getattr(mb, operation)(x=var, y=factors)
    return mb.transpose(x=var, perm=[0, 2, 3, 1]) if image.layout == "NHWC" else var


def _declared_output(var: Var, declared: DeclaredOutput, taken: set[Var]) -> Var:
    """An operation's result of the declared name, type and shape."""
    from coremltools.converters.mil.mil import Builder as mb  # noqa: N813

    if declared.kind == "bool":
        var = mb.cast(x=var, dtype="int32")
    if len(var.shape) == 0:
        # Core ML's arrays have at least one dimension.
        var = mb.expand_dims(x=var, axes=[0])
    if declared.image is not None and len(var.shape) == 3:
        var = mb.expand_dims(x=var, axes=[0])
    if var in taken or var.op is None or var.op.op_type == "const":
        var = mb.identity(x=var)
    var.name = declared.name
    return var


class _OutputTypes(list[Any]):
    """Types of outputs; a classifier has one more in the end, for which coremltools looks here too."""

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(min(index, len(self) - 1) if isinstance(index, int) else index)


def _output_types(interface: DeclaredInterface) -> list[Any]:
    import coremltools as ct

    return _OutputTypes(
        ct.TensorType(name=item.name, dtype=mil_type("fp32" if item.kind == "fp32" else "int32"))
        for item in interface.outputs
    )
