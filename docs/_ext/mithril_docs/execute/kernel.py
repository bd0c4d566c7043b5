"""A page's process, seen from the build. It starts at once: it is forked from a process with all imports done.

The standard library's ``forkserver`` keeps that process. Nothing has been computed in it, so a page cannot tell its
process from one that was started for it alone.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from mithril_docs.backends import Backend

_FORKSERVER = multiprocessing.get_context("forkserver")
_PRELOAD = "MITHRIL_DOCS_PRELOAD"
_STARTING = threading.Lock()
_backend = ""
_PACKAGE = str(Path(__file__).parent.parent.parent)


class PageTimeoutError(Exception):
    """A cell did not end in time."""


class PageDiedError(Exception):
    """The process of a page ended while a cell ran; the message says how."""


def preload(backend: Backend) -> None:
    """Begin to import what every page of a backend needs, and return at once."""
    global _backend
    _backend = backend.name
    _FORKSERVER.set_forkserver_preload(["mithril_docs.execute.preload"])
    _start_forking()


def _start_forking() -> None:
    """Start the process that forks where it does not run: a page may have ended it."""
    from multiprocessing import forkserver

    with _STARTING:
        os.environ[_PRELOAD] = _backend
        os.environ["PYTHONPATH"] = _PACKAGE
        forkserver.ensure_running()
        del os.environ["PYTHONPATH"], os.environ[_PRELOAD]


def try_out(code: str) -> bool:
    """Whether code runs in a process like a page's, once all is imported."""
    process = _FORKSERVER.Process(target=_try_out, args=(code,))
    try:
        process.start()
        process.join()
    except (EOFError, ConnectionError, BrokenPipeError):  # the imports failed
        return False
    return process.exitcode == 0


def _try_out(code: str) -> None:
    # The forking process passes over modules that it cannot import, without a word.
    if "mithril_docs.execute.preload" not in sys.modules:
        sys.exit(1)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    exec(code, {})


class Kernel:
    """The process of a page, in a folder of its own.

    Raises
    ------
    PageDiedError
        It could not be started.
    """

    def __init__(self, folder: str) -> None:
        from mithril_docs.execute import target

        for wait_first in (0.0, 0.1, 1.0):  # what forks may be on its way to its end
            time.sleep(wait_first)
            _start_forking()
            self._pipe, theirs = _FORKSERVER.Pipe()
            self._process = _FORKSERVER.Process(target=target.serve, args=(theirs, folder, [_PACKAGE]))
            with contextlib.suppress(EOFError, OSError):
                self._process.start()
                theirs.close()
                return
        raise PageDiedError("it did not start")

    @property
    def number(self) -> int:
        """The number of the process."""
        return self._process.pid or 0

    def run(self, source: str, timeout: float) -> dict[str, Any]:
        """Run a cell.

        Returns
        -------
        dict
            ``outputs`` by the cell's place among those that ran, with those of earlier cells that changed; ``error``,
            its ``kind`` and ``message``, or None; ``seconds``; ``raised``, as :class:`mithril_docs.results.Raised`;
            and ``cut``, whether it wrote more than is kept.

        Raises
        ------
        PageTimeoutError
            It did not end within ``timeout`` seconds.
        PageDiedError
            The process ended.
        """
        return self._ask({"cell": source}, timeout)

    def values(self, names: list[str], timeout: float) -> dict[str, dict[str, Any]]:
        """What expressions are worth: each a ``value`` of numbers, or an ``error`` in words. Raises as :meth:`run`."""
        return self._ask({"values": names}, timeout)

    def touched(self, timeout: float) -> dict[str, Any]:
        """What of Mithril the page touched: see :mod:`mithril_docs.execute.touched`. Raises as :meth:`run`."""
        return self._ask({"touched": True}, timeout)

    def stop(self) -> None:
        """End the process and all that it started, whatever state they are in."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.number, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _ask(self, request: dict[str, Any], timeout: float) -> Any:
        try:
            self._pipe.send_bytes(json.dumps(request).encode())
        except OSError:
            raise self._death() from None
        # A page may hand the pipe on to processes of its own, so its end is no sign of death.
        ready = wait([self._pipe, self._process.sentinel], timeout)
        if self._pipe in ready:
            with contextlib.suppress(EOFError, OSError):
                return json.loads(self._pipe.recv_bytes())
        elif not ready:
            raise PageTimeoutError
        raise self._death()

    def _death(self) -> PageDiedError:
        self._process.join(5)
        code = self._process.exitcode
        if code is not None and code < 0:
            return PageDiedError(f"signal {signal.Signals(-code).name}")
        return PageDiedError(f"exit status {code}")
