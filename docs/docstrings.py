"""Docstrings as the site shows them: roles become links, and examples code."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|attr|mod|exc):`~?(?P<name>[\w.]+)`")
EXAMPLE = re.compile(r"(?:^ *>>> .*\n(?:^ *(?:\S.*)\n?)*)+", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every object that was read."""
        if obj.docstring:
            obj.docstring.value = rewritten(obj.docstring.value)


def rewritten(text: str) -> str:
    """The docstring with Sphinx's roles as code and with its examples fenced."""
    text = ROLE.sub(lambda match: f"`{match['name'].rsplit('.', 1)[-1]}`", text)
    return EXAMPLE.sub(lambda match: f"```pycon\n{match[0].rstrip()}\n```\n", text + "\n").rstrip()
