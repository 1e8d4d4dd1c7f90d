"""Matrix products in one thread each, so that several can run side by side.

OpenBLAS's own threads wait for each other by spinning: beside any other work on two cores, products of 500×2000
numbers took up to ten times as long with two threads as with one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    # Finding the libraries takes milliseconds; NumPy's are loaded when this module is.
    return ThreadpoolController()


class _Limit:
    """The limit of the whole process: the first who asks for it sets it, the last who leaves takes it back.

    Were each to take back what it found, those that overlap would leave others without the limit, or leave it behind.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._stack = ExitStack()

    def enter(self) -> None:
        with self._lock:
            if not self._holders:
                self._stack.enter_context(_controller().limit(limits=1, user_api="blas"))
            self._holders += 1

    def leave(self) -> None:
        with self._lock:
            self._holders -= 1
            if not self._holders:
                self._stack.close()


_limit = _Limit()


@contextmanager
def one_thread_a_product() -> Iterator[None]:
    """NumPy's products and decompositions use one thread each inside; the setting is the whole process's."""
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()
