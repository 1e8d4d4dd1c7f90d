"""Errors of the library in the words of the command line: ``--max-bytes 6416`` for ``max_bytes=6416``.

The library calls its arguments by their names in Python. Most options are named after their argument; the others
stand in ``RENAMED``. Names of one English word, such as ``limit``, are taken for arguments only where the sentence
shows it.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from mltoolkit.errors import MLToolkitError

#: Arguments whose option has another name; a command without that option keeps Python's word.
RENAMED = {
    "calibration_data": "--calibration",
    "class_labels": "--labels",
    "compared_with": "--original",
    "custom_conversion_functions": "--hooks",
    "function_name": "--function",
    "input_shapes": "--input-shape",
    "minimum_deployment_target": "--target",
    "modes": "--mode",
    "n_m_ratio": "--n-of-m",
    "names": "--name",
    "quantization_mode": "--mode",
    "selector": "--only or --skip",
    "short_description": "--description",
    "target_sparsity": "--sparsity",
    "version": "--model-version",
}

# What an argument may be given in a message: 'iOS16', 8, {'x': (1, 3)}; or nothing, as in "with selector=".
_VALUE = r"(?P<given>=(?P<value>'[^']*'|\{[^}]*\}|\([^)]*\)|[\w.+-]*\w)?)?"
# Quoted words are a model's or a user's own, and those with dots or slashes are files.
_NAME = r"(?<!['\w./-])(?P<name>[a-z]\w*)" + _VALUE + r"(?!['\w/-]|\.\w)"
_CALL = re.compile(r"\bmlt\.(\w+)\b")
# A word that is also English is an argument at the head of a sentence such as "seed is -1", or in a list of arguments.
_ENUMERATED = re.compile(r"(one of|and|or|not|,) $")
_SUBJECT = re.compile(r" (is|goes|lies|and) ")


def in_options(error: MLToolkitError, group: Any, command: str) -> str:
    """The message of an error, with the options of a command in place of Python's arguments.

    Args:
        error: what was raised.
        group: the command line.
        command: the name of its command that raised it; one that does not exist has no options.
    """
    if command not in group.commands:
        return str(error)
    options = options_of(group.commands[command])
    what, fix = (_translated(text, options, group.commands) for text in (error.what, error.fix or ""))
    return str(MLToolkitError(what, where=error.where, fix=fix or None))


def options_of(command: Any) -> dict[str, tuple[str, str]]:
    """Python argument → its option, and the one that says no to it ("" where there is none)."""
    found = {}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            found[parameter.name] = (parameter.opts[0], next(iter(parameter.secondary_opts), ""))
    there = {option for parameter in command.params for option in parameter.opts}
    return found | {name: (option, "") for name, option in RENAMED.items() if there.issuperset(option.split(" or "))}


def _translated(text: str, options: dict[str, tuple[str, str]], commands: Any) -> str:
    sure = any("_" in match["name"] or match["given"] for match in re.finditer(_NAME, text) if match["name"] in options)

    def option(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in options:
            return match[0]
        if "_" not in name and not match["given"] and name != "nbits":
            listed = sure and _ENUMERATED.search(text[: match.start()])
            subject = match.start() == 0 and _SUBJECT.match(text[match.end() :])
            if not listed and not subject:
                return match[0]
        return _with_value(*options[name], match["value"] or "")

    text = re.sub(_NAME, option, text)
    return _CALL.sub(lambda match: f"mltoolkit {match[1]}" if match[1] in commands else match[0], text)


def _with_value(option: str, opposite: str, value: str) -> str:
    if value in ("True", "False"):
        return option if value == "True" else opposite or f"no {option}"
    try:
        plain = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return option
    if isinstance(plain, dict):
        return " ".join(f"{option} {name}={','.join(map(str, sizes))}" for name, sizes in plain.items())
    return f"{option} {plain}"
