"""Keras, imported when a layer's Keras face is."""

from __future__ import annotations

from typing import Any

from mltoolkit.errors import MissingExtraError


def import_keras() -> Any:
    """The module ``keras``.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import keras
    except ModuleNotFoundError as error:
        if error.name != "keras":
            raise
        raise MissingExtraError("keras", "keras", "the Keras form of a custom layer") from error
    return keras
