"""Inside a page's process: note every error that reaches the page's own code, caught there or not.

``sys.monitoring`` tells of an error in each function that it passes through; those of the page itself count. Watching
changes nothing that is watched: no error is touched, and none is kept alive.
"""

from __future__ import annotations

import os
import sys
import traceback
from types import CodeType, TracebackType
from typing import Any

from mithril_docs.backends import mithril_folder

#: An identifier of ``sys.monitoring`` that no tool of the standard library takes.
TOOL = 4
#: Characters of a traceback that are kept, from its end.
LONGEST = 20_000
#: Errors of a page that are noted. A page that raises more, in a loop, goes on at full speed.
MOST = 1_000
#: Functions of the page that an error's traceback grows by; one that recursed without end passes thousands.
DEEPEST = 50
#: How the names of the files begin that IPython gives to cells.
CELL = "<ipython-input-"


class Recorder:
    """Notes errors while it is entered."""

    def __init__(self) -> None:
        self._package = f"{mithril_folder()}{os.sep}"
        self._found: list[dict[str, Any]] = []
        self._seen: set[tuple[Any, ...]] = set()
        self._last: tuple[int, TracebackType | None, dict[str, Any], int] | None = None
        self._left = MOST
        sys.monitoring.use_tool_id(TOOL, "mithril_docs")
        sys.monitoring.register_callback(TOOL, sys.monitoring.events.RAISE, self._note)

    def __enter__(self) -> None:
        sys.monitoring.set_events(TOOL, sys.monitoring.events.RAISE if self._left else 0)

    def __exit__(self, *_: object) -> None:
        sys.monitoring.set_events(TOOL, 0)
        self._last = None

    def taken(self) -> list[dict[str, Any]]:
        """What was noted since it was last asked, with the fields of :class:`mithril_docs.results.Raised`."""
        found, self._found = self._found, []
        return found

    def _note(self, code: CodeType, offset: int, error: BaseException) -> None:
        if not code.co_filename.startswith(CELL) or not isinstance(error, Exception):
            return
        chain = error.__traceback__
        if chain is None:  # how an awaited result or the end of an iterator is told, inside the interpreter
            return
        if self._last and self._last[0] == id(error) and chain.tb_next is self._last[1]:
            # On its way up it passed another of the page's functions.
            _, _, noted, passed = self._last
            if passed < DEEPEST:
                noted["traceback"] = _lines(error)
            self._last = id(error), chain, noted, passed + 1
            return
        frames = [(frame.filename, frame.name, frame.lineno) for frame in traceback.extract_tb(chain)]
        kind, message = type(error).__name__, _words_of(error)
        place = (code.co_filename, offset, kind, message, frames[-1] if frames else None)
        if place in self._seen:
            return
        self._seen.add(place)
        self._left -= 1
        if not self._left:
            sys.monitoring.set_events(TOOL, 0)
        file, _, line = frames[-1]
        noted = {
            "kind": kind,
            "message": message,
            "site": [file.removeprefix(self._package), line] if file.startswith(self._package) else None,
            "inside": self._inside(error),
            "traceback": _lines(error),
        }
        self._last = id(error), chain, noted, 0
        self._found.append(noted)

    def _inside(self, error: BaseException | None) -> list[Any] | None:
        """The last frame in Mithril or in a program that it generated, of the error or of what caused it."""
        while error is not None:
            for frame in reversed(traceback.extract_tb(error.__traceback__)):
                if frame.filename == "<string>" or frame.filename.startswith(self._package):
                    return [frame.filename.removeprefix(self._package), frame.name, frame.lineno]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return None


def _lines(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))[-LONGEST:]
    except Exception:  # a message that cannot be read, somewhere in the chain
        return "".join(traceback.format_tb(error.__traceback__))[-LONGEST:]


def _words_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""
