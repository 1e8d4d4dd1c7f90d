"""How the source's inputs and outputs appear in the Core ML model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx_ir as ir

from mltoolkit.converters.mil.program import kind_of
from mltoolkit.converters.mil.target import (
    DEFAULT_UPPER_BOUND,
    ArrayInput,
    CoreMLTarget,
    ImageInput,
    ImageOutput,
    SizeRange,
)
from mltoolkit.errors import ArgumentError, UnsupportedModelError, did_you_mean

Size = int | SizeRange
_MAX_RANK = 5


@dataclass(frozen=True)
class DeclaredInput:
    """An input of the model.

    Attributes:
        value: the graph's input.
        name: what the model calls it.
        kind: its type in the program: ``fp32``, ``int32`` or ``bool``, which the model takes as int32.
        sizes: its sizes; those of an image are (1, C, H, W) whatever the source's layout.
        symbols: for each size the name of the source's symbol, or None; equal names are equal sizes.
        shapes: the enumerated shapes; the first is the default.
        image: its picture's properties, all of them set; None for an array.
        description: what it is, for people.
        missing: what all its elements are where a caller leaves it out; None for an input that must be given.
    """

    value: ir.Value
    name: str
    kind: str
    sizes: tuple[Size, ...]
    symbols: tuple[str | None, ...]
    shapes: tuple[tuple[int, ...], ...] = ()
    image: ImageInput | None = None
    description: str = ""
    missing: float | None = None

    @property
    def default(self) -> tuple[int, ...]:
        """The sizes that the model declares."""
        if self.shapes:
            return self.shapes[0]
        return tuple(size if isinstance(size, int) else size.default or size.lower for size in self.sizes)


@dataclass(frozen=True)
class DeclaredOutput:
    """An output of the model; ``kind`` and ``name`` as for an input."""

    value: ir.Value
    name: str
    kind: str
    image: ImageOutput | None = None
    description: str = ""


@dataclass(frozen=True)
class DeclaredInterface:
    """All inputs and outputs, and which had to be called otherwise (source's name → name in the model)."""

    inputs: tuple[DeclaredInput, ...]
    outputs: tuple[DeclaredOutput, ...]
    renamed: dict[str, str]


def declare_interface(graph: ir.Graph, target: CoreMLTarget) -> DeclaredInterface:
    """Combine what the source says of its inputs and outputs with what was asked for.

    Raises:
        ArgumentError: what was asked for does not fit the source.
        UnsupportedModelError: Core ML has no such input or output.
    """
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    _check_names("input", target.inputs, [value.name or "" for value in inputs])
    _check_names("output", target.outputs, [value.name or "" for value in graph.outputs])
    for value in graph.outputs:
        if value in inputs:
            raise UnsupportedModelError(
                f"the output {value.name!r} is an input; in Core ML they have different names",
                fix="Give the source an Identity with another name there",
            )
        if value.shape is not None and len(value.shape) > _MAX_RANK:
            raise UnsupportedModelError(
                f"the output {value.name!r} has {len(value.shape)} dimensions",
                fix="Core ML has at most five dimensions",
            )
    if not inputs and target.format == "mlmodel":
        raise UnsupportedModelError("the source has no inputs, which a neural network must have")
    names = _names([value.name or "" for value in (*inputs, *graph.outputs)], target)
    declared = [_declare_input(value, names[value.name or ""], target) for value in inputs]
    outputs = []
    for value in graph.outputs:
        kind = _kind(value, "output")
        image = target.outputs.get(value.name or "")
        description = target.metadata.descriptions.get(value.name or "", "")
        if image is not None:
            description = image.description or description
            image = _declare_image_output(value, image)
        outputs.append(DeclaredOutput(value, names[value.name or ""], kind, image, description))
    renamed = {old: new for old, new in names.items() if old != new}
    return DeclaredInterface(tuple(declared), tuple(outputs), renamed)


def _check_names(what: str, given: Iterable[str], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise ArgumentError(f"the source has no {what} {name!r}", fix=did_you_mean(name, known))


def _names(names: Iterable[str], target: CoreMLTarget) -> dict[str, str]:
    """Names that the format permits: any in a neural network, identifiers in an ML Program."""
    wanted = list(dict.fromkeys(names))
    if target.format == "mlmodel":
        return {name: name for name in wanted}
    free = {name for name in wanted if _is_identifier(name)}
    result = {}
    for name in wanted:
        plain = name
        if not _is_identifier(name):
            base = re.sub(r"\W", "_", name, flags=re.ASCII)
            base = plain = base if _is_identifier(base) else f"var_{base}"
            number = 1
            while plain in free:
                number += 1
                plain = f"{base}_{number}"
            free.add(plain)
        result[name] = plain
    return result


# Words of MIL's text form.
_RESERVED = (
    *("any", "bool", "program", "func", "tensor", "list", "dict", "tuple", "true", "false", "string", "state"),
    *("bf16", "fp16", "fp32", "fp64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)


def _is_identifier(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)) and name not in _RESERVED


def _kind(value: ir.Value, what: str) -> str:
    if not isinstance(value.type, ir.TensorType):
        raise UnsupportedModelError(
            f"the {what} {value.name!r} is no tensor but {value.type}, which a Core ML model cannot have"
        )
    kind = kind_of(value.dtype)
    if kind is None:
        raise UnsupportedModelError(
            f"the {what} {value.name!r} has the type {value.dtype}, which Core ML does not hold",
            fix="Core ML has floating types, integers and, as integers, bool",
        )
    return kind


def _declare_input(value: ir.Value, name: str, target: CoreMLTarget) -> DeclaredInput:
    kind = _kind(value, "input")
    if value.shape is None:
        raise UnsupportedModelError(
            f"not even the rank of the input {value.name!r} is known", fix="Give the source's input a shape"
        )
    if len(value.shape) > _MAX_RANK:
        raise UnsupportedModelError(
            f"the input {value.name!r} has {len(value.shape)} dimensions", fix="Core ML has at most five dimensions"
        )
    source = [size if isinstance(size, int) else None for size in value.shape]
    symbols = [None if isinstance(size, int) else size.value or None for size in value.shape]
    if any(size is not None and size < 1 for size in source):
        raise UnsupportedModelError(f"the input {value.name!r} is empty: its shape is {source}")
    given = target.inputs.get(value.name or "")
    description = target.metadata.descriptions.get(value.name or "", "")
    if isinstance(given, ImageInput):
        if kind != "fp32":
            raise ArgumentError(f"the input {value.name!r} holds integers, so that it is no image input")
        declared = _declare_image(value, name, source, symbols, given)
    else:
        declared = _declare_array(value, name, kind, source, symbols, given or ArrayInput())
    if given is not None and given.description:
        description = given.description
    missing = given.default if isinstance(given, ArrayInput) else None
    declared = replace(declared, description=description, missing=missing)
    return declared if target.format == "mlmodel" else replace(declared, sizes=_bounded(declared.sizes))


def _bounded(sizes: tuple[Size, ...]) -> tuple[Size, ...]:
    return tuple(
        replace(size, upper=max(DEFAULT_UPPER_BOUND, size.lower, size.default or 0))
        if isinstance(size, SizeRange) and size.upper is None
        else size
        for size in sizes
    )


def _declare_array(
    value: ir.Value,
    name: str,
    kind: str,
    source: list[int | None],
    symbols: list[str | None],
    given: ArrayInput,
) -> DeclaredInput:
    if not source and not given.shape and not given.shapes:
        return DeclaredInput(value, name, kind, (1,), (None,))
    if given.shapes:
        shapes = tuple(tuple(shape) for shape in given.shapes)
        for shape in shapes:
            _combine(value, source, shape)
        sizes = tuple(
            column[0] if len(set(column)) == 1 else SizeRange(min(column), max(column), column[0])
            for column in zip(*shapes, strict=True)
        )
        return DeclaredInput(value, name, kind, sizes, tuple(symbols), shapes if len(set(shapes)) > 1 else ())
    combined = _combine(value, source, given.shape if given.shape is not None else [None] * len(source))
    return DeclaredInput(value, name, kind, combined, tuple(symbols))


def _combine(
    value: ir.Value, source: Sequence[int | None], given: Sequence[int | SizeRange | None]
) -> tuple[Size, ...]:
    """The asked sizes where the source leaves them open.

    Raises:
        ArgumentError: they contradict the source's.
    """
    agree = len(given) == len(source) and all(
        size is None or known is None or size == known for size, known in zip(given, source, strict=True)
    )
    if not agree:
        shown = ", ".join("?" if size is None else str(size) for size in source)
        raise ArgumentError(
            f"the shape {tuple(given)} does not fit the input {value.name!r}, which has ({shown}) in the source",
            fix="Only sizes that the source leaves open can be chosen",
        )
    return tuple(
        known if known is not None else size if size is not None else SizeRange()
        for size, known in zip(given, source, strict=True)
    )


def _declare_image(
    value: ir.Value, name: str, source: list[int | None], symbols: list[str | None], given: ImageInput
) -> DeclaredInput:
    if len(source) != 4:
        raise ArgumentError(f"the input {value.name!r} has {len(source)} dimensions; an image input has 4")
    layout = given.layout or ("NHWC" if source[1] not in (1, 3) and source[3] in (1, 3) else "NCHW")
    order = (0, 1, 2, 3) if layout == "NCHW" else (0, 3, 1, 2)
    batch, channels, height, width = (source[index] for index in order)
    if channels is None and given.color is not None:
        channels = 3 if given.color in ("RGB", "BGR") else 1
    if batch not in (None, 1) or channels not in (1, 3):
        raise ArgumentError(
            f"the input {value.name!r} of shape {tuple(source)} is no {layout} picture with 1 or 3 channels",
            fix="Give layout='NHWC' or 'NCHW', or declare an array input",
        )
    color = given.color or ("RGB" if channels == 3 else "GRAYSCALE")
    if (color in ("RGB", "BGR")) != (channels == 3):
        raise ArgumentError(f"the input {value.name!r} has {channels} channels, which is not {color}")
    pairs: Sequence[tuple[int | SizeRange | None, ...]] = given.sizes or [given.size or (None, None)]
    shapes = [(1, channels, *_combine(value, [height, width], pair)) for pair in pairs]
    ordered = tuple(symbols[index] for index in order)
    image = replace(given, color=color, layout=layout)
    _check_channels(value, given, channels)
    if len(shapes) == 1:
        return DeclaredInput(value, name, "fp32", shapes[0], ordered, (), image)
    fixed: Any = tuple(shapes)
    sizes = tuple(
        column[0] if len(set(column)) == 1 else SizeRange(min(column), max(column), column[0])
        for column in zip(*fixed, strict=True)
    )
    return DeclaredInput(value, name, "fp32", sizes, ordered, fixed, image)


def _check_channels(value: ir.Value, given: ImageInput, channels: int) -> None:
    for what, numbers in (("scale", given.scale), ("bias", given.bias)):
        if not isinstance(numbers, (int, float)) and len(numbers) != channels:
            raise ArgumentError(
                f"the {what} of the image input {value.name!r} has {len(numbers)} numbers for {channels} channels"
            )


def _declare_image_output(value: ir.Value, given: ImageOutput) -> ImageOutput:
    sizes = [] if value.shape is None else [size if isinstance(size, int) else None for size in value.shape]
    if len(sizes) != 4 or sizes[0] not in (None, 1) or sizes[1] not in (1, 3):
        raise ArgumentError(
            f"the output {value.name!r} of shape {tuple(sizes)} is no picture",
            fix="An image output has the shape (1, 3, height, width) or (1, 1, height, width)",
        )
    color = given.color or ("RGB" if sizes[1] == 3 else "GRAYSCALE")
    if (color in ("RGB", "BGR")) != (sizes[1] == 3):
        raise ArgumentError(f"the output {value.name!r} has {sizes[1]} channels, which is not {color}")
    return replace(given, color=color)
