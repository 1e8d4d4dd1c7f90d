"""The examples in docstrings, which the site shows, give what they say."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import mltoolkit

# Their import needs Keras, or starts the command line.
LEFT_OUT = ("keras_layer", "__main__", "mltoolkit.converters.keras", "mltoolkit.custom_layers.keras_module")


def with_examples() -> list[str]:
    """The modules whose text has an example."""
    names = [mltoolkit.__name__]
    names += [module.name for module in pkgutil.walk_packages(mltoolkit.__path__, "mltoolkit.", onerror=lambda _: None)]
    found = []
    for name in names:
        if any(part in name for part in LEFT_OUT):
            continue
        spec = importlib.util.find_spec(name)
        if spec and spec.origin and ">>> " in Path(spec.origin).read_text(encoding="utf-8"):
            found.append(name)
    return found


@pytest.mark.parametrize("name", with_examples())
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, report=True)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples of {name}"


def test_public_names_say_what_they_do() -> None:
    """Everything that the reference shows has a docstring, and functions say their arguments."""
    for name in mltoolkit.__all__:
        value = getattr(mltoolkit, name)
        if isinstance(value, str):
            continue
        assert value.__doc__, name
        if inspect.isfunction(value) and len(inspect.signature(value).parameters) > 1:
            assert "Args:" in value.__doc__, f"{name} does not say what its arguments are"
            for parameter in inspect.signature(value).parameters:
                assert f"{parameter}:" in value.__doc__, f"{name} does not say what {parameter} is"
