"""Inputs from the command line's words, and outputs as something to print or save."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mltoolkit.errors import ArgumentError, InputError, ModelFileError
from mltoolkit.formats.features import ArrayFeature, Feature, ImageFeature
from mltoolkit.model import Model


def read_inputs(model: Model, words: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what to call it, input dictionary) for each prediction that the words ask for.

    Words with a name make one prediction together; words without are one prediction each.

    Raises:
        ArgumentError: names are missing or mixed with bare values.
        InputError: a value cannot be read.
    """
    features = {feature.name: feature for feature in model.inputs}
    named = [(name, value) for name, _, value in (word.partition("=") for word in words) if name in features and value]
    if not named and len(words) == 1 and re.match(r"^[^=/\\.]+=", words[0]) and not Path(words[0]).exists():
        # A misspelt name, for which the model's own check has the close matches.
        name, _, text = words[0].partition("=")
        yield words[0], {name: text}
        return
    if named:
        if len(named) != len(words):
            bare = next(word for word in words if word.partition("=")[0] not in features)
            raise ArgumentError(f"{bare!r} names no input", fix=f"The inputs are: {', '.join(map(repr, features))}")
        names = [name for name, _ in named]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ArgumentError(
                f"the input {twice!r} is given twice", fix="Leave one out; several predictions are several commands"
            )
        yield ", ".join(words), {name: read_value(features[name], text) for name, text in named}
        return
    required = [feature for feature in model.inputs if not feature.optional]
    if not words or len(required) != 1:
        raise ArgumentError(
            "the model needs a value for " + ", ".join(repr(feature.name) for feature in required),
            fix="Give " + " ".join(f"{feature.name}=VALUE" for feature in required),
        )
    for word in words:
        yield word, {required[0].name: read_value(required[0], word)}


def read_value(feature: Feature, text: str) -> Any:
    """A picture's path, the array of a .npy file, or numbers separated by commas."""
    import numpy as np

    where = f"input {feature.name!r}"
    if text.lower().endswith(".npy"):
        try:
            return np.load(text, allow_pickle=False)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"the array {text!r} cannot be read: {reason}", where=where) from error
    if isinstance(feature, ImageFeature):
        return text
    try:
        numbers = np.array([float(part) for part in text.split(",")])
    except ValueError as error:
        raise InputError(f"{text!r} is neither numbers separated by commas nor a .npy file", where=where) from error
    if isinstance(feature, ArrayFeature):
        if numbers.size == 1 and 0 not in feature.shape:
            return np.full(feature.shape, numbers[0])
        return numbers.reshape(feature.shape) if numbers.size == np.prod(feature.shape) else numbers
    return numbers[0]


def shown(model: Model, outputs: dict[str, Any], top: int, *, whole: bool) -> dict[str, Any]:
    """Outputs as text, numbers and short dictionaries; arrays whole as lists only where ``whole``."""
    import numpy as np

    from mltoolkit.reports.finite import finite

    result: dict[str, Any] = {}
    for name, value in outputs.items():
        if isinstance(value, dict):
            best = sorted(value.items(), key=lambda item: -item[1])[:top]
            result[name] = {str(key): float(share) for key, share in best}
        elif isinstance(value, np.ndarray):
            result[name] = finite(value.tolist()) if whole else _array_text(value)
        elif isinstance(value, (str, int, float)):
            result[name] = value
        else:
            result[name] = f"image {value.size[0]}×{value.size[1]} {value.mode}"
    return result


def _array_text(array: Any) -> str:
    text = f"{array.dtype} {array.shape}"
    if 0 < array.size <= 8:
        return text + " " + " ".join(f"{number:.6g}" for number in array.reshape(-1).tolist())
    return text + f", {array.min():.6g} to {array.max():.6g}" if array.size else text


def save_outputs(outputs: dict[str, Any], folder: Path, label: str) -> dict[str, str]:
    """Write image outputs as .png and arrays as .npy; the files' paths by output name."""
    import numpy as np

    stem = re.sub(r"[^\w.-]+", "_", Path(label.rpartition("=")[2]).stem) or "output"
    written: dict[str, str] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in outputs.items():
            base = folder / (stem + "." + re.sub(r"[^\w-]+", "_", name))
            if isinstance(value, np.ndarray):
                path = base.with_name(base.name + ".npy")
                np.save(path, value)
            elif hasattr(value, "save") and value.mode != "F":
                path = base.with_name(base.name + ".png")
                value.save(path)
            else:
                continue
            written[name] = str(path)
    except OSError as error:
        reason = error.strerror or error
        raise ModelFileError(
            f"the outputs cannot be written: {reason}", where=str(folder), fix="Give a folder"
        ) from error
    return written
