"""Access to the parts of an ML Program: functions, their blocks, operations and class labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mltoolkit.errors import ArgumentError, InvalidModelError, did_you_mean
from mltoolkit.formats.mil_values import read_value
from mltoolkit.formats.weight_blob import WeightFolder

# Branches inside loops; deeper than any real program.
_MAX_DEPTH = 16
_DEFAULT_FUNCTION = "main"


def program_of(spec: Any) -> Any | None:
    """The ``Program`` message of an ML Program; None for other models."""
    return spec.mlProgram if spec.WhichOneof("Type") == "mlProgram" else None


def function_names(spec: Any) -> tuple[str, ...]:
    """The functions of an ML Program in the order of its description; empty for other models."""
    program = program_of(spec)
    if program is None:
        return ()
    described = [function.name for function in spec.description.functions]
    return tuple(described or sorted(program.functions))


def function_name(spec: Any, wanted: str = "") -> str:
    """The name of a function that exists.

    Args:
        spec: a ``Model`` message that holds an ML Program.
        wanted: the function; by default the one that the description names, else ``main``.

    Raises:
        ArgumentError: the program has no such function.
        InvalidModelError: it does not have its own default function.
    """
    names = list(spec.mlProgram.functions)
    name = wanted or spec.description.defaultFunctionName or _DEFAULT_FUNCTION
    if name in names:
        return name
    if wanted:
        raise ArgumentError(f"the model has no function {wanted!r}", fix=did_you_mean(wanted, names))
    if len(names) == 1:
        return str(names[0])
    raise InvalidModelError(f"the program has no function {name!r}", fix=did_you_mean(name, names))


def description_of(spec: Any, function: str = "") -> Any:
    """What describes the inputs and outputs of a function: its own description, else the whole model's."""
    if program_of(spec) is not None and spec.description.functions:
        name = function_name(spec, function)
        for description in spec.description.functions:
            if description.name == name:
                return description
        raise InvalidModelError(f"the function {name!r} is not described")
    return spec.description


def block_of(function: Any, name: str) -> Any:
    """The block of a ``Function`` message that runs under the program's own set of operations.

    Raises:
        InvalidModelError: there is none.
    """
    blocks = function.block_specializations
    if function.opset in blocks:
        return blocks[function.opset]
    if len(blocks) == 1:
        return next(iter(blocks.values()))
    raise InvalidModelError(
        f"the function has no block for its set of operations {function.opset!r}", where=f"function {name!r}"
    )


def iter_operations(block: Any, depth: int = 0) -> Iterator[Any]:
    """The operations of a block; those of the blocks inside one come after it.

    Raises:
        InvalidModelError: blocks are nested deeper than in any real program.
    """
    if depth > _MAX_DEPTH:
        raise InvalidModelError(f"blocks of the program are nested more than {_MAX_DEPTH} deep")
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from iter_operations(inner, depth + 1)


def weight_references(spec: Any) -> tuple[str, ...]:
    """The weight files that an ML Program reads, such as ``@model_path/weights/weight.bin``; none for other models.

    Raises:
        InvalidModelError: blocks are nested deeper than in any real program.
    """
    return tuple(dict.fromkeys(blob.fileName for blob in _blobs(spec)))


def rename_weight_files(spec: Any, names: Mapping[str, str]) -> None:
    """Let an ML Program read its weights from files of other names.

    Args:
        spec: a ``Model`` message, which is changed.
        names: the old name of a file (without its folder) → the new one.
    """
    for blob in _blobs(spec):
        folder, _, name = blob.fileName.rpartition("/")
        if name in names:
            blob.fileName = f"{folder}/{names[name]}"


def file_values(program: Any) -> Iterator[tuple[Any, Any]]:
    """The ``BlobFileValue`` messages of a ``Program``, each with the operation that has it."""
    for function in program.functions.values():
        for block in function.block_specializations.values():
            for operation in iter_operations(block):
                for value in _constants(operation):
                    if value.WhichOneof("value") == "blobFileValue":
                        yield operation, value.blobFileValue


def _blobs(spec: Any) -> Iterator[Any]:
    """The ``BlobFileValue`` messages of an ML Program."""
    program = program_of(spec)
    return (blob for _, blob in file_values(program)) if program is not None else iter(())


def _constants(operation: Any) -> Iterator[Any]:
    """The ``Value`` messages of an operation's attributes and of its inputs, and the items of lists."""
    values = list(operation.attributes.values())
    for argument in operation.inputs.values():
        values += [binding.value for binding in argument.arguments if binding.WhichOneof("binding") == "value"]
    while values:
        value = values.pop()
        yield value
        if value.WhichOneof("value") == "immediateValue" and value.immediateValue.WhichOneof("value") == "list":
            values += value.immediateValue.list.values


def operation_name(operation: Any) -> str:
    """An operation's name: its first output's, by which the program knows it, else the attribute ``name``."""
    if operation.outputs:
        return str(operation.outputs[0].name)
    if "name" in operation.attributes:
        for text in operation.attributes["name"].immediateValue.tensor.strings.values:
            return str(text)
    return ""


def program_labels(spec: Any, function: str = "") -> tuple[str, ...] | tuple[int, ...] | None:
    """The class labels of an ML Program whose last operation is ``classify``, else None.

    Raises:
        InvalidModelError: the labels are not a list of texts or whole numbers.
    """
    name = function_name(spec, function)
    block = block_of(spec.mlProgram.functions[name], name)
    if not block.operations or block.operations[-1].type != "classify":
        return None
    classes = block.operations[-1].inputs["classes"].arguments
    if len(classes) != 1 or classes[0].WhichOneof("binding") != "value":
        raise InvalidModelError("the classifier's labels are no constant", where=f"function {name!r}")
    labels = read_value(classes[0].value, WeightFolder())
    texts = labels if isinstance(labels, list) else list(labels.reshape(-1))
    if all(isinstance(label, str) for label in texts):
        return tuple(texts)
    try:
        return tuple(int(label) for label in texts)
    except (TypeError, ValueError) as error:
        raise InvalidModelError(
            "the classifier's labels are neither texts nor whole numbers", where=f"function {name!r}"
        ) from error


def validate_program(spec: Any) -> None:
    """Check the structure of an ML Program before anything of it is read.

    Raises:
        InvalidModelError: it has no function or not one that is described, a function has no block, or blocks are
            nested absurdly deep.
    """
    program = program_of(spec)
    if program is None:
        return
    if not program.functions:
        raise InvalidModelError("the program has no function")
    function_name(spec)
    for name in function_names(spec):
        if name not in program.functions:
            raise InvalidModelError(f"the program has no function {name!r}, which is described")
    for name, function in program.functions.items():
        for _ in iter_operations(block_of(function, name)):
            pass
