"""One HTML file that needs nothing else: style, scripts and data inside, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from mltoolkit.markup.colours import DARK, FAMILIES, LIGHT, variables
from mltoolkit.markup.text import escaped

_SCRIPTS = ("drawing.js", "panel.js", "address.js", "saving.js", "control.js")

_PAGE = """<!doctype html>
<html lang="en" data-theme="auto">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="mltoolkit">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header id="bar">
<h1>{title}</h1><span class="small">{subtitle}</span>
<div id="finder" role="search">
<input id="search" type="search" role="combobox" aria-label="Search layers by name, type or class" aria-expanded="false"
 aria-controls="found" aria-autocomplete="list" placeholder="Search layers ( / )" autocomplete="off" spellcheck="false">
<span id="count" role="status" aria-live="polite"></span>
<ul id="found" role="listbox" aria-label="Layers found" hidden></ul>
</div>
<div id="tools" role="toolbar" aria-label="View">
<button id="out" type="button" aria-label="Smaller">−</button>
<button id="percent" type="button" aria-label="Actual size">100 %</button>
<button id="in" type="button" aria-label="Larger">+</button>
<button id="all" type="button">Fit</button>
<button id="save" type="button" aria-label="Save the graph as SVG">SVG</button>
<button id="theme" type="button" aria-label="Colours: automatic, light or dark">◐ auto</button>
</div>
</header>
<main id="stage">
<svg role="group" aria-label="Graph of the model's layers. Arrow keys go along the lines, Enter shows a layer.">
<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8.5" markerHeight="8.5" orient="auto"
 markerUnits="userSpaceOnUse">
<path d="M0 0.6L7.4 4L0 7.4z"/></marker></defs>
<g id="world"></g></svg>
<div id="map" aria-hidden="true" hidden><canvas></canvas><div id="map-view"></div></div>
<noscript><p>This page draws the model with its own script, which is turned off here.</p></noscript>
</main>
<aside id="panel" aria-label="Details" tabindex="0"></aside>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def make_page(data: dict[str, Any]) -> str:
    """The page that shows :func:`mltoolkit.visualization.page_data.page_data`."""
    style, script = _style(), _script()
    # Nothing is loaded, and no script or style runs but these two.
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return _PAGE.format(
        policy=policy,
        title=escaped(data["title"]),
        subtitle=escaped(data["subtitle"]),
        style=style,
        script=script,
        data=embedded_json(data),
    )


def embedded_json(value: Any) -> str:
    r"""JSON that may stand inside a script element: no text in it can end the element or open a comment.

    >>> embedded_json("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def _style() -> str:
    colours = (
        f":root{{color-scheme:light;{variables(LIGHT)}}}"
        f"@media(prefers-color-scheme:dark){{:root{{color-scheme:dark;{variables(DARK)}}}}}"
        f":root[data-theme=light]{{color-scheme:light;{variables(LIGHT)}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{variables(DARK)}}}"
    )
    families = "".join(f".f-{family}{{--c:var(--{family})}}" for family in FAMILIES)
    return colours + families + _asset("page.css")


@cache
def _script() -> str:
    return '(()=>{"use strict";\n' + "".join(_asset(name) for name in _SCRIPTS) + "})();"


def _asset(name: str) -> str:
    return (files("mltoolkit.visualization") / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    # A browser hashes what stands between the tags, with lines ended by a line feed alone.
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
