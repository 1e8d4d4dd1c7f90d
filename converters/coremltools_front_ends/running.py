"""Calling ``coremltools.convert`` quietly and completing what it makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mltoolkit.converters.coremltools_front_ends.request import ConvertedModel, TensorInput, input_types
from mltoolkit.converters.mil.labels import read_labels
from mltoolkit.converters.mil.neural_network import halve_weights
from mltoolkit.converters.mil.quiet import quiet_coremltools
from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.errors import ArgumentError, MLToolkitError, UnsupportedModelError

# Modules with progress bars of their own, by the front end that imports them.
_BARS = {"pytorch": "coremltools.converters.mil.frontend.torch.ops"}


def run_coremltools(
    model: Any,
    framework: str,
    inputs: Sequence[TensorInput] | None,
    outputs: Sequence[str] | None,
    target: CoreMLTarget,
) -> ConvertedModel:
    """Convert with coremltools' own front end.

    Args:
        model: what ``coremltools.convert`` takes.
        framework: ``pytorch`` or ``tensorflow``.
        inputs: the inputs; None where the model says it all.
        outputs: names for the outputs in order; coremltools' when None.
        target: format, precision, labels and metadata.

    Raises:
        UnsupportedModelError: coremltools refuses the model; its own error is the cause.
        ArgumentError: the labels do not fit.
    """
    with _quiet(framework):
        import coremltools as ct

        options: dict[str, Any] = {}
        if inputs is not None:
            options["inputs"] = input_types(inputs, target)
        if outputs is not None:
            options["outputs"] = [_output_type(name, target) for name in outputs]
        if target.format == "mlpackage":
            halves = target.precision == "float16"
            options["compute_precision"] = ct.precision.FLOAT16 if halves else ct.precision.FLOAT32
        classifier = target.classifier
        if classifier is not None:
            options["classifier_config"] = ct.ClassifierConfig(
                list(read_labels(classifier)),
                classifier.predicted_feature_name,
                predicted_probabilities_output=_probabilities(target, outputs),
            )
        try:
            made = ct.convert(
                model,
                source=framework,
                convert_to="mlprogram" if target.format == "mlpackage" else "neuralnetwork",
                minimum_deployment_target=ct.target(target.specification_version),
                skip_model_load=True,
                **options,
            )
        except (MemoryError, MLToolkitError):
            raise
        except Exception as error:  # whatever comes up in coremltools
            text = " ".join(str(error).split())
            raise UnsupportedModelError(
                f"coremltools refuses the model: {type(error).__name__}: {text[:400]}"
            ) from error
        spec = made.get_spec()
        if target.format == "mlmodel" and target.precision == "float16":
            halve_weights(spec)
    _describe(spec, target)
    return ConvertedModel(spec, Path(made.weights_dir) if made.weights_dir else None, made)


def _output_type(name: str, target: CoreMLTarget) -> Any:
    import coremltools as ct

    image = target.outputs.get(name)
    if image is None:
        return ct.TensorType(name=name)
    color = image.color or "RGB"
    return ct.ImageType(name=name, color_layout=getattr(ct.colorlayout, color))


def _probabilities(target: CoreMLTarget, outputs: Sequence[str] | None) -> str | None:
    assert target.classifier is not None
    if target.classifier.probabilities is not None or outputs is None:
        return target.classifier.probabilities
    if len(outputs) != 1:
        raise ArgumentError(
            f"the source has the outputs {', '.join(map(repr, outputs))}; which holds the probabilities?",
            fix="Name it with probabilities=...",
        )
    return outputs[0]


def _describe(spec: Any, target: CoreMLTarget) -> None:
    metadata, asked = spec.description.metadata, target.metadata
    metadata.author, metadata.license = asked.author, asked.license
    metadata.shortDescription, metadata.versionString = asked.short_description, asked.version
    metadata.userDefined.update(asked.user_defined)
    described = {name: item.description for name, item in (*target.inputs.items(), *target.outputs.items())}
    for feature in (*spec.description.input, *spec.description.output):
        text = described.get(feature.name) or asked.descriptions.get(feature.name, "")
        if text:
            feature.shortDescription = text


@contextmanager
def _quiet(framework: str) -> Iterator[None]:
    with quiet_coremltools():
        if framework not in _BARS:
            yield
            return
        with patch.object(import_module(_BARS[framework]), "_tqdm", lambda items, **_options: items):
            yield
