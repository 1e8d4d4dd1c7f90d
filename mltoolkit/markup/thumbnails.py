"""Small pictures inside a page, as ``data:`` addresses."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

#: Longest side in pixels.
THUMBNAIL_SIZE = 160
# Pictures of less than half of this are enlarged.
_SMALL = 112
# Beyond this many pixels a file is not decoded for a thumbnail.
_MAX_PIXELS = 1 << 26


def thumbnail_uri(source: Path | Any, size: int = THUMBNAIL_SIZE) -> str:
    """A small copy of a picture as the address of an image.

    Args:
        source: a picture file, or a PIL image, which stays as it is.
        size: its longest side in pixels.

    Returns:
        ``data:image/jpeg;base64,…``; "" for a file that is gone or cannot be read.
    """
    from PIL import Image

    try:
        image = Image.open(source) if isinstance(source, Path) else source.copy()
        if image.width * image.height > _MAX_PIXELS:
            return ""
        image.draft("RGB", (size, size))
        image = image.convert("RGB")
        image.thumbnail((size, size))
        # A digit of 28 pixels is shown larger, each pixel as a square.
        times = _SMALL // max(image.width, image.height)
        if times > 1:
            image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
        data = io.BytesIO()
        image.save(data, "JPEG", quality=80)
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError):
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")
