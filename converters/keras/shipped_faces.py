"""Keras classes that mltoolkit brings, made known to Keras when a file refers to them."""

from __future__ import annotations

import json
import re
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mltoolkit.custom_layers.shipped import SHIPPED

# The package under which they register (keras.saving.register_keras_serializable).
_REGISTERED = re.compile(r"\bmltoolkit>(\w+)")


def import_shipped_faces(config: Any) -> None:
    """Import the shipped layers that a model's configuration refers to; Keras knows them from then on."""
    for name in sorted(set(_REGISTERED.findall(json.dumps(config)))):
        module = f"mltoolkit.custom_layers.{SHIPPED[name].module}.keras_layer" if name in SHIPPED else ""
        if module and find_spec(module) is not None:
            import_module(module)
