"""Work in threads: results in order, a bounded number ahead, errors where they belong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from mltoolkit.runtime.side_by_side import in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(in_order(work, range(20), threads)) == [number * number for number in range(20)]


def test_only_a_few_items_are_taken_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(lambda number: number, items(), 2, ahead=1)
    for done in range(10):
        assert next(results) == done
        assert len(taken) <= done + 3
    results.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(taken) <= 13


def test_two_items_are_worked_on_at_once() -> None:
    meeting = threading.Barrier(2, timeout=10)
    assert len(list(in_order(lambda _: meeting.wait(), range(4), 2))) == 4


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_error_in_order_is_raised(threads: int) -> None:
    def work(number: int) -> int:
        if number >= 3:
            raise ValueError(f"number {number}")
        return number

    results = in_order(work, range(10), threads)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="number 3"):
        next(results)
