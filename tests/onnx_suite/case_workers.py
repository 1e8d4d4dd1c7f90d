"""Checks cases in processes of their own, which may crash or hang."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from case_check import FORMATS, check_case
from cases import Case

# Seconds for one test in both formats; most take less than one.
_LIMIT = 180


def check_all(cases: Sequence[Case], count: int) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Name and outcomes by format of each case, in the order in which they finish."""
    # Forked, so that the cases and coremltools are loaded once.
    context = multiprocessing.get_context("fork")
    waiting = list(reversed(range(len(cases))))
    busy: dict[Connection, tuple[Any, int]] = {}
    while waiting or busy:
        while waiting and len(busy) < count:
            _start(context, cases, waiting.pop(), busy)
        ready = wait(list(busy), timeout=_LIMIT)
        for connection in ready or list(busy):
            assert isinstance(connection, Connection)
            process, index = busy.pop(connection)
            try:
                if not ready:
                    raise EOFError
                yield cases[index].name, connection.recv()
            except EOFError:
                reason = f"the process ended (exit code {process.exitcode})" if ready else f"took {_LIMIT} seconds"
                process.terminate()
                process.join()
                connection.close()
                crashed = {"status": "crashed", "reason": reason, "constants": False}
                yield cases[index].name, dict.fromkeys(FORMATS, crashed)
                continue
            if waiting:
                following = waiting.pop()
                connection.send(following)
                busy[connection] = (process, following)
            else:
                connection.send(None)
                process.join()
                connection.close()


def _start(context: Any, cases: Sequence[Case], index: int, busy: dict[Connection, tuple[Any, int]]) -> None:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, cases), daemon=True)
    process.start()
    theirs.close()
    ours.send(index)
    busy[ours] = (process, index)


def _work(connection: Connection, cases: Sequence[Case]) -> None:
    while (index := connection.recv()) is not None:
        connection.send({name: check_case(cases[index], name).as_json() for name in FORMATS})
