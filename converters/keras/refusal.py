"""How a converter says that it cannot express a layer."""

from __future__ import annotations


class LayerRefused(Exception):  # caught by the walk, which collects all refusals of a model
    """A layer cannot be converted.

    Args:
        reason: why, without the final stop.
        closest: the closest form that can be converted, "" when there is none.
    """

    def __init__(self, reason: str, closest: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.closest = closest
