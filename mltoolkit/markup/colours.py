"""Colours for light and dark, and how well one can be read on another.

The ratio is that of WCAG 2.2 (relative luminance, success criterion 1.4.3): 4.5 for text, 3 for lines and marks.
"""

from __future__ import annotations

# The kinds of layers that are told apart by colour, in the order of the legend.
FAMILIES = (
    "convolution",
    "matrix",
    "recurrent",
    "normalization",
    "activation",
    "pooling",
    "arithmetic",
    "shape",
    "control",
    "custom",
    "other",
)

LIGHT = {
    "page": "#f6f7f9",
    "surface": "#ffffff",
    "raised": "#eef1f5",
    "text": "#1b1f27",
    "muted": "#545d6b",
    "line": "#d5dae2",
    "edge": "#7a8496",
    "accent": "#1f5fd0",
    "on-accent": "#ffffff",
    "good": "#1a7040",
    "fair": "#8a5a00",
    "bad": "#b3261e",
    "hit": "#e3ecfc",
    "convolution": "#1f5fd0",
    "matrix": "#5b43c4",
    "recurrent": "#8a2fa8",
    "normalization": "#0b7075",
    "activation": "#a94c07",
    "pooling": "#1a7040",
    "arithmetic": "#566274",
    "shape": "#7a5c2e",
    "control": "#a3255c",
    "custom": "#b3261e",
    "other": "#4a5a52",
}

DARK = {
    "page": "#14171c",
    "surface": "#1d2128",
    "raised": "#282e38",
    "text": "#e8ebf0",
    "muted": "#a6afbd",
    "line": "#3a424f",
    "edge": "#8490a3",
    "accent": "#7fb0ff",
    "on-accent": "#0c1524",
    "good": "#5fd08f",
    "fair": "#f0bc5e",
    "bad": "#ff8f85",
    "hit": "#25344c",
    "convolution": "#7fb0ff",
    "matrix": "#b0a1ff",
    "recurrent": "#dd9bf5",
    "normalization": "#55d0d4",
    "activation": "#ffa869",
    "pooling": "#6fd39a",
    "arithmetic": "#b3bdcb",
    "shape": "#d8bd8c",
    "control": "#ff95bd",
    "custom": "#ff8f85",
    "other": "#a9bfb3",
}

# What is written in which colour on which, in every page and fragment: (text, ground).
TEXT_ON = (
    *((text, ground) for text in ("text", "muted") for ground in ("page", "surface", "raised")),
    *((text, ground) for text in ("accent", "good", "fair", "bad") for ground in ("page", "surface", "raised")),
    ("on-accent", "accent"),
    *((family, ground) for family in FAMILIES for ground in ("surface", "raised", "hit")),
    ("text", "hit"),
)
# Lines and marks that carry a meaning.
MARK_ON = tuple((mark, ground) for mark in ("edge", "accent") for ground in ("page", "surface"))


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours such as ``#1b1f27``, from 1 to 21.

    >>> round(contrast("#000000", "#ffffff"), 3)
    21.0
    """
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def variables(palette: dict[str, str]) -> str:
    """The palette as CSS variables: ``--text:#1b1f27;…``."""
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())
