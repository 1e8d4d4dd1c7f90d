"""Remarks that every row of a sweep would repeat, such as that two pictures cannot be read."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


class _Once(logging.Filter):
    """Lets a message of mltoolkit's through the first time."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[tuple[str, str]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.name, record.getMessage()
        if not record.name.startswith("mltoolkit") or message not in self._seen:
            self._seen.add(message)
            return True
        return False


@contextlib.contextmanager
def remarks_once() -> Iterator[None]:
    """While the block runs, log handlers show each message of mltoolkit once, whichever thread it comes from."""
    # Modules make their loggers when they are imported, perhaps within the block: handlers are there already.
    handlers = [*logging.getLogger().handlers, *logging.getLogger("mltoolkit").handlers]
    handlers += [logging.lastResort] if logging.lastResort is not None else []
    # A filter each: the same record goes to every handler.
    filters = [(handler, _Once()) for handler in handlers]
    for handler, once in filters:
        handler.addFilter(once)
    try:
        yield
    finally:
        for handler, once in filters:
            handler.removeFilter(once)
