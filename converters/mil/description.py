"""The written model's description: inputs, outputs, labels and metadata, for both formats alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mltoolkit.converters.mil.interface import DeclaredInput, DeclaredInterface
from mltoolkit.converters.mil.labels import class_names
from mltoolkit.converters.mil.target import CoreMLTarget, ImageInput, SizeRange

# ArrayFeatureType.ArrayDataType and ImageFeatureType.ColorSpace of FeatureTypes.proto.
_ARRAY_TYPES = {"fp32": 65568, "int32": 131104, "bool": 131104}
_COLOR_SPACES = {"GRAYSCALE": 10, "RGB": 20, "BGR": 30, "GRAYSCALE_FLOAT16": 40}
# Image flexibility and half-precision gray came with specifications 3 and 7.
_GRAY_FLOAT16_VERSION = 7
# Default values of optional inputs, in neural networks.
_DEFAULTS_VERSION = 5


def describe(
    spec: Any, target: CoreMLTarget, interface: DeclaredInterface, output_shapes: Sequence[tuple[int | None, ...]]
) -> None:
    """Write the description of a model whose network or program is in place.

    Args:
        spec: the ``Model`` message.
        target: what was asked for.
        interface: the inputs and outputs.
        output_shapes: the outputs' sizes, None where they are flexible.
    """
    description = spec.description
    del description.input[:]
    for given in interface.inputs:
        _describe_input(description.input.add(), given, target.format == "mlpackage")
        if given.missing and target.format == "mlmodel":
            spec.specificationVersion = max(spec.specificationVersion, _DEFAULTS_VERSION)
        if given.image is not None and given.image.color == "GRAYSCALE_FLOAT16":
            spec.specificationVersion = max(spec.specificationVersion, _GRAY_FLOAT16_VERSION)
    label_outputs = list(description.output) if target.classifier is not None else []
    del description.output[:]
    if target.classifier is not None:
        _describe_labels(spec, target, interface, label_outputs)
    probabilities = _probabilities_name(target, interface)
    for item, shape in zip(interface.outputs, output_shapes, strict=True):
        if item.name == probabilities:
            continue
        feature = description.output.add(name=item.name, shortDescription=item.description)
        if item.image is not None:
            image = feature.type.imageType
            image.colorSpace = _COLOR_SPACES[str(item.image.color)]
            if item.image.color == "GRAYSCALE_FLOAT16":
                spec.specificationVersion = max(spec.specificationVersion, _GRAY_FLOAT16_VERSION)
            height, width = shape[-2:]
            image.height, image.width = height or 1, width or 1
            if height is None or width is None:
                for bounds, size in (
                    (image.imageSizeRange.heightRange, height),
                    (image.imageSizeRange.widthRange, width),
                ):
                    bounds.lowerBound, bounds.upperBound = size or 1, size or -1
        else:
            array = feature.type.multiArrayType
            array.dataType = _ARRAY_TYPES[item.kind]
            if all(size is not None for size in shape):
                array.shape.extend(shape)
    _describe_model(description.metadata, target)


def _probabilities_name(target: CoreMLTarget, interface: DeclaredInterface) -> str | None:
    if target.classifier is None:
        return None
    return class_names(target.classifier, interface).output


def _describe_input(feature: Any, item: DeclaredInput, program: bool) -> None:
    feature.name, feature.shortDescription = item.name, item.description
    default = item.default
    if isinstance(item.image, ImageInput):
        image = feature.type.imageType
        image.colorSpace = _COLOR_SPACES[str(item.image.color)]
        image.height, image.width = default[-2:]
        if item.shapes:
            for shape in item.shapes:
                image.enumeratedSizes.sizes.add(height=shape[-2], width=shape[-1])
        elif any(isinstance(size, SizeRange) for size in item.sizes):
            sizes = image.imageSizeRange
            for bounds, size in zip((sizes.heightRange, sizes.widthRange), item.sizes[-2:], strict=True):
                _bound(bounds, size)
        return
    array = feature.type.multiArrayType
    array.dataType = _ARRAY_TYPES[item.kind]
    array.shape.extend(default)
    if item.missing is not None:
        feature.type.isOptional = True
        # Neural networks have default values since specification 5; zero is theirs without one.
        if program or item.missing:
            field = "intDefaultValue" if item.kind != "fp32" else "floatDefaultValue"
            setattr(array, field, int(item.missing) if item.kind != "fp32" else item.missing)
    if item.shapes:
        for shape in item.shapes:
            array.enumeratedShapes.shapes.add().shape.extend(shape)
    elif any(isinstance(size, SizeRange) for size in item.sizes):
        for size in item.sizes:
            _bound(array.shapeRange.sizeRanges.add(), size)


def _bound(bounds: Any, size: int | SizeRange) -> None:
    if isinstance(size, int):
        bounds.lowerBound = bounds.upperBound = size
    else:
        bounds.lowerBound, bounds.upperBound = size.lower, -1 if size.upper is None else size.upper


def _describe_labels(spec: Any, target: CoreMLTarget, interface: DeclaredInterface, written: list[Any]) -> None:
    """The two outputs of a classifier: the likeliest label and the dictionary of probabilities."""
    assert target.classifier is not None
    names = class_names(target.classifier, interface)
    description = spec.description
    texts = target.metadata.descriptions
    label = description.output.add(name=names.label, shortDescription=texts.get(names.label, ""))
    probabilities = description.output.add(
        name=names.probabilities, shortDescription=texts.get(names.probabilities, "")
    )
    if isinstance(names.labels[0], int):
        label.type.int64Type.SetInParent()
        probabilities.type.dictionaryType.int64KeyType.SetInParent()
    else:
        label.type.stringType.SetInParent()
        probabilities.type.dictionaryType.stringKeyType.SetInParent()
    description.predictedFeatureName = names.label
    description.predictedProbabilitiesName = names.probabilities
    if spec.WhichOneof("Type") == "mlProgram":
        _rename_probabilities(spec, written, names.probabilities)


def _rename_probabilities(spec: Any, written: list[Any], name: str) -> None:
    """Rename the dictionary, which coremltools calls after the label's output.

    The tensor that the dictionary is made of often has its name in the source and becomes ``…_tensor``.
    """
    old = next(item.name for item in written if item.type.WhichOneof("Type") == "dictionaryType")
    for function in spec.mlProgram.functions.values():
        for block in function.block_specializations.values():
            taken = {output.name for operation in block.operations for output in operation.outputs}
            tensor = f"{name}_tensor"
            while tensor in taken:
                tensor += "_"
            block.outputs[:] = [name if output == old else output for output in block.outputs]
            for operation in block.operations:
                if operation.type == "classify":
                    for output in operation.outputs:
                        output.name = name if output.name == old else output.name
                    _rename_inputs(operation, name, tensor)
                else:
                    _rename(operation, name, tensor)


def _rename(operation: Any, old: str, new: str) -> None:
    """Call a value otherwise, where it is made and where it is used."""
    for output in operation.outputs:
        output.name = new if output.name == old else output.name
    _rename_inputs(operation, old, new)
    for block in operation.blocks:
        block.outputs[:] = [new if output == old else output for output in block.outputs]
        for inner in block.operations:
            _rename(inner, old, new)


def _rename_inputs(operation: Any, old: str, new: str) -> None:
    for given in operation.inputs.values():
        for argument in given.arguments:
            if argument.name == old:
                argument.name = new


def _describe_model(metadata: Any, target: CoreMLTarget) -> None:
    given = target.metadata
    metadata.author, metadata.license = given.author, given.license
    metadata.shortDescription, metadata.versionString = given.short_description, given.version
    for key, text in given.user_defined.items():
        metadata.userDefined[key] = text
