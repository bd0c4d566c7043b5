"""Inside a page's process: note every error that reaches the page's own code, caught there or not.

``sys.monitoring`` tells of an error in each function that it passes through; those of the page itself count. Watching
changes nothing that is watched: no error is touched or kept alive, no code of the page's own is called for a message
or a traceback, and an error that cannot be noted without that is noted with less.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from types import CodeType, TracebackType, WrapperDescriptorType
from typing import Any

from mithril_docs.backends import mithril_folder

#: An identifier of ``sys.monitoring`` that no tool of the standard library takes.
TOOL, NAME = 4, "mithril_docs"
#: Characters of a traceback that are kept, from its end.
LONGEST = 20_000
#: Errors that are noted of a page, and of those from one place that come to another one: in a loop they are many.
MOST, ALIKE = 1_000, 8
#: Errors of those that are looked at for whether they say something new.
LOOKS = 40
#: How often the functions of one cell pass an error. The cell goes on at full speed after that.
HEARD = 400
#: Functions of the page that an error's traceback grows by; one that recursed without end passes thousands.
DEEPEST = 10
#: How the names of the files begin that IPython gives to cells.
CELL = "<ipython-input-"


def _slot(owner: type, name: str) -> Callable[[Any], Any]:
    """What reads an attribute past all that a class may define in its place."""
    return vars(owner)[name].__get__


_traceback_of = _slot(BaseException, "__traceback__")
_cause_of = _slot(BaseException, "__cause__")
_context_of = _slot(BaseException, "__context__")
_hides_context = _slot(BaseException, "__suppress_context__")
_args_of = _slot(BaseException, "args")
_members_of = _slot(BaseExceptionGroup, "exceptions")
_object_of = _slot(AttributeError, "obj")
_name_of = _slot(type, "__name__")
_module_of = _slot(type, "__module__")
_bases_of = _slot(type, "__mro__")


@dataclasses.dataclass
class _Seen:
    """What came from one place to another one: where that is, how often it was looked at, and what was noted of it."""

    code: tuple[CodeType, CodeType]
    looks: int = 0
    told: set[tuple[str, str]] = dataclasses.field(default_factory=set)


class Recorder:
    """Notes errors while it is entered."""

    def __init__(self) -> None:
        self._package = f"{mithril_folder()}{os.sep}"
        self._found: list[dict[str, Any]] = []
        self._seen: dict[tuple[int, int, int, int], _Seen] = {}
        self._last: tuple[int, dict[str, Any] | None, int] = (0, None, 0)
        self._left = MOST
        self._heard = 0

    def __enter__(self) -> None:
        if not self._left:
            return
        self._heard = 0
        with contextlib.suppress(ValueError):  # the page has a tool of its own by this number
            if sys.monitoring.get_tool(TOOL) is None:
                sys.monitoring.use_tool_id(TOOL, NAME)
            if sys.monitoring.get_tool(TOOL) == NAME:
                sys.monitoring.register_callback(TOOL, sys.monitoring.events.RAISE, self._hear)
                sys.monitoring.set_events(TOOL, sys.monitoring.events.RAISE)

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._last = (0, None, 0)

    def taken(self) -> list[dict[str, Any]]:
        """What was noted since it was last asked, with the fields of :class:`mithril_docs.results.Raised`."""
        found, self._found = self._found, []
        return found

    def _stop(self) -> None:
        with contextlib.suppress(ValueError):
            if sys.monitoring.get_tool(TOOL) == NAME:
                sys.monitoring.set_events(TOOL, 0)

    def _hear(self, code: CodeType, offset: int, error: BaseException) -> None:
        if not code.co_filename.startswith(CELL) or not issubclass(type(error), Exception):
            return
        self._heard += 1
        if self._heard > HEARD or not self._left:
            self._stop()
            return
        chain = _traceback_of(error)
        if chain is not None:  # None is how an awaited result or the end of an iterator is told to the interpreter
            try:  # noqa: SIM105 - this is fast, and many come here
                self._note(code, offset, error, chain)
            except Exception:  # it would take the place of the page's own
                pass

    def _note(self, code: CodeType, offset: int, error: BaseException, chain: TracebackType) -> None:
        known = False
        last = chain
        while last.tb_next is not None:
            last = last.tb_next
            known |= last.tb_frame.f_code.co_filename.startswith(CELL)
        if known:  # on its way up it passed another of the page's functions
            name, noted, passed = self._last
            if name == id(error) and noted and passed < DEEPEST:
                noted["traceback"] = _lines(error)
                self._last = name, noted, passed + 1
            return
        self._last = (0, None, 0)
        origin = last.tb_frame.f_code
        key = id(code), offset, id(origin), last.tb_lasti
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen((code, origin))
        if seen.looks == LOOKS or len(seen.told) == ALIKE:
            return
        seen.looks += 1
        told = _name_of(type(error)), _message(error)
        if told in seen.told:
            return
        seen.told.add(told)
        file = origin.co_filename
        noted = {
            "kind": told[0],
            "message": told[1],
            "site": [file.removeprefix(self._package), last.tb_lineno] if file.startswith(self._package) else None,
            "inside": self._inside(error),
            "traceback": _lines(error),
        }
        self._left -= 1
        self._last = id(error), noted, 0
        self._found.append(noted)

    def _inside(self, error: BaseException | None) -> list[Any] | None:
        """The last frame in Mithril or in a program that it generated, of the error or of what caused it."""
        while error is not None:
            found = None
            chain = _traceback_of(error)
            while chain is not None:
                code = chain.tb_frame.f_code
                if code.co_filename == "<string>" or code.co_filename.startswith(self._package):
                    found = [code.co_filename.removeprefix(self._package), code.co_name, chain.tb_lineno]
                chain = chain.tb_next
            if found:
                return found
            error = _cause_of(error) or (None if _hides_context(error) else _context_of(error))
        return None


def _lines(error: BaseException) -> str:
    """The traceback, as Python prints it where it can do so without the page's own code."""
    if all(map(_is_readable, _chain(error))):
        rows = traceback.format_exception(error)
    else:
        rows = traceback.format_tb(_traceback_of(error))
        rows = ["Traceback (most recent call last):\n", *rows, f"{_name_of(type(error))}: {_message(error)}\n"]
    return "".join(rows)[-LONGEST:]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, those in it, and those that it came from."""
    waiting, seen = [error], set[int]()
    while waiting:
        error = waiting.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        inner = _members_of(error) if issubclass(type(error), BaseExceptionGroup) else ()
        waiting += [one for one in (_cause_of(error), _context_of(error), *inner) if one is not None]


def _message(error: BaseException) -> str:
    """An error's text; empty where it has none, or where the page's own code would make it."""
    own = _is_own(type(error))
    if own:
        method = next(vars(base)["__str__"] for base in _bases_of(type(error)) if "__str__" in base.__dict__)
        if type(method) is not WrapperDescriptorType:
            return ""
    if not _is_plain(_args_of(error)):
        return ""
    try:
        return str(error)
    except Exception:
        return ""


def _is_readable(error: BaseException) -> bool:
    """Whether Python can print an error without the page's own code.

    It looks into the objects at hand for names that may have been meant, so these count too.
    """
    if issubclass(type(error), AttributeError):
        about = _object_of(error)
        if _is_own(type(about)) or (issubclass(type(about), type) and _is_own(about)):
            return False
    if issubclass(type(error), NameError):
        last = _traceback_of(error)
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        if last is None or "self" in last.tb_frame.f_code.co_varnames:
            return False
    return not _is_own(type(error)) and _is_plain(_args_of(error))


_PLAIN = frozenset({str, int, float, complex, bool, bytes, type(None), type(...)})


def _is_plain(value: Any, depth: int = 4) -> bool:
    """Whether a value can be printed without the page's own code."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind in (tuple, list, set, frozenset):
        return depth > 0 and len(value) <= 100 and all(_is_plain(inner, depth - 1) for inner in value)
    if kind is dict:
        return _is_plain(tuple(value.items()), depth)
    return not _is_own(kind)


def _is_own(kind: type) -> bool:
    """Whether the page defines a class, or one that it is made from."""
    return any(_module_of(base) == "__main__" for base in _bases_of(kind))
