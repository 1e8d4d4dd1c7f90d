"""Pictures that models of fewer and fewer bits make, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mltoolkit.markup.colours import LIGHT
from mltoolkit.markup.text import bytes_text, shown
from mltoolkit.sweeps.rows import SweepRow, Tile
from mltoolkit.sweeps.tiles import TILE_SIZE

if TYPE_CHECKING:
    from PIL import Image

_GAP = 12
_CELL = TILE_SIZE + _GAP
_FONT = 14
_LINE = 17
# The title, the two lines above each column, the two below each picture.
_TITLE = 46
_HEAD = 2 * _LINE + 6
_CAPTION = 2 * _LINE + 6


@dataclass(frozen=True)
class SheetColumn:
    """A column of a contact sheet.

    Attributes:
        head: the two lines above it.
        pictures: PNG files, one an input; None where there is none.
        captions: the two lines below each picture.
    """

    head: tuple[str, str]
    pictures: Sequence[Path | None]
    captions: Sequence[tuple[str, str]]


def row_column(row: SweepRow, folder: Path) -> SheetColumn:
    """The column of a row whose pictures lie in the sweep's folder."""
    return SheetColumn(
        (f"{row.nbits} bit{'s' * (row.nbits != 1)}", bytes_text(row.bytes)),
        [folder / tile.file if tile.file else None for tile in row.tiles],
        [_caption(tile) for tile in row.tiles],
    )


def contact_sheet(title: str, columns: Sequence[SheetColumn]) -> Image.Image:
    """A sheet with a line for each input and a column for each model.

    Args:
        title: the sheet's first line.
        columns: at least one, all with as many pictures.
    """
    from PIL import Image, ImageDraw, ImageFont

    lines = len(columns[0].pictures)
    size = len(columns) * _CELL + _GAP, _TITLE + _HEAD + lines * (_CELL + _CAPTION)
    sheet = Image.new("RGB", size, LIGHT["surface"])
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT)
    draw.text((_GAP, 12), shown(title, 120), fill=LIGHT["text"], font=ImageFont.load_default(_FONT + 4))
    for place, column in enumerate(columns):
        left = place * _CELL + _GAP
        _write(draw, left, _TITLE, column.head, font)
        for line, (file, caption) in enumerate(zip(column.pictures, column.captions, strict=True)):
            top = _TITLE + _HEAD + line * (_CELL + _CAPTION)
            if file is not None and file.is_file():
                with Image.open(file) as picture:
                    margins = (TILE_SIZE - picture.width) // 2, (TILE_SIZE - picture.height) // 2
                    sheet.paste(picture, (left + margins[0], top + margins[1]))
            _write(draw, left, top + TILE_SIZE + 4, caption, font)
    return sheet


def _caption(tile: Tile) -> tuple[str, str]:
    if not tile.file:
        return "", ""
    ratio = "equal" if tile.psnr_db == math.inf else f"PSNR {tile.psnr_db:.1f} dB"
    return ratio, "" if tile.ssim is None else f"SSIM {tile.ssim:.3f}"


def _write(draw: Any, left: int, top: int, texts: tuple[str, str], font: Any) -> None:
    draw.text((left, top), shown(texts[0], 32), fill=LIGHT["text"], font=font)
    draw.text((left, top + _LINE), shown(texts[1], 32), fill=LIGHT["muted"], font=font)
