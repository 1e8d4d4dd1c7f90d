"""Operators that Core ML has no form of, each with the reason."""

from __future__ import annotations

from typing import NoReturn

from mltoolkit.converters.mil.context import NodeContext
from mltoolkit.converters.mil.registry import writes

_TEXTS = ("Core ML's tensors hold no texts", "texts that are handled before the model, in code")
_TRAINING = ("it trains a model, which ML Programs and neural networks do not", "the model exported for inference")
_REASONS = {
    "MaxRoiPool": ("its bins are rounded to whole pixels, by the size of each box", "RoiAlign"),
    "StringConcat": _TEXTS,
    "StringNormalizer": _TEXTS,
    "StringSplit": _TEXTS,
    "RegexFullMatch": _TEXTS,
    "TfIdfVectorizer": ("it looks up n-grams in a table", "counts that are made before the model, in code"),
    "LabelEncoder": ("it looks up keys in a table", "a classifier with class labels"),
    "ImageDecoder": ("it decodes the bytes of an image file", "an image input: mlt.ImageInput"),
    "Gradient": _TRAINING,
    "Adagrad": _TRAINING,
    "Adam": _TRAINING,
    "Momentum": _TRAINING,
    "Optional": ("Core ML has no optional tensors", "a tensor that is always there"),
    "SequenceMap": ("it calls a body for every tensor of a sequence", "Scan, or a tensor with one axis more"),
    "BitCast": ("Core ML's operations do not see the bits of a number", "Cast"),
}


@writes(*_REASONS)
def write_nothing(node: NodeContext) -> NoReturn:
    """Refuse, and say why."""
    node.refuse(*_REASONS[node.op_type])
