"""That a node cannot be written."""

from __future__ import annotations


class Refusal(Exception):
    """Raised by a writer; the walk over the graph collects them, so that a caller never sees this class.

    Attributes:
        reason: why the node cannot be written, without the final stop.
        closest: the closest form that can be, "" when there is none.
    """

    def __init__(self, reason: str, closest: str = "") -> None:
        self.reason = reason
        self.closest = closest
        super().__init__(reason)
