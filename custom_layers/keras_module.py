"""The installed Keras, imported when it is first needed, on a backend that is installed."""

from __future__ import annotations

import json
import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mltoolkit.errors import MissingExtraError

logger = logging.getLogger(__name__)


def load_keras(purpose: str) -> Any:
    """The module ``keras``.

    Args:
        purpose: what needs it, for the error.

    Raises:
        MissingExtraError: Keras, or the backend it is set to, is not installed.
    """
    _choose_backend()
    try:
        import keras
    except ImportError as error:
        package = "keras" if error.name in (None, "keras") else str(error.name)
        raise MissingExtraError(package, "keras", purpose) from error
    return keras


def _choose_backend() -> None:
    """Let Keras start with a backend that is installed, where it is not imported yet and its own choice is not."""
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ:
        return
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        configured = json.loads((folder / "keras.json").read_text(encoding="utf-8")).get("backend", "tensorflow")
    except (OSError, ValueError, AttributeError):
        configured = "tensorflow"
    if find_spec(str(configured)) is not None:
        return
    backend = next((name for name in ("torch", "jax") if find_spec(name) is not None), None)
    if backend is not None:
        logger.info("Keras uses the backend %r; set KERAS_BACKEND for another", backend)
        os.environ["KERAS_BACKEND"] = backend
