"""The mapping of texts to integers and back (CategoricalMapping.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mltoolkit.errors import InputError, InvalidModelError, did_you_mean
from mltoolkit.formats.features import Feature, Interface, ScalarFeature, SequenceFeature, StringFeature
from mltoolkit.runtime.classical.base import Transformer, only
from mltoolkit.runtime.classical.registry import predicts


@predicts("categoricalMapping")
class CategoricalMapping(Transformer):
    """What a table says for a text or an integer, or for each of a list; a default for what it lacks."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        which = self.parameters.WhichOneof("MappingType")
        if which is None:
            raise InvalidModelError("the categorical mapping has no table")
        from_texts = which == "stringToInt64Map"
        self._table = dict(getattr(self.parameters, which).map)
        default = self.parameters.WhichOneof("ValueOnUnknown")
        if default is not None and default != ("int64Value" if from_texts else "strValue"):
            raise InvalidModelError("the default of the categorical mapping is of another type than its values")
        self._default = None if default is None else getattr(self.parameters, default)
        self._input = _described(interface.inputs, "input", texts=from_texts)
        self._output = _described(interface.outputs, "output", texts=not from_texts)
        self._list = isinstance(self._input, SequenceFeature)
        if self._list != isinstance(self._output, SequenceFeature):
            raise InvalidModelError("a categorical mapping makes lists of lists, and single values of single ones")

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The value, or the list of values."""
        given = values[self._input.name]
        made = [self._value(key) for key in given] if self._list else self._value(given)
        return {self._output.name: made}

    def _value(self, key: str | int) -> str | int:
        value: str | int | None = self._table.get(key, self._default)
        if value is None:
            raise InputError(
                f"the model's table has no {key!r}",
                where=f"input {self._input.name!r}",
                fix=did_you_mean(str(key), map(str, self._table)),
            )
        return value


def _described(features: tuple[Feature, ...], side: str, *, texts: bool) -> Feature:
    feature: Feature = only(features, side, *((StringFeature,) if texts else (ScalarFeature,)), SequenceFeature)
    if isinstance(feature, SequenceFeature) and (feature.item_type == "string") != texts:
        raise InvalidModelError(
            f"the list's items must be {'texts' if texts else 'integers'}", where=f"{side} {feature.name!r}"
        )
    return feature
