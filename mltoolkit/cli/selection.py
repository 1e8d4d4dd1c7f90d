"""``--only`` and ``--skip``: layers by patterns of their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from mltoolkit.errors import ArgumentError, did_you_mean
from mltoolkit.model import Model
from mltoolkit.quantization.rewriting import open_rewriter


def layer_selector(model: Model, only: Sequence[str], skip: Sequence[str]) -> Callable[[str, str], bool] | None:
    """The predicate (layer, weight) → bool that the patterns stand for; None where there are no patterns.

    Raises:
        ArgumentError: a pattern matches no layer with weights.
    """
    if not only and not skip:
        return None
    layers = {slot.layer for slot in open_rewriter(model).slots}
    for pattern in (*only, *skip):
        if not any(fnmatchcase(layer, pattern) for layer in layers):
            raise ArgumentError(
                f"no layer with weights has a name that matches {pattern!r}", fix=did_you_mean(pattern, sorted(layers))
            )

    def selected(layer: str, weight: str) -> bool:
        wanted = not only or any(fnmatchcase(layer, pattern) for pattern in only)
        return wanted and not any(fnmatchcase(layer, pattern) for pattern in skip)

    return selected
