"""Run items in processes of their own, and keep what each gives, whatever it does to its process."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from signal import SIGKILL, Signals
from typing import Any, NamedTuple

from mithril_docs.backends import Backend

#: What keeps the result of an item with what of Mithril it touched, and says whether it could.
Keep = Callable[[Any, Any, dict[str, Any]], bool]
#: What is run in a process: it sends, for each item in order, a result and what of Mithril it touched.
Work = Callable[[Any, Backend, Any], None]
#: The result, and what was touched, of an item that took its process along, in these words.
Died = Callable[[str], tuple[Any, dict[str, Any]]]

_FORKSERVER = multiprocessing.get_context("forkserver")


def run_turns(todo: Sequence[Any], backend: Backend, timeout: float, keep: Keep, work: Work, died: Died) -> bool:
    """Run items in processes of their own, one after the other. Whether a result was lost.

    An item has a ``name`` and a ``page``, where it stands.

    One process runs many. An item that takes its process along is run once more, alone: it may not have been its
    fault. If it dies again, that is its result. But a busy machine may be why one is too slow or is killed, so nothing
    is kept of that.
    """
    waiting, tried, lost = list[Any](todo), set[str](), False
    while waiting:
        again = waiting[0].name in tried
        done, end = _run_some(waiting[:1] if again else waiting, backend, timeout, keep, work)
        del waiting[:done]
        if end is None:
            continue
        lost |= end.lost
        item = waiting[0]
        if end.lost or again:
            waiting.pop(0)
        if again and not end.lost:
            if end.proves:
                lost |= not keep(item, *died(end.words))
            else:
                print(f"FAILED {backend.name}: {item.name} on {item.page}, {end.words}, twice", file=sys.stderr)
                lost = True
        tried.add(item.name)
    return lost


class _End(NamedTuple):
    """How a process ended before it had run all of its items.

    Attributes
    ----------
    words
        What became of the first item without a result.
    proves
        Whether that says something of the item, if it happens again.
    lost
        Whether a result came and could not be kept.
    """

    words: str = ""
    proves: bool = False
    lost: bool = False


def _run_some(items: list[Any], backend: Backend, timeout: float, keep: Keep, work: Work) -> tuple[int, _End | None]:
    """Run items in one process. How many gave a result that is kept, and how it ended if these are not all."""
    ours, theirs = _FORKSERVER.Pipe()
    process = _FORKSERVER.Process(target=work, args=(items, backend, theirs))
    process.start()
    theirs.close()
    try:
        for done, item in enumerate(items):
            # What an item starts may have the pipe too, so its end is no sign that the process has ended.
            ready = wait([ours, process.sentinel], timeout)
            if not ready:
                return done, _End(f"did not end within {timeout:g} s")
            try:
                result = ours.recv() if ours in ready else None
            except (EOFError, OSError):
                result = None
            if result is None:
                process.join()
                return done, _End(f"the process died ({_status(process.exitcode)})", process.exitcode != -SIGKILL)
            if not keep(item, *result):
                return done, _End(lost=True)
        return len(items), None
    finally:
        process.kill()
        process.join()
        ours.close()


def _status(code: int | None) -> str:
    return f"signal {Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
