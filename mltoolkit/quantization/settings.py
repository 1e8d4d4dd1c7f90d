"""Settings for every weight: defaults, exceptions by type and name of layers, from JSON and to JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from mltoolkit.errors import ArgumentError, ModelFileError, did_you_mean
from mltoolkit.quantization.slots import WeightSlot

# What may be set for a weight, besides "skip": the options of quantize_weights that JSON can hold.
OPTIONS = (
    "mode",
    "nbits",
    "per_channel",
    "granularity",
    "block_size",
    "group_size",
    "channel_axis",
    "cluster_dim",
    "per_channel_scale",
    "signed",
    "include_biases",
    "include_normalization",
    "only_if_smaller",
)
_SECTIONS = ("layer_types", "layers", "weights")
_KEYS = ("method", "minimum_deployment_target", "defaults", *_SECTIONS, "details")
_PATTERN = "*?["

Options = Mapping[str, Any]


@dataclass(frozen=True)
class QuantizationSettings:
    """How to quantize which weight.

    What holds for a weight is put together from the general to the special: ``defaults``, then what ``layer_types``
    says of its layer's type, ``layers`` of its layer and ``weights`` of itself. In each of these a name with ``*``,
    ``?`` or ``[…]`` is a pattern; a plain name beats patterns, and of several patterns the last beats those before it.
    Each entry is a dictionary of options of :func:`mltoolkit.quantize_weights` (``mode``, ``nbits``, ``per_channel``,
    ``granularity``, …), or has ``"skip": true``.

    Attributes:
        defaults: options of all weights.
        layer_types: type of layers or operations → options.
        layers: name of a layer or operation (``stage/name`` in a pipeline) → options.
        weights: ``layer.weight``, as :class:`~mltoolkit.quantization.report.WeightRecord` names them → options.
        minimum_deployment_target: such as ``iOS18``; None leaves it as it is.
        method: how the numbers were found: ``data-free``, or what else wrote the settings.
        details: whatever else the method has to say; plain JSON.

    Raises:
        ArgumentError: an option that there is not.

    >>> settings = QuantizationSettings.from_json('{"defaults": {"nbits": 8}, "layers": {"conv*": {"nbits": 4}}}')
    >>> settings.layers["conv*"]
    {'nbits': 4}
    """

    defaults: Options = field(default_factory=dict)
    layer_types: Mapping[str, Options] = field(default_factory=dict)
    layers: Mapping[str, Options] = field(default_factory=dict)
    weights: Mapping[str, Options] = field(default_factory=dict)
    minimum_deployment_target: str | None = None
    method: str = "data-free"
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_options("defaults", self.defaults)
        for section in _SECTIONS:
            entries = getattr(self, section)
            if not isinstance(entries, Mapping):
                raise ArgumentError(f"{section!r} is a {type(entries).__name__}", fix="Give names with their options")
            for name, options in entries.items():
                _check_options(f"{section}, {name!r}", options)
        for name in ("method", "minimum_deployment_target"):
            value = getattr(self, name)
            if not isinstance(value, str) and not (value is None and name == "minimum_deployment_target"):
                raise ArgumentError(f"the settings' {name!r} is {value!r}", fix="Give a text")

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> QuantizationSettings:
        """Settings from plain dictionaries, as :meth:`to_dict` gives them.

        Raises:
            ArgumentError: there is no such entry, or one is of the wrong kind.
        """
        if not isinstance(content, Mapping):
            raise ArgumentError(f"settings are a dictionary, not {type(content).__name__}")
        for key in content:
            if key not in _KEYS:
                raise ArgumentError(f"settings have no entry {key!r}", fix=did_you_mean(str(key), _KEYS))
        return cls(**content)

    @classmethod
    def from_json(cls, source: str | os.PathLike[str]) -> QuantizationSettings:
        """Settings from a JSON file, or from JSON text (which starts with a brace).

        Raises:
            ModelFileError: the file cannot be read.
            ArgumentError: it is no JSON, or :meth:`from_dict` refuses what it says.
        """
        text, where = _text_of(source)
        try:
            content = json.loads(text)
        except ValueError as error:
            raise ArgumentError(f"the settings are no JSON: {error}", where=where) from error
        return cls.from_dict(content)

    @classmethod
    def of(cls, given: Any) -> QuantizationSettings:
        """Settings from whatever they may be given as: themselves, a dictionary, a path or JSON text.

        Raises:
            ArgumentError, ModelFileError: as :meth:`from_json`.
        """
        if isinstance(given, QuantizationSettings):
            return given
        if isinstance(given, (str, os.PathLike)):
            return cls.from_json(given)
        return cls.from_dict(given)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, without what is empty."""
        content = {key: getattr(self, key) for key in _KEYS}
        return {
            key: json.loads(json.dumps(value)) if isinstance(value, Mapping) else value
            for key, value in content.items()
            if value
        }

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """:meth:`to_dict` as JSON text, also written to a file where a path is given."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    def options_of(self, slot: WeightSlot) -> dict[str, Any]:
        """The options of a weight, ``skip`` among them where it is left alone."""
        options = dict(self.defaults)
        for entries, names in (
            (self.layer_types, (slot.layer_type,)),
            (self.layers, _layer_names(slot)),
            (self.weights, _weight_names(slot)),
        ):
            for name in _matching(entries, names):
                chosen = entries[name]
                # What says how a weight is stored takes back that it is skipped, and the other way round.
                if "skip" not in chosen and ("mode" in chosen or "nbits" in chosen):
                    options.pop("skip", None)
                options.update(chosen)
        return options

    def check_names(self, slots: Iterable[WeightSlot]) -> None:
        """Check that every name and pattern means at least one weight of a model.

        Raises:
            ArgumentError: one means none; it tells the close names.
        """
        slots = list(slots)
        known = {
            "layer_types": [{slot.layer_type} for slot in slots],
            "layers": [
                {*_layer_names(slot), *(f"{slot.stage}/{name}" for name in _layer_names(slot))} for slot in slots
            ],
            "weights": [set(_weight_names(slot)) for slot in slots],
        }
        for section, names in known.items():
            every = sorted(set().union(*names))
            for name in getattr(self, section):
                if not any(_means(name, other) for other in every):
                    raise ArgumentError(
                        f"the settings name {name!r}, which no {section[:-1].replace('_', ' ')} of the model matches",
                        fix=did_you_mean(name, every),
                    )


def _layer_names(slot: WeightSlot) -> tuple[str, ...]:
    names = (slot.layer, *slot.aliases)
    return (*(f"{slot.stage}/{name}" for name in names if slot.stage), *names)


def _weight_names(slot: WeightSlot) -> tuple[str, ...]:
    # Layers' names need not be unique; the place is.
    stage = f"{slot.stage}/" if slot.stage else ""
    return (f"#{slot.index}", slot.key, f"{slot.layer}.{slot.name}", *(f"{stage}{name}" for name in slot.aliases))


def _means(name: str, other: str) -> bool:
    return name == other or (any(sign in name for sign in _PATTERN) and fnmatchcase(other, name))


def _matching(entries: Mapping[str, Options], names: tuple[str, ...]) -> list[str]:
    """The entries that mean one of the names, the strongest last."""
    found = [name for name in entries if any(_means(name, other) for other in names)]
    return sorted(found, key=lambda name: name in names)


def _check_options(where: str, options: Any) -> None:
    if not isinstance(options, Mapping):
        raise ArgumentError(f"the options are {options!r}", where=f"settings, {where}", fix="Give a dictionary")
    for name in options:
        if name not in (*OPTIONS, "skip"):
            raise ArgumentError(
                f"there is no option {name!r}",
                where=f"settings, {where}",
                fix=did_you_mean(str(name), (*OPTIONS, "skip")),
            )
    if not isinstance(options.get("skip", False), bool):
        raise ArgumentError(f"'skip' is {options['skip']!r}", where=f"settings, {where}", fix="Give true or false")


def _text_of(source: str | os.PathLike[str]) -> tuple[str, str]:
    if isinstance(source, str) and source.lstrip().startswith("{"):
        return source, "the settings"
    try:
        return Path(source).read_text(encoding="utf-8"), os.fspath(source)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"the settings cannot be read: {error}", where=os.fspath(source)) from error
