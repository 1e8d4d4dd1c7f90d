"""Spreading work over an executor with a bounded number of tasks under way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from mltoolkit.errors import ArgumentError
from mltoolkit.runtime.cores import available_cores

T = TypeVar("T")
R = TypeVar("R")

# A task costs about 0.1 ms in a thread pool and 1 ms in a process pool; a few samples a task make that
# vanish, and a few tasks a worker keep all of them busy to the end.
_TASKS_PER_WORKER = 8
_LARGEST_TASK = 32
_TASK_OF_UNKNOWN_WORK = 4
# Executors that do not tell their size, such as a cluster's.
_ASSUMED_WORKERS = 32


def worker_count(executor: Executor) -> int:
    """How many tasks the executor runs at once, guessed where it does not say."""
    workers = getattr(executor, "_max_workers", None)
    return workers if isinstance(workers, int) and workers > 0 else _ASSUMED_WORKERS


def task_size(workers: int, total: int | None) -> int:
    """How many samples go into one task.

    >>> task_size(2, 500), task_size(2, 5), task_size(2, None)
    (31, 1, 4)
    """
    if total is None:
        return _TASK_OF_UNKNOWN_WORK
    return max(1, min(_LARGEST_TASK, total // (workers * _TASKS_PER_WORKER)))


def in_tasks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of ``size``, the last one shorter; takes no item before it is asked for."""
    iterator = iter(items)
    while task := list(itertools.islice(iterator, size)):
        yield task


def run_tasks(
    executor: Executor, function: Callable[[list[T]], R], tasks: Iterable[list[T]], *, in_flight: int
) -> Iterator[R]:
    """The result of every task, in the order in which they finish.

    Never more than ``in_flight`` tasks wait or run, so that an endless iterator of tasks takes bounded
    memory. The first failure is raised and cancels what has not begun; so does closing the generator.
    """
    pending: set[Future[R]] = set()
    try:
        for task in tasks:
            pending.add(executor.submit(function, task))
            if len(pending) >= in_flight:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        for future in pending:
            future.cancel()


def default_executor() -> ThreadPoolExecutor:
    """One thread a core: decoding a picture and running a session both release the interpreter's lock."""
    return ThreadPoolExecutor(available_cores(), thread_name_prefix="mltoolkit-compare")


def check_executor(executor: object) -> None:
    """Check that it is an executor.

    Raises:
        ArgumentError: it has no ``submit``.
    """
    if not callable(getattr(executor, "submit", None)):
        raise ArgumentError(
            f"executor is a {type(executor).__name__}",
            fix="Give a concurrent.futures.Executor: ThreadPoolExecutor(), a dask client's get_executor()",
        )
