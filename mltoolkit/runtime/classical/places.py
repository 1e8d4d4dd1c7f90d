"""Keys that stand for places of an array."""

from __future__ import annotations

from collections.abc import Sequence

from mltoolkit.errors import InvalidModelError

Key = str | int


def places(keys: Sequence[Key], what: str) -> dict[Key, int]:
    """The place of each key in a list.

    Args:
        keys: the list.
        what: what the keys are, for the message.

    Raises:
        InvalidModelError: there are none, or one stands twice.
    """
    made = {key: place for place, key in enumerate(keys)}
    if not made:
        raise InvalidModelError(f"the model has no {what}")
    if len(made) != len(keys):
        twice = next(key for place, key in enumerate(keys) if made[key] != place)
        raise InvalidModelError(f"{twice!r} stands twice among the {what}")
    return made
