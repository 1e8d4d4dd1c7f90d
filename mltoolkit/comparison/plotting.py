"""Plots through matplotlib (extra 'plots'): files, and SVG that takes the colours of the page it stands in."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from mltoolkit.errors import ArgumentError, MissingExtraError, ModelFileError
from mltoolkit.formats.atomic_file import write_atomically
from mltoolkit.formats.model_file import path_of
from mltoolkit.markup.colours import LIGHT
from mltoolkit.markup.text import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: What a plot may be written as.
SUFFIXES = (".png", ".svg", ".pdf")
#: The colours of plots, which become the page's own where a plot stands in a page.
COLOURS = {name: LIGHT[name] for name in ("text", "muted", "line", "accent", "good", "bad", "recurrent", "activation")}
#: Colours of several lines of one plot, in order.
CYCLE = tuple(COLOURS[name] for name in ("accent", "activation", "good", "recurrent", "bad", "muted"))

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
# Names of layers and labels are shown as they are: a $ in them begins no formula.
_SETTINGS = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "mltoolkit",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": COLOURS["text"],
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["text"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "grid.color": COLOURS["line"],
}


def require_plots(purpose: str) -> None:
    """Check, before any long work, that plots can be drawn.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plots", purpose)


@contextlib.contextmanager
def new_plot(purpose: str, width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure with one pair of axes, to be drawn and written inside the block.

    Args:
        purpose: what is drawn, for the message when matplotlib is not installed.
        width: in inches.
        height: in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require_plots(purpose)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: Any = _SETTINGS  # matplotlib types them by every name there is
    with mpl.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(visible=True, linewidth=0.6)
        axes.set_axisbelow(True)
        yield figure, axes


def check_plot_path(path: str | os.PathLike[str]) -> Path:
    """The path of a plot.

    Raises:
        ArgumentError: it is no path, or the suffix is none that a plot can have.
        ModelFileError: there is no such folder.
    """
    target = path_of(path)
    if target.suffix.lower() not in SUFFIXES:
        raise ArgumentError(
            f"a plot cannot be written as {target.suffix!r}", fix=f"Choose one of: {' '.join(SUFFIXES)}"
        )
    if not target.parent.is_dir():
        raise ModelFileError("the plot cannot be written: there is no such folder", where=str(target), fix="Make it")
    return target


def write_plot(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, SVG or PDF, whichever the suffix says.

    Raises:
        ArgumentError: the suffix is another.
        ModelFileError: the file cannot be written.
    """
    target = check_plot_path(path)
    data = io.BytesIO()
    # Without a date, the same plot gives the same file.
    kind = target.suffix[1:].lower()
    metadata = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    figure.savefig(data, format=kind, dpi=160, metadata=metadata, facecolor="white")
    try:
        write_atomically(target, data.getvalue())
    except OSError as error:
        raise ModelFileError(f"the plot cannot be written: {error.strerror}", where=str(target)) from error


def page_svg(figure: Figure, name: str, description: str) -> str:
    """A figure as an ``<svg>`` element for a page that defines the colours of ``markup.colours`` as CSS variables.

    Args:
        figure: made by :func:`new_plot`.
        name: what the identifiers inside begin with; unlike any other on the page.
        description: what a reader who cannot see it is told.
    """
    data = io.BytesIO()
    figure.savefig(data, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(data.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for key, value in element.attrib.items():
            element.set(key, _own_names(key, value, name))
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.set("role", "img")
    root.set("aria-label", shown(description, 1000))
    # Elements of a page have no namespace prefix.
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _own_names(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key.endswith("href"):
        return re.sub(r"^#", f"#{name}-", value)
    if key in ("style", "clip-path", "fill", "stroke"):
        value = re.sub(r"url\(#", f"url(#{name}-", value)
        for colour, hexadecimal in COLOURS.items():
            value = value.replace(hexadecimal, f"var(--{colour})")
    return value
