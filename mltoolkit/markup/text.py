"""Text of model files, made fit to be shown: bounded, without control characters, escaped."""

from __future__ import annotations

import re
from html import escape

# Control characters, the marks that turn the direction of text round, and halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: object, limit: int = 200, tail: float = 1 / 3) -> str:
    r"""A text as it is shown: at most ``limit`` characters, control characters as ``\x1b``.

    Of a longer one the beginning and the end remain, the end with this share: names of layers differ at their end.

    >>> shown("a\x1b[2Jb")
    'a\\x1b[2Jb'
    >>> shown("0123456789", 5)
    '012…9'
    """
    plain = str(text)
    if len(plain) > limit:
        end = int(limit * tail)
        plain = f"{plain[: limit - 1 - end]}…{plain[len(plain) - end :]}"
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), plain)


def escaped(text: object, limit: int = 200) -> str:
    """:func:`shown`, with the characters that HTML reads as markup escaped."""
    return escape(shown(text, limit))


def bytes_text(size: int) -> str:
    """A size in the unit that fits: 812 B, 4.1 kB, 1.3 MB.

    >>> bytes_text(1_318_931)
    '1.32 MB'
    """
    if size < 1000:
        return f"{size} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6)):
        if size < 1000 * factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size / 1e9:.3g} GB"


def counted(number: int, thing: str) -> str:
    """How many there are of something whose plural ends with s.

    >>> counted(1, "layer"), counted(1200, "layer")
    ('1 layer', '1,200 layers')
    """
    return f"{number:,} {thing}{'s' * (number != 1)}"


def shape_text(shape: tuple[object, ...] | None) -> str:
    """Sizes with × between them; ``?`` for one that is not known, ``scalar`` for none, ``any`` for no rank.

    >>> shape_text((1, None, 8))
    '1×?×8'
    """
    if shape is None:
        return "any"
    return "×".join(shown(size if size is not None else "?", 40) for size in shape) or "scalar"
