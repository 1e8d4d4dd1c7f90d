"""The front door: anything in, a verified Core ML model out."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from mltoolkit.conversion.first_difference import difference_error
from mltoolkit.conversion.imported import Imported
from mltoolkit.conversion.open_sizes import with_default_sizes
from mltoolkit.conversion.options import (
    Inputs,
    InputShapes,
    Options,
    checked_names,
    checked_seed,
    checked_tolerance,
    target_of,
)
from mltoolkit.conversion.report_making import StopWatch, make_report
from mltoolkit.conversion.sources import Source, SourceKind, recognise_source
from mltoolkit.conversion.verification import NOTHING_VERIFIED, verify
from mltoolkit.conversion.writing import settle_names, write_model
from mltoolkit.converters.hooks import Hook, HookKey, HookSet
from mltoolkit.converters.mil.target import ImageOutput, Metadata
from mltoolkit.custom_layers import layers_given
from mltoolkit.errors import ArgumentError
from mltoolkit.model import CustomLayers, Model

logger = logging.getLogger(__name__)


def convert(
    source: Any,
    *,
    format: str = "mlmodel",
    precision: str = "float32",
    minimum_deployment_target: Any = None,
    inputs: Inputs | None = None,
    outputs: Mapping[str, ImageOutput] | None = None,
    names: Mapping[str, str] | None = None,
    input_shapes: InputShapes | None = None,
    class_labels: Iterable[str] | Iterable[int] | str | os.PathLike[str] | None = None,
    predicted_feature_name: str = "classLabel",
    probabilities: str | None = None,
    author: str = "",
    license: str = "",
    short_description: str = "",
    version: str = "",
    user_defined: Mapping[str, str] | None = None,
    custom_conversion_functions: Mapping[HookKey, Hook] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    custom_layers: CustomLayers = (),
    verify: bool = True,
    verification_inputs: Mapping[str, Any] | Iterable[Any] | None = None,
    tolerance_db: float | None = None,
    seed: int = 0,
) -> Model:
    """Convert a model to Core ML, and check that it computes the same.

    Args:
        source: a Keras 3 model (object, .keras, .h5, .hdf5), an ONNX model (.onnx, ``ModelProto``,
            ``onnx_ir.Model``), a Core ML model of the other format (``Model``, ``MLModel``, .mlmodel, .mlpackage), a
            PyTorch model (``nn.Module``, ``ExportedProgram``, .pt2, TorchScript) or a TensorFlow SavedModel.
        format: ``mlmodel`` (a neural network, iOS 13 and later, may hold custom layers) or ``mlpackage`` (an ML
            Program, iOS 15 and later).
        precision: ``float32`` or ``float16``, of the weights, in an ML Program also of the computation.
        minimum_deployment_target: the oldest system that shall run it, such as ``iOS16`` or ``macOS13``; the oldest
            that knows the format by default.
        inputs: the source's input name → :class:`ImageInput`, :class:`ArrayInput` or a shape; for an only input also
            one of these alone. Other inputs are arrays as the source has them.
        outputs: the source's output name → :class:`ImageOutput`, for outputs that are pictures.
        names: the source's name of an input or output → its name in the Core ML model.
        input_shapes: sizes that the source leaves open, batch included: a shape, or input name → shape. PyTorch
            modules need all of theirs, here, in ``inputs`` or by example (``verification_inputs``).
        class_labels: for a classifier the labels by class index, or the path of a text file with one a line.
        predicted_feature_name: a classifier's output that holds the likeliest label.
        probabilities: the source's output that holds the probabilities; needed where it has several.
        author: metadata of the model, like the next four.
        license: its licence.
        short_description: what it does.
        version: its version.
        user_defined: further texts by name.
        custom_conversion_functions: layer name, class name, or ONNX (domain, operator) → function that is given a
            :class:`~mltoolkit.converters.hooks.HookedLayer` and returns a :class:`CustomLayerDescription`, or the
            values of ONNX nodes made with ``layer.builder``.
        custom_objects: classes and functions that a Keras file refers to, by name.
        custom_layers: Python classes of custom layers, to verify with; registered ones need not be given.
        verify: compare source, graph and written model; see docs/conversion.md.
        verification_inputs: inputs to compare on, as for ``Model.predict``: a dictionary, a list of dictionaries or a
            value for each input. Seeded random values by default.
        tolerance_db: lowest signal to noise ratio of a floating output; by default 60 for float32, 20 for float16.
        seed: of the random values.

    Returns:
        The model; its ``conversion_report`` says what was done.

    Raises:
        ArgumentError: an argument is wrong, or does not fit the source.
        ModelFileError: the file is missing, damaged or of another kind.
        UnsupportedLayersError: layers that cannot be converted: all of them, with hooks to paste.
        UnsupportedModelError: something else that cannot be converted.
        ConversionHookError: a custom conversion function raised, or returned something wrong.
        VerificationError: the converted model computes something else; it names the first layer that differs.
        MissingExtraError: the framework of the source is not installed.

    >>> model = convert("classifier.onnx", format="mlpackage", class_labels="labels.txt")  # doctest: +SKIP
    """
    if user_defined is not None and not isinstance(user_defined, Mapping):
        raise ArgumentError(f"user_defined is {user_defined!r}", fix='Give {"name": "text"}')
    metadata = Metadata(
        author=_text("author", author),
        license=_text("license", license),
        short_description=_text("short_description", short_description),
        version=_text("version", version),
        user_defined={_text("user_defined", key): _text(key, text) for key, text in (user_defined or {}).items()},
    )
    options = Options(
        target=target_of(
            format=format,
            precision=precision,
            minimum_deployment_target=minimum_deployment_target,
            inputs=inputs,
            outputs=outputs,
            class_labels=class_labels,
            predicted_feature_name=predicted_feature_name,
            probabilities=probabilities,
            metadata=metadata,
        ),
        hooks=HookSet(custom_conversion_functions),
        names=checked_names(names),
        input_shapes=input_shapes,
        custom_objects=custom_objects,
        custom_layers=layers_given(custom_layers),
        verify=verify,
        verification_inputs=verification_inputs,
        tolerance_db=checked_tolerance(tolerance_db),
        seed=checked_seed(seed),
    )
    return convert_source(recognise_source(source), options)


def convert_source(source: Source, options: Options) -> Model:
    """Import, write, read back, verify, report; raises as :func:`convert` does."""
    watch = StopWatch()
    with watch.step("import"):
        imported = _open(source, options)
    options = replace(options, custom_layers=options.custom_layers or imported.custom_layers)
    renamed: Mapping[str, str] = imported.renamed
    model = imported.model
    if imported.hub is not None:
        options = with_default_sizes(imported, settle_names(imported, options))
        with watch.step("write"):
            model, renamed = write_model(imported.hub, options, imported.notes)
    else:
        options = options.with_named_inputs(list(imported.inputs))
    assert model is not None  # an importer gives a graph or a model
    options.hooks.warn_unused()
    verification = NOTHING_VERIFIED
    if options.verify:
        with watch.step("verify"):
            verification = verify(imported, model, renamed, options)
        for note in verification.notes:
            logger.warning("%s: %s", imported.title, note)
    report = make_report(imported, model, options, watch.seconds, verification)
    if verification.failed:
        raise difference_error(imported, options, verification, report)
    model.conversion_report = report
    return model


def _open(source: Source, options: Options) -> Imported:
    """Read a source with the importer of its kind, which is loaded only now."""
    module, function = _OPENERS[source.kind]
    opener: Callable[[Source, Options], Imported] = getattr(import_module(f"mltoolkit.conversion.{module}"), function)
    return opener(source, options)


_OPENERS: dict[SourceKind, tuple[str, str]] = {
    "keras": ("keras_source", "open_keras"),
    "onnx": ("onnx_source", "open_onnx"),
    "coreml": ("core_ml_source", "open_core_ml"),
    "torch": ("torch_source", "open_torch"),
    "tensorflow": ("tensorflow_source", "open_tensorflow"),
}


def _text(name: str, given: Any) -> str:
    if not isinstance(given, str):
        raise ArgumentError(f"{name} is a text, not {given!r}")
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(f"{name} holds what is no character: {given!r}", fix="Give text in UTF-8") from error
    return given
