"""The exception tree drawn in errors.py is the one that is defined there."""

from __future__ import annotations

import re

from mltoolkit import errors


def test_the_drawn_tree_is_true() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ((?:[│ ]   )*)[├└]── (\w+)", line)
        if found is None:
            if line.strip() == "MLToolkitError":
                above = ["MLToolkitError"]
            continue
        depth = len(found.group(1)) // 4
        above[depth + 1 :] = [found.group(2)]
        drawn[found.group(2)] = above[depth]
    defined = {
        name: kind.__bases__[0].__name__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.MLToolkitError) and kind is not errors.MLToolkitError
    }
    assert drawn == defined
