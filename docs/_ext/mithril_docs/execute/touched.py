"""Inside a page's process: which functions of Mithril it calls, and what else of the package it reads.

A release candidate that changes none of that cannot change the page's result; see :mod:`mithril_docs.gate.changes`.
``sys.monitoring`` tells of the first call of each function, which costs nothing after that.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from types import CodeType
from typing import Any

from mithril_docs.backends import mithril_folder

#: An identifier of ``sys.monitoring`` that neither the standard library takes nor :mod:`mithril_docs.execute.raised`.
TOOL, NAME = 3, "mithril_docs.touched"
#: Compilers. What they start and read is theirs, unless an argument names a folder of the package.
COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "clang++", "ld", "as", "nvcc")
#: Modules with which Python starts processes that do not announce themselves.
_STARTERS = ("multiprocessing.popen_fork", "multiprocessing.popen_spawn_posix", "multiprocessing.popen_forkserver")


#: What this process notes with, where it was forked from one that made it; see :mod:`mithril_docs.execute.preload`.
recorder: Touched | None = None


class Touched:
    """Notes what of Mithril is called, from the moment that it is made."""

    def __init__(self) -> None:
        self._package = f"{mithril_folder()}{os.sep}"
        self._functions: set[tuple[str, str]] = set()
        self._imported: set[tuple[str, str]] = set()
        self._read: set[str] = set()
        self._beyond = ""
        self._starters: set[str] = set()
        self._active = False
        monitoring = sys.monitoring
        monitoring.use_tool_id(TOOL, NAME)
        monitoring.register_callback(TOOL, monitoring.events.PY_START, self._hear)
        monitoring.set_events(TOOL, monitoring.events.PY_START)
        sys.addaudithook(self._audit)

    def begin(self, again: bool = False) -> None:
        """Begin, for a page or a model: what was imported before counts, and nothing else of before.

        ``again``: this process has run something else since the imports, whose functions must be heard of once more.
        """
        if not self._imported:
            self._imported = set(self._functions)
        self._functions = set(self._imported)
        self._read, self._beyond, self._active = set(), "", True
        self._starters = {name for name in _STARTERS if name in sys.modules}
        if again:
            sys.monitoring.restart_events()

    def taken(self) -> dict[str, Any]:
        """What was touched since :meth:`begin`.

        Returns
        -------
        dict
            ``functions``, by file of the package the functions that were called, the module's own code as ``""``;
            ``read``, files of the package that were opened; and ``beyond``, why more may have been touched.
        """
        functions: dict[str, list[str]] = {}
        for file, name in sorted(self._functions):
            functions.setdefault(file, []).append(name)
        beyond = self._beyond
        if not beyond and any(name in sys.modules for name in _STARTERS if name not in self._starters):
            beyond = "it started a process of its own"
        if not beyond and _has_compiled():
            beyond = "PyTorch compiled functions without calling them"
        return {"functions": functions, "read": sorted(self._read), "beyond": beyond}

    def _hear(self, code: CodeType, offset: int, disable: Any = sys.monitoring.DISABLE) -> Any:
        file = code.co_filename
        if file.startswith(self._package):
            name = code.co_qualname.partition(".<locals>")[0]
            self._functions.add((file[len(self._package) :], "" if name == "<module>" else name))
        return disable  # by name, for at the interpreter's end there is no sys

    def _audit(self, event: str, words: tuple[Any, ...]) -> None:
        if not self._active:
            return
        if event == "open":
            path = words[0]
            if isinstance(path, str) and "mithril" in path and not path.endswith(".pyc"):
                self._read.add(_place(path))
        elif event == "subprocess.Popen":
            program, arguments = words[0], words[1]
            if not self._is_compiler(program, arguments):
                self._beyond = "it started a process of its own"
        elif event in ("os.system", "os.posix_spawn", "os.exec", "os.fork", "os.forkpty", "os.spawn"):
            self._beyond = "it started a process of its own"

    def _is_compiler(self, program: Any, arguments: Any) -> bool:
        with contextlib.suppress(TypeError, ValueError):
            words = [os.fsdecode(word) for word in ([arguments] if isinstance(arguments, str | bytes) else arguments)]
            name = os.path.basename(os.fsdecode(program or words[0]))  # noqa: PTH119
            known = any(name == compiler or name.startswith(f"{compiler}-") for compiler in COMPILERS)
            return known and not any(self._package.rstrip(os.sep) in word for word in words)
        return False


def _place(path: str) -> str:
    """A file in the package or in what its installer wrote about it: ``mithril/…`` or ``mithril-….dist-info/…``."""
    parts = Path(path).parts
    first = next((n for n, part in enumerate(parts) if part.startswith("mithril-") and part.endswith(".dist-info")), -1)
    if first < 0:
        first = len(parts) - 1 - parts[::-1].index("mithril") if "mithril" in parts else len(parts) - 1
    return "/".join(parts[first:])


def _has_compiled() -> bool:
    """Whether PyTorch's compiler was at work: it follows calls without making them."""
    return "torch._dynamo.convert_frame" in sys.modules
