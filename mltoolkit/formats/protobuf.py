"""Core ML's protobuf classes, without the cost of ``import coremltools``.

coremltools' ``__init__`` takes seconds and prints to stderr; its generated protobuf modules alone load in
milliseconds. They are imported here under their real name from a bare stand-in package, which is removed
again, so that a later ``import coremltools`` is the real one. The descriptor pool hands out the same message
classes to both.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import types
from typing import Any

from mltoolkit.errors import ModelFileError

# The newest specification (iOS 26) that the classes of coremltools 9 cover.
NEWEST_SPECIFICATION_VERSION = 10
_PACKAGE = "coremltools"
_lock = threading.Lock()
_loaded: dict[str, types.ModuleType] = {}


def _import_proto_module(name: str) -> types.ModuleType:
    full_name = f"{_PACKAGE}.proto.{name}"
    if _PACKAGE in sys.modules:
        return importlib.import_module(full_name)
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ModelFileError(
            "the package 'coremltools', which holds Core ML's protobuf classes, is not installed",
            fix="Install it with: pip install 'coremltools>=9,<10'",
        )
    stand_in = types.ModuleType(_PACKAGE)
    stand_in.__path__ = list(found.submodule_search_locations)
    sys.modules[_PACKAGE] = stand_in
    try:
        return importlib.import_module(full_name)
    finally:
        for key in [key for key in sys.modules if key == _PACKAGE or key.startswith(_PACKAGE + ".")]:
            del sys.modules[key]


def proto_module(name: str) -> Any:
    """A generated module.

    Args:
        name: ``Model_pb2``, ``NeuralNetwork_pb2``, ``MIL_pb2`` or ``FeatureTypes_pb2``.

    Returns:
        The module; typed as ``Any`` because the generated classes carry no annotations.

    Raises:
        ModelFileError: coremltools is not installed.
    """
    with _lock:
        if name not in _loaded:
            _loaded[name] = _import_proto_module(name)
        return _loaded[name]


def new_model() -> Any:
    """An empty ``CoreML.Specification.Model`` message."""
    return proto_module("Model_pb2").Model()
