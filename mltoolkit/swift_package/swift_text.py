"""Names and literals in Swift source text."""

from __future__ import annotations

import re

_RESERVED = frozenset(
    """
    Any as associatedtype break case catch class continue default defer deinit do else enum extension fallthrough
    false fileprivate for func guard if import in init inout internal is let nil operator private precedencegroup
    protocol public repeat rethrows return self Self static struct subscript super switch throw throws true try
    typealias var where while Type Protocol
    """.split()  # noqa: SIM905  # words read better than quoted words
)


def identifier(name: str) -> str:
    """A Swift identifier that looks like ``name``.

    >>> identifier("my-layer 2")
    'my_layer_2'
    >>> identifier("class")
    'class_'
    """
    text = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
    if text[0].isdigit():
        text = f"_{text}"
    return f"{text}_" if text in _RESERVED else text


def literal(text: str) -> str:
    r"""A Swift string literal.

    >>> literal('say "hi" \\(x)')
    '"say \\"hi\\" \\\\(x)"'
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in escaped) + '"'


def comment(text: str) -> str:
    """One line of a ``///`` comment: line ends and other control characters become spaces."""
    return "".join(char if char.isprintable() else " " for char in text)
