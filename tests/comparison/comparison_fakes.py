"""Small models with the members that a comparison uses; they pickle, and count what is asked of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mltoolkit.errors import InputError, did_you_mean
from mltoolkit.formats.features import (
    ArrayFeature,
    DictionaryFeature,
    Feature,
    ImageFeature,
    StringFeature,
)

SIDE = 16


def image_feature(
    name: str = "image", *, width: int = SIDE, height: int = SIDE, optional: bool = False
) -> ImageFeature:
    return ImageFeature(name, "", optional, width, height, "RGB")


def array_feature(
    name: str, shape: tuple[int, ...] = (4,), *, optional: bool = False, dtype: str = "float32"
) -> ArrayFeature:
    return ArrayFeature(name, "", optional, shape, dtype)


@dataclass
class FakeModel:
    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    class_labels: tuple[str, ...] | tuple[int, ...] | None = None
    predicted_feature_name: str | None = None
    predicted_probabilities_name: str | None = None
    prepared: list[str] = field(default_factory=list)

    def prepare_image(self, feature: ImageFeature, image: Any, crop: str = "whole") -> Any:
        self.prepared.append(crop)
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        picture = image.convert("RGB").resize((feature.width, feature.height), Image.Resampling.LANCZOS)
        return np.asarray(picture).transpose(2, 0, 1)

    def check_inputs(self, inputs: Mapping[str, Any]) -> None:
        known = [feature.name for feature in self.inputs]
        for name in inputs:
            if name not in known:
                raise InputError(f"the model has no input {name!r}", fix=did_you_mean(name, known))
        for feature in self.inputs:
            if feature.name not in inputs and not feature.optional:
                raise InputError(f"the input {feature.name!r} is missing")


class FakeClassifier(FakeModel):
    """Softmax of a seeded random linear map of the pixels, plus ``noise`` on its weights."""

    def __init__(self, labels: tuple[str, ...] | tuple[int, ...], *, seed: int = 0, noise: float = 0.0) -> None:
        super().__init__(
            (image_feature(),),
            (StringFeature("label", "", False), DictionaryFeature("probabilities", "", False, "string")),
            labels,
            "label",
            "probabilities",
        )
        size = (len(labels), 3 * SIDE * SIDE)
        self.weights = np.random.default_rng(seed).normal(size=size)
        self.weights += noise * np.random.default_rng(seed + 1000).normal(size=size)

    def predict_raw(self, data: Mapping[str, Any], *, threads: int | None = None) -> dict[str, np.ndarray]:
        self.check_inputs(data)
        scores = self.weights @ (data["image"].reshape(-1) / 255 - 0.5) / 4
        exponentials = np.exp(scores - scores.max())
        return {"probabilities": (exponentials / exponentials.sum()).astype(np.float32)}


class TableClassifier(FakeModel):
    """Answers the score vector that stands in a table under the value of its only, scalar-like input."""

    def __init__(self, labels: tuple[str, ...], table: list[list[float]]) -> None:
        super().__init__(
            (array_feature("row", (1,)),),
            (StringFeature("label", "", False), DictionaryFeature("probabilities", "", False, "string")),
            labels,
            "label",
            "probabilities",
        )
        self.table = table

    def predict_raw(self, data: Mapping[str, Any], *, threads: int | None = None) -> dict[str, np.ndarray]:
        self.check_inputs(data)
        return {"probabilities": np.array(self.table[int(data["row"][0])], np.float32)}


class FakePainter(FakeModel):
    """An image in, the same image plus ``offset`` out, as float32 (3, H, W)."""

    def __init__(self, offset: float = 0.0) -> None:
        super().__init__((image_feature(),), (image_feature("painted"),))
        self.offset = offset

    def predict_raw(self, data: Mapping[str, Any], *, threads: int | None = None) -> dict[str, np.ndarray]:
        self.check_inputs(data)
        return {"painted": data["image"].astype(np.float32) + self.offset}


class FakeFilter(FakeModel):
    """Two arrays in (one optional), gain * x and a rounded integer output out."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(
            (array_feature("x"), array_feature("state", optional=True)),
            (array_feature("y"), array_feature("rounded", dtype="int32")),
        )
        self.gain = gain

    def predict_raw(self, data: Mapping[str, Any], *, threads: int | None = None) -> dict[str, np.ndarray]:
        self.check_inputs(data)
        with np.errstate(over="ignore"):
            y = np.asarray(data["x"], np.float32) * np.float32(self.gain)
        return {"y": y, "rounded": np.rint(y).astype(np.float32)}


class FatalModel(FakeFilter):
    """Ends the process that runs it."""

    def predict_raw(self, data: Mapping[str, Any], *, threads: int | None = None) -> dict[str, np.ndarray]:
        os._exit(1)


def write_pictures(folder: Path, names: list[str], *, seed: int = 0) -> None:
    """One picture of noise under each name, some of other sizes than the models want."""
    random = np.random.default_rng(seed)
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (SIDE + number % 3, SIDE + number % 5, 3), np.uint8)
        kind = {".jpg": "JPEG", ".tif": "TIFF"}.get(path.suffix.lower(), path.suffix[1:].upper())
        Image.fromarray(pixels).save(path, format=kind)
