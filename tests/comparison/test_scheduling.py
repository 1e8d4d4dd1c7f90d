"""Bounded work on an executor."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mltoolkit.comparison.scheduling import check_executor, in_tasks, run_tasks, task_size, worker_count
from mltoolkit.errors import ArgumentError


def test_tasks_hold_every_item_once() -> None:
    assert list(in_tasks(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(in_tasks([], 3)) == []


@pytest.mark.parametrize("workers", [1, 2, 64])
@pytest.mark.parametrize("total", [1, 10, 500, 10**6])
def test_task_sizes_leave_work_for_every_worker(workers: int, total: int) -> None:
    size = task_size(workers, total)
    assert 1 <= size <= 32
    assert total // size >= min(workers, total)


def test_an_endless_iterator_is_read_in_bounded_steps() -> None:
    taken = 0

    def endless():
        nonlocal taken
        for number in itertools.count():
            taken += 1
            yield [number]

    with ThreadPoolExecutor(2) as executor:
        results = run_tasks(executor, sum, endless(), in_flight=4)
        for received in range(1, 101):
            next(results)
            # At most four tasks are under way, and one wait may bring several results at once.
            assert taken <= received + 4 + 4, (taken, received)
        results.close()


def test_a_failure_stops_the_rest() -> None:
    begun: list[int] = []

    def work(task: list[int]) -> int:
        begun.append(task[0])
        if task[0] == 3:
            raise ValueError("three")
        time.sleep(0.001)
        return task[0]

    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="three"):
        list(run_tasks(executor, work, ([number] for number in range(1000)), in_flight=4))
    assert len(begun) <= 8, begun


def test_all_workers_work_at_once() -> None:
    meeting = threading.Barrier(3, timeout=10)
    with ThreadPoolExecutor(3) as executor:
        found = list(run_tasks(executor, lambda task: meeting.wait(), ([n] for n in range(3)), in_flight=6))
    assert sorted(found) == [0, 1, 2]


def test_worker_count() -> None:
    with ThreadPoolExecutor(3) as executor:
        assert worker_count(executor) == 3


def test_what_is_no_executor() -> None:
    with pytest.raises(ArgumentError, match="executor is a int"):
        check_executor(4)
