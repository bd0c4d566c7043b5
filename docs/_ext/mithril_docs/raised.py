"""Inside a kernel: note every error that reaches the page's own code, caught there or not.

``sys.monitoring`` tells of an error in each function that it passes through; those of the page itself count.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from types import CodeType
from typing import Any

#: An identifier of ``sys.monitoring`` that no tool of the standard library takes.
TOOL = 4
#: Characters of a traceback that are kept, from its end.
LONGEST = 20_000

_NOTED = "__mithril_docs_noted__"
_found: list[dict[str, Any]] = []
_pages_files = ""
_package = ""
_run = 0


def watch(shell: Any, kernels_files: str) -> None:
    """Begin, in a kernel's shell. ``kernels_files`` is how the names of the files begin that it gives to cells."""
    global _pages_files, _package
    import mithril

    _pages_files, _package = kernels_files, os.path.dirname(mithril.__file__) + os.sep  # noqa: PTH120
    shell.events.register("pre_run_cell", _count)
    events = sys.monitoring.events
    sys.monitoring.use_tool_id(TOOL, "mithril_docs")
    sys.monitoring.register_callback(TOOL, events.RAISE, _note)
    sys.monitoring.set_events(TOOL, events.RAISE)


def taken() -> str:
    """What was noted, as JSON: ``run`` counts the cells that ran from 1, ``site`` is file and line in Mithril."""
    return json.dumps(_found)


def _count(info: object) -> None:
    global _run
    _run += 1


def _note(code: CodeType, offset: int, error: BaseException) -> None:
    if not code.co_filename.startswith(_pages_files) or not isinstance(error, Exception):
        return
    lines = "".join(traceback.format_exception(error))[-LONGEST:]
    if hasattr(error, _NOTED):  # on its way up it passed another of the page's functions
        getattr(error, _NOTED)["traceback"] = lines
        return
    last = traceback.extract_tb(error.__traceback__)[-1]
    inside = last.filename.startswith(_package)
    noted = {
        "run": _run,
        "kind": type(error).__name__,
        "message": str(error),
        "site": [last.filename.removeprefix(_package), last.lineno] if inside else None,
        "traceback": lines,
    }
    setattr(error, _NOTED, noted)
    _found.append(noted)
