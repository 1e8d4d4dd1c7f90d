"""The identity (Identity.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mltoolkit.errors import InputError, InvalidModelError
from mltoolkit.formats.features import Interface
from mltoolkit.runtime.classical.base import Transformer
from mltoolkit.runtime.classical.registry import predicts


@predicts("identity")
class Identity(Transformer):
    """The inputs as outputs: each output is the input of its name, or all are in the inputs' order."""

    def __init__(self, spec: Any, interface: Interface) -> None:
        super().__init__(spec, interface)
        inputs = [feature.name for feature in interface.inputs]
        outputs = [feature.name for feature in interface.outputs]
        if set(outputs) <= set(inputs):
            self._source = {name: name for name in outputs}
        elif len(outputs) == len(inputs):
            self._source = dict(zip(outputs, inputs, strict=True))
        else:
            raise InvalidModelError(f"the identity makes {len(outputs)} outputs of {len(inputs)} inputs")
        types = {feature.name: type(feature) for feature in interface.inputs}
        for feature in interface.outputs:
            if not isinstance(feature, types[self._source[feature.name]]):
                raise InvalidModelError(
                    "the identity's output is of another type than its input",
                    where=f"output {feature.name!r}",
                )

    def transform(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values under the outputs' names."""
        made = {output: values[name] for output, name in self._source.items()}
        for output, value in made.items():
            if value is None:
                raise InputError("no value is given", where=f"input {self._source[output]!r}")
        return made
