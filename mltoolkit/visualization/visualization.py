"""``visualize``: a model as one HTML file."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any

from mltoolkit.errors import ArgumentError, ModelFileError, UnsupportedModelError
from mltoolkit.formats.atomic_file import write_atomically
from mltoolkit.formats.model_file import path_of
from mltoolkit.markup.text import escaped
from mltoolkit.model import Model, load
from mltoolkit.visualization.graph import LayerGraph
from mltoolkit.visualization.model_layers import function_graphs, model_graph
from mltoolkit.visualization.page import make_page
from mltoolkit.visualization.page_data import page_data
from mltoolkit.visualization.picture import make_picture
from mltoolkit.visualization.weight_matching import look_at_weights

# Beyond these no browser is pleasant to use, and a hostile file may claim any number.
_MAX_NODES = 20_000
_MAX_EDGES = 60_000

# What the page takes for its reader's choice of light or dark: that of JupyterLab or VS Code, else the system's.
_FRAME_STYLE = (
    "[data-jp-theme-light=true] .mlt-frame,.vscode-light .mlt-frame{color-scheme:light}"
    "[data-jp-theme-light=false] .mlt-frame,.vscode-dark .mlt-frame{color-scheme:dark}"
)


class Visualization:
    """A model as an HTML page, which a notebook shows and a file can hold.

    Attributes:
        html: the whole page. It loads nothing from anywhere.
        name: the model's name.
        remarks: what the page says of itself: why shapes are missing, or how many weights have an original.
    """

    def __init__(self, html: str, name: str, remarks: tuple[str, ...] = ()) -> None:
        self.html = html
        self.name = name
        self.remarks = remarks

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file, replacing what is there.

        Raises:
            ArgumentError: the name does not end with .html.
            ModelFileError: the file cannot be written.
        """
        target = _page_path(path)
        try:
            write_atomically(target, self.html.encode())
        except OSError as error:
            raise ModelFileError(f"the page cannot be written: {error.strerror or error}", where=str(path)) from error

    def _repr_html_(self) -> str:
        # Apart from the notebook: the page can read nothing of it.
        return (
            f"<style>{_FRAME_STYLE}</style>"
            f'<iframe class="mlt-frame" srcdoc="{escape(self.html)}" sandbox="allow-scripts" '
            f'title="{escape(self.name[:200])}" '
            'style="width:100%;height:720px;border:1px solid #8884;border-radius:8px">'
            # A notebook that is not trusted takes the frame out and leaves what is in it.
            f"The graph of {escaped(self.name)} is shown when this cell is run, or the notebook trusted.</iframe>"
        )

    def __repr__(self) -> str:
        return f"<Visualization {self.name[:200]}: {len(self.html):,} characters of HTML>"


def visualize(model: Any, path: str | os.PathLike[str] | None = None, *, compared_with: Any = None) -> Visualization:
    """Show a model's layers as a graph: shapes on the edges, and each layer's parameters and weights on a click.

    Args:
        model: a :class:`~mltoolkit.model.Model`, or anything that :func:`mltoolkit.load` takes. Of an ML Program with
            several functions all are shown, weights that they share counted once; of one of its ``functions``, or
            one that was chosen with ``function_name``, that one.
        path: where to write the page, a name that ends with .html; nowhere by default.
        compared_with: the model before quantization, likewise. Then each weight has both histograms, and its signal to
            quantization noise ratio. Functions are compared with those of the same name.

    Returns:
        The page. In a notebook it shows itself.

    Raises:
        ArgumentError: ``path`` does not end with .html, or none of the weights are in ``compared_with``.
        ModelFileError: a model cannot be read, or the page cannot be written.
        InvalidModelError: a model contradicts itself.
        UnsupportedModelError: the model has more than 20,000 layers.

    >>> from mltoolkit.digits import digit_model_path
    >>> visualize(digit_model_path()).name
    'digits.mlmodel'
    """
    target = None if path is None else _page_path(path)
    shown, original = load(model), None if compared_with is None else load(compared_with)
    graph, remarks = model_graph(shown)
    _check_size(graph)
    matched = _look_at_weights(shown, graph, original)
    found = [*remarks]
    if original is not None:
        found.append(_match_remark(shown, original, graph, matched))
    html = make_page(page_data(shown, graph, make_picture(graph), found))
    page = Visualization(html, shown.name or shown.kind, tuple(found))
    if target is not None:
        page.save(target)
    return page


def _page_path(path: str | os.PathLike[str]) -> Path:
    target = path_of(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f"{str(path)!r} is no name for a page", fix="Give a name that ends with .html")
    if not target.parent.is_dir():
        raise ModelFileError("the page cannot be written: there is no such folder", where=str(path), fix="Make it")
    return target


def _check_size(graph: LayerGraph) -> None:
    nodes = edges = 0
    seen: set[int] = set()
    for inner, _ in graph.walk():
        nodes += 1
        if id(inner) not in seen:
            seen.add(id(inner))
            edges += len(inner.edges)
    if nodes > _MAX_NODES or edges > _MAX_EDGES:
        raise UnsupportedModelError(
            f"the model has {nodes:,} layers and {edges:,} edges; a page shows up to {_MAX_NODES:,} and {_MAX_EDGES:,}",
            fix="Visualize one of model.stages or model.functions",
        )


def _look_at_weights(model: Model, graph: LayerGraph, original: Model | None) -> int:
    after = function_graphs(model, graph)
    before = function_graphs(original, model_graph(original)[0]) if original is not None else {}
    if len(after) == len(before) == 1:
        # What runs in the one was made from what runs in the other, whatever they are called.
        before = dict(zip(after, before.values(), strict=True))
    return sum(
        look_at_weights(function, before.get(name), model.quantization_report) for name, function in after.items()
    )


def _match_remark(model: Model, original: Model, graph: LayerGraph, matched: int) -> str:
    count = sum(not weight.shared_with for _, node in graph.walk() for weight in node.weights)
    if count and not matched:
        raise ArgumentError(
            f"none of the {count} weights have a layer of the same name and shape in the original",
            where=f"{model.name} and {original.name}",
            fix="Give the model that this one was made from, in the same format",
        )
    size = f"{original.size:,} → {model.size:,} bytes"
    return f"Compared with {original.name or 'the original'}: {size}; {matched} of {count} weights are in both."
