"""Pieces of HTML for notebooks: a card with its own style, tables, facts, bars. Every text given is escaped.

Dark follows the theme of JupyterLab or VS Code where the notebook says which it has, else the reader's system.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mltoolkit.markup.colours import DARK, LIGHT, variables
from mltoolkit.markup.text import escaped

_CSS = """
.mlt{font:13px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif;color:var(--text);background:var(--surface);
border:1px solid var(--line);border-radius:8px;padding:12px 16px;max-width:1100px;overflow:auto;box-sizing:border-box}
.mlt h3{font-size:16px;font-weight:600;margin:0 0 2px;color:var(--text)}
.mlt h3+table{margin-top:8px}
.mlt h4{font-size:12px;margin:12px 0 4px;color:var(--muted);font-weight:600}
.mlt p{margin:0 0 8px;color:var(--muted)}
.mlt table{border-collapse:collapse;margin:0;border:0;font-size:12px;background:none;table-layout:auto;width:auto}
.mlt tr{background:none;border:0}
.mlt th,.mlt td{text-align:left;padding:3px 14px 3px 0;border:0;border-bottom:1px solid var(--line);vertical-align:top;
background:none;color:var(--text);overflow-wrap:break-word;max-width:420px;white-space:normal}
.mlt th{color:var(--muted);font-weight:600;overflow-wrap:normal}
.mlt th[scope=row]{white-space:nowrap}
.mlt th+td{max-width:760px;overflow-wrap:anywhere}
.mlt .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;overflow-wrap:normal}
.mlt summary{cursor:pointer;color:var(--accent);margin:6px 0}
.mlt .b{white-space:nowrap}
.mlt .t{display:inline-block;width:80px;height:8px;background:var(--raised);border-radius:4px;margin-right:8px;
vertical-align:middle;overflow:hidden}
.mlt .t i{display:block;height:100%;border-radius:4px}
.mlt .good{color:var(--good)}.mlt .fair{color:var(--fair)}.mlt .bad{color:var(--bad)}
.mlt i.good{background:var(--good)}.mlt i.fair{background:var(--fair)}.mlt i.bad{background:var(--bad)}
.mlt .p{display:flex;flex-wrap:wrap;gap:12px}
.mlt figure{margin:0;width:190px;border:1px solid var(--line);border-radius:6px;padding:8px;font-size:12px;
box-sizing:border-box;overflow-wrap:anywhere}
.mlt figure img{max-width:100%;height:auto;border-radius:4px;display:block;margin:0 auto 6px}
.mlt figcaption b{display:block}
""".strip().replace("\n", "")
# Three times the class: the rules of JupyterLab and VS Code for tables, which would centre them and turn their cells to
# the right, are of a lower rank then.
_CSS = _CSS.replace(".mlt", ".mlt.mlt.mlt")

STYLE = (
    f".mlt{{{variables(LIGHT)}}}@media(prefers-color-scheme:dark){{.mlt{{{variables(DARK)}}}}}"
    f"[data-jp-theme-light=true] .mlt,.vscode-light .mlt{{{variables(LIGHT)}}}"
    f"[data-jp-theme-light=false] .mlt,.vscode-dark .mlt{{{variables(DARK)}}}" + _CSS
)


def card(*parts: str) -> str:
    """Pieces of HTML, framed, with the style that they need. No scripts."""
    return f'<div class="mlt"><style>{STYLE}</style>{"".join(parts)}</div>'


def heading(title: str, remark: str = "") -> str:
    """A title and, below it, a line about it."""
    return f"<h3>{escaped(title)}</h3>" + (f"<p>{escaped(remark, 1000)}</p>" if remark else "")


def section(title: str) -> str:
    """A small title."""
    return f"<h4>{escaped(title)}</h4>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, numeric: Iterable[str] = ()) -> str:
    """A table.

    Args:
        head: names of the columns; none for a table without them.
        rows: cells: any text, or what :func:`bar` made.
        numeric: the columns whose cells stand at the right.
    """
    right = [name in set(numeric) for name in head]
    titles = "".join(
        f'<th scope="col"{_class(side)}>{escaped(name)}</th>' for name, side in zip(head, right, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(_cell(cell, bool(right) and right[index]) for index, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table>{f'<thead><tr>{titles}</tr></thead>' if titles else ''}<tbody>{body}</tbody></table>"


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """A table of names and what they are."""
    rows = "".join(f'<tr><th scope="row">{escaped(name)}</th>{_cell(value, False)}</tr>' for name, value in pairs)
    return f"<table><tbody>{rows}</tbody></table>"


def details(title: str, body: str, *, opened: bool = False) -> str:
    """A part that the reader may open."""
    return f"<details{' open' if opened else ''}><summary>{escaped(title)}</summary>{body}</details>"


class Html(str):
    """HTML that was made here, whose texts are escaped already."""

    __slots__ = ()


def bar(share: float, label: str, rating: str) -> Html:
    """A bar, ``share`` of it (0 to 1) filled, with a label.

    Args:
        share: how much is filled.
        label: the figure in words; it says all that the bar shows.
        rating: ``good``, ``fair`` or ``bad``.
    """
    width = 100 * min(max(share, 0.0), 1.0)
    return Html(
        f'<span class="b"><span class="t" aria-hidden="true"><i class="{rating}" style="width:{width:.0f}%"></i></span>'
        f'<span class="{rating}">{escaped(label)}</span></span>'
    )


def figure(image_uri: str, name: str, lines: Iterable[str]) -> str:
    """A picture with its name and some lines below it.

    Args:
        image_uri: a ``data:`` address, see :mod:`mltoolkit.markup.thumbnails`; "" where there is no picture.
        name: what the picture is.
        lines: what is said of it.
    """
    picture = f'<img src="{escaped(image_uri, len(image_uri) + 1)}" alt="{escaped(name)}">' if image_uri else ""
    texts = "".join(f"<div>{escaped(line)}</div>" for line in lines)
    return f"<figure>{picture}<figcaption><b>{escaped(name, 80)}</b>{texts}</figcaption></figure>"


def gallery(figures: Iterable[str]) -> str:
    """Figures side by side."""
    return f'<div class="p">{"".join(figures)}</div>'


def _cell(value: object, right: bool) -> str:
    return f"<td{_class(right)}>{value if isinstance(value, Html) else escaped(value, 1000)}</td>"


def _class(right: bool) -> str:
    return ' class="n"' if right else ""
