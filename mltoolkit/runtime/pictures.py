"""Decoding pictures: for predictions, and for comparisons, which count an unreadable one and go on."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from mltoolkit.errors import UnreadablePictureError

if TYPE_CHECKING:
    from PIL import Image

# Two threads must not decode one lazily opened PIL image at once.
_lazy_images = threading.Lock()


def decode(picture: Any, *, where: str | None = None) -> Any:
    """A fully decoded PIL image from a path; anything else is given back as it is.

    Args:
        picture: a path, a PIL image (decoded in place), or another value.
        where: what the picture is for, for messages.

    Raises:
        UnreadablePictureError: there is no such file, or it is no picture that PIL reads.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if isinstance(picture, Image.Image):
            with _lazy_images:
                picture.load()
            return picture
        if not isinstance(picture, (str, os.PathLike)):
            return picture
        with Image.open(picture) as image:
            image.load()
            return image
    except UnidentifiedImageError as error:
        raise UnreadablePictureError(
            f"the file {_name(picture)} is not a picture that can be read", where=where
        ) from error
    except FileNotFoundError as error:
        raise UnreadablePictureError(f"there is no file {_name(picture)}", where=where) from error
    # Pillow's decoders raise SyntaxError, ValueError and others of their own on damaged files.
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        raise UnreadablePictureError(f"the picture {_name(picture)} cannot be read: {reason}", where=where) from error


def _name(picture: str | os.PathLike[str] | Image.Image) -> str:
    if isinstance(picture, (str, os.PathLike)):
        return repr(os.fsdecode(picture))
    # PIL keeps the path of an image that was opened from a file.
    path = getattr(picture, "filename", None)
    return repr(os.fsdecode(path)) if path else "in memory"
