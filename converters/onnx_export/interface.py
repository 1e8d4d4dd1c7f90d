"""What a Core ML model says beyond its tensors, as metadata of an ONNX file: colours, labels, who made it.

Keys (``metadata_props``): ``mltoolkit.interface``, a JSON object

    {"images": {input or output: "RGB" | "BGR" | "GRAYSCALE" | "GRAYSCALE_FLOAT16"},
     "classifier": {"probabilities": output, "label": name, "probabilities_name": name, "labels": [...]},
     "states": [{"name": ..., "input": ..., "output": ...}]}

and ``author``, ``license``, ``short_description``, ``version`` and the model's own texts under ``user.`` + key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mltoolkit.converters.mil.target import (
    COLORS,
    Classifier,
    Color,
    CoreMLTarget,
    ImageInput,
    ImageOutput,
    Metadata,
)
from mltoolkit.formats.features import ImageFeature
from mltoolkit.graph.model_graph import ModelGraph

INTERFACE_KEY = "mltoolkit.interface"
_COLORS: dict[str, Color] = {"RGB": "RGB", "BGR": "BGR", "GRAY": "GRAYSCALE", "GRAY_FLOAT16": "GRAYSCALE_FLOAT16"}
_USER = "user."


def describe_interface(graph: ModelGraph) -> dict[str, str]:
    """The metadata that says what a model's inputs and outputs mean; empty where they mean arrays."""
    interface = graph.interface
    said: dict[str, Any] = {}
    images = {
        feature.name: _COLORS[feature.color_space]
        for feature in (*interface.inputs, *interface.outputs)
        if isinstance(feature, ImageFeature)
    }
    if images:
        said["images"] = images
    if graph.probabilities and interface.class_labels is not None:
        said["classifier"] = {
            "probabilities": graph.probabilities,
            "label": interface.predicted_feature_name,
            "probabilities_name": interface.predicted_probabilities_name,
            "labels": list(interface.class_labels),
        }
    if graph.states:
        said["states"] = [{"name": state.name, "input": state.input, "output": state.output} for state in graph.states]
    return {INTERFACE_KEY: json.dumps(said, ensure_ascii=False)} if said else {}


def describe_texts(metadata: Any) -> dict[str, str]:
    """The texts of a Core ML model (its ``Metadata`` message) as metadata."""
    found = {
        "author": metadata.author,
        "license": metadata.license,
        "short_description": metadata.shortDescription,
        "version": metadata.versionString,
    }
    user = {_USER + key: text for key, text in metadata.userDefined.items()}
    return {key: text for key, text in {**found, **user}.items() if text}


def target_from_metadata(properties: Mapping[str, str], inputs: list[str], outputs: list[str]) -> CoreMLTarget | None:
    """What an exported file says of the Core ML model it was made of, to convert it back; None for other files.

    Args:
        properties: the file's metadata.
        inputs: names of the graph's inputs.
        outputs: names of its outputs.
    """
    try:
        said = json.loads(properties.get(INTERFACE_KEY, ""))
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    given = said.get("images")
    images = {name: color for name, color in given.items() if color in COLORS} if isinstance(given, dict) else {}
    return CoreMLTarget(
        inputs={name: ImageInput(color=images[name], layout="NCHW") for name in inputs if name in images},
        outputs={name: ImageOutput(color=images[name]) for name in outputs if name in images},
        classifier=_classifier(said.get("classifier"), outputs),
        metadata=Metadata(
            author=properties.get("author", ""),
            license=properties.get("license", ""),
            short_description=properties.get("short_description", ""),
            version=properties.get("version", ""),
            user_defined={key.removeprefix(_USER): text for key, text in properties.items() if key.startswith(_USER)},
        ),
    )


def _classifier(said: Any, outputs: list[str]) -> Classifier | None:
    if not isinstance(said, dict) or said.get("probabilities") not in outputs:
        return None
    labels = said.get("labels")
    if not isinstance(labels, list) or not labels:
        return None
    return Classifier(
        labels=labels,
        predicted_feature_name=str(said.get("label") or "classLabel"),
        probabilities=said["probabilities"],
        probabilities_name=str(said.get("probabilities_name") or said["probabilities"]),
    )
