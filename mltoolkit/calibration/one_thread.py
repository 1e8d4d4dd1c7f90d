"""Matrix products in one thread each, so that several can run side by side.

OpenBLAS's own threads wait for each other by spinning: beside any other work on two cores, products of 500×2000
numbers took up to ten times as long with two threads as with one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    # Finding the libraries takes milliseconds; NumPy's are loaded when this module is.
    return ThreadpoolController()


@contextmanager
def one_thread_a_product() -> Iterator[None]:
    """NumPy's products and decompositions use one thread each inside; the setting is the whole process's."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
