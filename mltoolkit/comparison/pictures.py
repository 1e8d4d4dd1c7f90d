"""Decoding picture files, so that an unreadable one is reported and not fatal."""

from __future__ import annotations

import threading
from os import PathLike
from typing import Any

from PIL import Image

# Two threads must not decode one lazily opened PIL image at once.
_lazy_images = threading.Lock()


class UnreadablePictureError(Exception):
    """A file could not be decoded; the message is the reason. It never leaves the comparison."""


def decode(picture: Any) -> Any:
    """A fully decoded PIL image from a path; anything else is given back as it is.

    Args:
        picture: a path, a PIL image (decoded in place), or another value.

    Raises:
        UnreadablePictureError: there is no such file, or it is no picture that PIL reads.
    """
    if isinstance(picture, Image.Image):
        with _lazy_images:
            _load(picture)
        return picture
    if not isinstance(picture, str | PathLike):
        return picture
    try:
        image: Image.Image = Image.open(picture)
    except Exception as error:  # decoders of hostile files raise nearly anything
        raise UnreadablePictureError(_reason(error)) from error
    with image:
        _load(image)
        return image


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:  # decoders of hostile files raise nearly anything
        raise UnreadablePictureError(_reason(error)) from error


def _reason(error: Exception) -> str:
    # An OSError's own text repeats the path, which the report states already.
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__
