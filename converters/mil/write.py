"""Writing a hub graph as a Core ML model of either format."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mltoolkit.converters.mil.building import BuiltProgram, build_program
from mltoolkit.converters.mil.compressed_networks import has_records, restore_codes
from mltoolkit.converters.mil.compressed_weights import forget_codes, with_needed_target
from mltoolkit.converters.mil.custom import fill_custom_layers
from mltoolkit.converters.mil.deferred_weights import deferred_weights
from mltoolkit.converters.mil.description import describe
from mltoolkit.converters.mil.half_precision import half_precision_selector
from mltoolkit.converters.mil.interface import DeclaredInterface, declare_interface
from mltoolkit.converters.mil.labels import ClassNames, check_count, class_names
from mltoolkit.converters.mil.naming import names_of, reserved_names
from mltoolkit.converters.mil.neural_network import finish_network
from mltoolkit.converters.mil.quiet import quiet_coremltools
from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.source_model import SourceModel
from mltoolkit.errors import MLToolkitError, UnsupportedModelError
from mltoolkit.formats.protobuf import new_model
from mltoolkit.graph.passes.weight_codes import DecodeWeights, decodes_weight

# Passes that are left out: names are made here; int16 would bring other numbers in; fuse_stack_split of coremltools 9.0
# takes whatever follows the split for a squeeze and fails on anything else.
_LEFT_OUT = {"common::sanitize_input_output_names", "common::add_int16_cast", "common::fuse_stack_split"}

# Passes that multiply weights, which then are codes no more; the operations of compressed weights in an ML Program are
# left alone anyway.
_FUSING = {"common::fuse_conv_batchnorm", "common::fuse_conv_scale"}


@dataclass(frozen=True)
class WrittenModel:
    """A Core ML model.

    Attributes:
        spec: the ``Model`` message.
        weights_dir: for an ML Program the folder of its weight files, a temporary one that is the caller's now: move
            or delete it.
        renamed: inputs and outputs that had to be called otherwise, the source's name → the name in the model.
        operations: how many operations (or layers) of each type the model has.
        notes: what was chosen for the user, or could not be kept.
    """

    spec: Any
    weights_dir: Path | None
    renamed: dict[str, str] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def write_core_ml(source: SourceModel, target: CoreMLTarget) -> WrittenModel:
    """Write a source model as a Core ML model.

    Args:
        source: what an importer read.
        target: format, precision, interface and metadata of the model.

    Raises:
        ArgumentError: what was asked for does not fit the source: an input of that name, a number of labels.
        UnsupportedLayersError: nodes cannot be written; it names all of them.
        UnsupportedModelError: Core ML has no such inputs or outputs, or coremltools fails.
    """
    source = _with_decoded_weights(source)
    target, notes = with_needed_target(source.model, target)
    interface = declare_interface(source.model.graph, target)
    names = class_names(target.classifier, interface) if target.classifier is not None else None
    declared = {item.name for item in interface.inputs} | {item.name for item in interface.outputs}
    with quiet_coremltools(), reserved_names(declared | names_of(source.model.graph)):
        built = build_program(source, target, interface)
        if names is not None:
            _check_classes(names, interface, built)
        weights = Path(tempfile.mkdtemp(prefix="mltoolkit_weights_")) if target.format == "mlpackage" else None
        try:
            keep = target.format == "mlmodel" and has_records(source.model)
            spec, operations = _to_spec(built, target, names, weights, _FUSING if keep else set())
            if target.format == "mlmodel":
                restore_codes(spec, source.model)
                finish_network(spec, target, interface, names)
                fill_custom_layers(spec, source.custom_layers)
            describe(spec, target, interface, built.output_shapes)
        except BaseException:
            if weights is not None:
                shutil.rmtree(weights, ignore_errors=True)
            raise
        finally:
            forget_codes(source.model)
    return WrittenModel(_in_our_classes(spec), weights, interface.renamed, operations, notes)


def _with_decoded_weights(source: SourceModel) -> SourceModel:
    """The source with decoded constants (DequantizeLinear, say) as weights that know how they were stored."""
    if not any(decodes_weight(node) for node in source.model.graph):
        return source
    model = source.model.clone()
    DecodeWeights()(model)
    return replace(source, model=model)


def _check_classes(names: ClassNames, interface: DeclaredInterface, built: BuiltProgram) -> None:
    for item, shape in zip(interface.outputs, built.output_shapes, strict=True):
        if item.name == names.output:
            check_count(names, math.prod(size for size in shape if size is not None) if None not in shape else None)


def _to_spec(
    built: BuiltProgram, target: CoreMLTarget, names: ClassNames | None, weights: Path | None, without: set[str]
) -> tuple[Any, dict[str, int]]:
    import coremltools as ct
    from coremltools.converters.mil import converter

    pipeline = ct.PassPipeline()
    left_out = _LEFT_OUT | without | ({"common::add_fp16_cast"} if _computes_in_float32(target) else set())
    pipeline.remove_passes(left_out)
    if not _computes_in_float32(target):
        pipeline.set_options("common::add_fp16_cast", {"op_selector": half_precision_selector()})
    options: dict[str, Any] = {}
    if target.format == "mlpackage":
        options["weights_dir"] = str(weights)
        if names is not None:
            options["classifier_config"] = ct.ClassifierConfig(
                list(names.labels), names.label, predicted_probabilities_output=names.output
            )
    # Once, at the end, instead of after each of a hundred passes: that took half of the time.
    built.program.validate = lambda **_options: None
    try:
        with deferred_weights() as deferred:
            spec, program = converter.mil_convert_to_proto(
                built.program,
                "milinternal",
                "mlprogram" if target.format == "mlpackage" else "neuralnetwork",
                converter.ConverterRegistry,
                main_pipeline=pipeline,
                specification_version=ct.target(target.specification_version),
                use_default_fp16_io=False,
                skip_model_load=True,
                **options,
            )
            deferred.fill(spec)
        del program.validate
        program.validate()
    except (MemoryError, MLToolkitError):
        raise
    except Exception as error:  # whatever comes up in one of coremltools' passes
        text = " ".join(str(error).split()).rstrip(".")
        raise UnsupportedModelError(
            f"coremltools cannot write the model: {type(error).__name__}: {text[:400]}",
            fix="Core ML's arrays have at most five dimensions" if "rank <= 5" in text else "Try the other format",
        ) from error
    finally:
        converter._reset_conversion_state()
    counts: dict[str, int] = {}
    for operation in program.functions["main"].operations:
        if operation.op_type != "const":
            counts[operation.op_type] = counts.get(operation.op_type, 0) + 1
    return spec, counts


def _computes_in_float32(target: CoreMLTarget) -> bool:
    """Neural networks choose their own precision; only their weights are stored in half."""
    return target.precision == "float32" or target.format == "mlmodel"


def _in_our_classes(spec: Any) -> Any:
    """The message itself where its class is the one that the rest of mltoolkit uses."""
    ours = new_model()
    if isinstance(spec, type(ours)):
        return spec
    ours.ParseFromString(spec.SerializePartialToString())
    return ours
