"""From the hub to a model in memory."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Mapping
from dataclasses import replace

from mltoolkit.conversion.imported import Imported
from mltoolkit.conversion.options import Options
from mltoolkit.conversion.renaming import RenamedReference, rename
from mltoolkit.converters.mil.target import ArrayInput, Classifier, CoreMLTarget, ImageInput, ImageOutput, SizeRange
from mltoolkit.converters.mil.write import write_core_ml
from mltoolkit.converters.native_custom_layers import with_native_operations
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.converters.unsupported import unsupported_error
from mltoolkit.custom_layers import CustomLayerSet
from mltoolkit.errors import UnsupportedLayersError
from mltoolkit.graph.builder import Dimension, known_shape
from mltoolkit.model import Model

# Bytes of weights from which on it pays to look for garbage at once.
_LARGE = 1 << 24


def settle_names(imported: Imported, options: Options) -> Options:
    """Rename what was asked for, in the hub, in the reference and in the target.

    Raises:
        ArgumentError: a name is not the source's; one description for several inputs.
    """
    assert imported.hub is not None
    graph = imported.hub.model.graph
    options = options.with_named_inputs([value.name or "" for value in graph.inputs])
    target, names = options.target, options.names
    if imported.target is not None:
        target = _filled(target, imported.target)
    if names:
        rename(imported.hub, names)
        if imported.reference is not None:
            imported.reference = RenamedReference(imported.reference, names)
        target = renamed_target(target, names)
    return replace(options, target=target)


def _filled(asked: CoreMLTarget, own: CoreMLTarget) -> CoreMLTarget:
    """What was asked for, and what the source says where nothing was."""
    inputs: dict[str, ImageInput | ArrayInput] = {**own.inputs, **asked.inputs}
    outputs: dict[str, ImageOutput] = {**own.outputs, **asked.outputs}
    told = {
        name: getattr(asked.metadata, name) or getattr(own.metadata, name)
        for name in ("author", "license", "short_description", "version")
    }
    metadata = replace(
        asked.metadata,
        **told,
        user_defined={**own.metadata.user_defined, **asked.metadata.user_defined},
        descriptions={**own.metadata.descriptions, **asked.metadata.descriptions},
    )
    classifier = own.classifier if asked.classifier is None else asked.classifier
    return replace(asked, inputs=inputs, outputs=outputs, metadata=metadata, classifier=classifier)


def renamed_target(target: CoreMLTarget, names: Mapping[str, str]) -> CoreMLTarget:
    """A target that speaks of inputs and outputs by their new names."""
    classifier = target.classifier
    if isinstance(classifier, Classifier) and classifier.probabilities is not None:
        classifier = replace(classifier, probabilities=names.get(classifier.probabilities, classifier.probabilities))
    descriptions = {names.get(name, name): text for name, text in target.metadata.descriptions.items()}
    return replace(
        target,
        inputs={names.get(name, name): item for name, item in target.inputs.items()},
        outputs={names.get(name, name): item for name, item in target.outputs.items()},
        classifier=classifier,
        metadata=replace(target.metadata, descriptions=descriptions),
    )


def write_model(hub: SourceModel, options: Options, notes: list[str] | None = None) -> tuple[Model, Mapping[str, str]]:
    """Write a hub's graph and read it back.

    Args:
        hub: the graph.
        options: what is asked for.
        notes: receives what the writer chose, or could not keep.

    Returns:
        The model, and the names of inputs and outputs that the format does not permit with those that stand for them.
    """
    if options.target.format == "mlpackage":
        hub = with_native_operations(hub, CustomLayerSet(options.custom_layers))
    try:
        written = write_core_ml(hub, options.target)
    except UnsupportedLayersError as error:
        raise _in_words_of_the_source(error, hub, options) from error
    try:
        # The weights are mapped now; the folder may go.
        model = Model(written.spec, custom_layers=options.custom_layers, weights_dir=written.weights_dir)
    finally:
        # coremltools' programs are cycles, which hold copies of all weights until they are collected.
        weights = (value.const_value for value in hub.model.graph.initializers.values())
        if sum(tensor.nbytes for tensor in weights if tensor is not None) > _LARGE:
            gc.collect()
        if written.weights_dir is not None:
            shutil.rmtree(written.weights_dir, ignore_errors=True)
    if notes is not None:
        notes += written.notes
    return model, written.renamed


def _in_words_of_the_source(
    error: UnsupportedLayersError, hub: SourceModel, options: Options
) -> UnsupportedLayersError:
    """The same refusal, where it can, by the source's layers, which hooks are found by, instead of the hub's nodes."""
    known = {layer.name: layer for layer in hub.layers}
    known.update({blob.value: layer for layer in reversed(hub.layers) for blob in layer.outputs})
    layers = []
    for item in error.layers:
        layer = known.get(item.name)
        if layer is None or layer.type == item.class_name:
            layers.append(item)
        else:
            reason = f"{item.class_name}, which it consists of, cannot be written: {item.reason}"
            layers.append(replace(item, name=layer.name, class_name=layer.type, domain="", reason=reason))
    fixed = _fixed_shapes(hub, options) if any("fixed" in item.closest for item in layers) else {}
    hint = f"Fixed sizes may do: input_shapes={fixed}." if fixed else ""
    return unsupported_error(layers, hub.model.graph.name, hint)


def _fixed_shapes(hub: SourceModel, options: Options) -> dict[str, tuple[int, ...]]:
    """Shapes for the inputs of open size: the defaults that were found, 1 elsewhere."""
    shapes = {}
    for value in hub.model.graph.inputs:
        known = known_shape(value) or ()
        if all(isinstance(size, int) for size in known):
            continue
        item = options.target.inputs.get(value.name or "")
        given = list(item.shape or ()) if isinstance(item, ArrayInput) else []
        given += [None] * (len(known) - len(given))
        shapes[value.name or ""] = tuple(_fixed(size, wanted) for size, wanted in zip(known, given, strict=True))
    return shapes


def _fixed(size: Dimension, wanted: int | SizeRange | None) -> int:
    if isinstance(size, int):
        return size
    if isinstance(wanted, SizeRange):
        return wanted.default or wanted.lower
    return wanted or 1
