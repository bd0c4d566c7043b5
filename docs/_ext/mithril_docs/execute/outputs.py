"""What the cells of a page give, as a notebook holds it in the end.

What the page writes to its standard streams, and what its threads and the programs that it starts write there, goes
into two files. They are read whenever something is displayed, when a stream is flushed and when a cell ends, so outputs
come in their order and a program that writes more than a pipe holds stops nobody. As a kernel does, a cell gives its
standard output before its standard error where nothing else comes between them.

A task that a cell leaves to the loop gives what it gives to that cell, though another one runs. What a thread or a
program gives has no sign of its cell, and goes to the one that runs.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import io
import math
import os
import sys
import tempfile
import threading
from contextvars import ContextVar
from os import fstat, getpid  # the page may put others in their place
from typing import Any

from jupyter_client.jsonutil import json_default

from mithril_docs.execute.terminal import settled

Output = dict[str, Any]

#: The place of the cell that code belongs to: a task keeps that of the cell that made it.
_CELL: ContextVar[int] = ContextVar("cell")
#: Bytes that a cell may write to a stream. A page can show no more, and a program may write without end.
LARGEST = 10_000_000
#: The type of what a widget's model, which is in the kernel, shows. Nobody has that model when a page is read.
_WIDGET = "application/vnd.jupyter.widget-view+json"


class Outputs:
    """What the cells of a page gave so far."""

    def __init__(self) -> None:
        self.cells: list[list[Output]] = []
        self._displays: dict[str, list[tuple[int, int]]] = {}
        self._changed: set[int] = set()
        self._clear: set[int] = set()
        self._lock = threading.RLock()
        self._process = getpid()
        os.register_at_fork(after_in_child=self._be_free)  # of what a thread held that is not there
        self._streams = [_Stream("stdout", 1, self), _Stream("stderr", 2, self)]

    def begin(self) -> None:
        """Begin a cell."""
        with self._lock:
            self.drain()  # of what came since the last one, that one has it
            self.cells.append([])
            for stream in self._streams:
                stream.left = LARGEST
            _CELL.set(len(self.cells) - 1)

    def add(self, output: Output) -> None:
        """Add what a cell displays, behind what was written before."""
        with self._lock:
            self.drain()
            self._append(self._here(), output)

    def display(self, output: Output, name: str | None) -> None:
        """Add a display, under a name by which it may be updated; those that bear the name show it too."""
        with self._lock:
            self.update(name, output)
            self.add(output)
            if name:
                here = self._here()
                self._displays.setdefault(name, []).append((here, len(self.cells[here]) - 1))

    def update(self, name: str | None, output: Output) -> None:
        """Put another display in the place of every one of a name."""
        with self._lock:
            self.drain()
            for cell, place in self._displays.get(name or "", ()):
                self.cells[cell][place] = output
                self._changed.add(cell)

    def clear(self, wait: bool) -> None:
        """Take back what the cell gave, at once or when it next gives something."""
        with self._lock:
            self.drain()
            here = self._here()
            self._clear.discard(here)
            if wait:
                self._clear.add(here)
            else:
                self._forget(here)

    def end(self) -> dict[int, list[Output]]:
        """End the cell: its outputs by its place, and those of earlier cells that changed meanwhile."""
        with self._lock:
            self.drain()
            changed = sorted({*self._changed, len(self.cells) - 1})
            self._changed.clear()
            return {place: [_held(output) for output in self.cells[place]] for place in changed}

    def is_cut(self) -> bool:
        """Whether the cell wrote more than is kept of it."""
        return any(stream.left < 0 for stream in self._streams)

    def errors(self) -> list[Output]:
        """The errors that the cell shows."""
        return [output for output in self.cells[-1] if output["output_type"] == "error"]

    def drain(self) -> None:
        """Take in what was written to the streams, standard output first."""
        if getpid() != self._process:  # of a process that the page forked: it has the file, and no outputs
            return
        with self._lock:
            for stream in self._streams:
                text = stream.read()
                if self.cells and text:
                    self._write(len(self.cells) - 1, stream.name, text)

    def takes(self, name: str, text: str) -> bool:
        """Take what belongs to an earlier cell than the one that runs; nothing else."""
        place = _CELL.get(None)
        if place is None or place == len(self.cells) - 1 or getpid() != self._process:
            return False
        with self._lock:
            self._write(place, name, _plain(text))
        return True

    def _be_free(self) -> None:
        self._lock = threading.RLock()

    def _here(self) -> int:
        return _CELL.get(len(self.cells) - 1)

    def _write(self, cell: int, name: str, text: str) -> None:
        last = self.cells[cell][-1] if self.cells[cell] and cell not in self._clear else {}
        if last.get("name") == name:
            last["text"].append(text)
            self._changed.add(cell)
        else:
            self._append(cell, {"output_type": "stream", "name": name, "text": [text]})

    def _append(self, cell: int, output: Output) -> None:
        if cell in self._clear:
            self._clear.discard(cell)
            self._forget(cell)
        self.cells[cell].append(output)
        self._changed.add(cell)

    def _forget(self, cell: int) -> None:
        self.cells[cell].clear()
        self._changed.add(cell)
        for name, places in self._displays.items():
            self._displays[name] = [place for place in places if place[0] != cell]


class _Stream:
    """A standard stream of this process and of all that it starts, as a file that is read as it grows."""

    def __init__(self, name: str, descriptor: int, outputs: Outputs) -> None:
        self.name = name
        self.left = LARGEST
        with tempfile.NamedTemporaryFile(prefix="mithril-docs-") as file:
            # Appending, so that no writer writes over another's words.
            os.dup2(os.open(file.name, os.O_WRONLY | os.O_APPEND), descriptor)
            self._file = open(file.name, "rb")  # noqa: SIM115, PTH123 - as long as the process lives
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._writer = _Writer(name, descriptor, outputs)
        setattr(sys, name, self._writer)
        setattr(sys, f"__{name}__", self._writer)

    def read(self) -> str:
        with contextlib.suppress(ValueError, OSError):  # the page closed it
            self._writer.write_out()
        there = fstat(self._file.fileno()).st_size - self._file.tell()
        taken = self._file.read(min(there, max(self.left, 0)))
        self.left -= there
        if self.left < 0:
            self._file.seek(0, os.SEEK_END)
        return self._decoder.decode(taken)


class _Writer(io.TextIOWrapper):
    """What ``sys.stdout`` or ``sys.stderr`` is in a page: a stream of Python's own, as a program has it."""

    def __init__(self, name: str, descriptor: int, outputs: Outputs) -> None:
        raw = io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False))
        # A half of a surrogate pair is no text that a page can hold.
        super().__init__(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self._stream = name
        self._outputs = outputs
        self._begun: dict[int, str] = {}
        os.register_at_fork(after_in_child=self._begun.clear)

    def write(self, text: Any, /) -> int:
        if not isinstance(text, str):
            return super().write(text)  # which says what it takes
        if self._outputs.takes(self._stream, text):
            return len(text)
        if threading.active_count() <= _OWN_THREADS:
            count = super().write(text)
            if not str.endswith(text, "\n"):  # what a program writes comes behind half a line, as with a kernel
                self.write_out()
            return count
        # Threads take turns at whole lines: each keeps what it began.
        thread = threading.get_ident()
        lines, end, begun = (self._begun.pop(thread, "") + text).rpartition("\n")
        if begun:
            self._begun[thread] = begun
        super().write(lines + end)
        return len(text)

    def flush(self) -> None:
        super().write(self._begun.pop(threading.get_ident(), ""))
        super().flush()
        self._outputs.drain()

    def write_out(self) -> None:
        """Hand on all that is buffered."""
        for thread in list(self._begun):
            super().write(self._begun.pop(thread, ""))
        super().flush()


#: The threads of a process in which the page has none: its main one, and that which waits for the build's end.
_OWN_THREADS = 2


def _held(output: Output) -> Output:
    """An output as a notebook holds it."""
    if output["output_type"] == "stream":
        return output | {"text": settled("".join(output["text"]))}
    return output


def error(told: BaseException, message: str, rows: list[str]) -> Output:
    """The output of an error."""
    content = {"ename": type(told).__name__, "evalue": message, "traceback": rows}
    return {"output_type": "error", **_plain(content)}


def rich(kind: str, data: Any, metadata: Any) -> Output:
    """The output of a display or a value. A widget is shown by the text that it has beside its view."""
    shown = _plain({"data": data, "metadata": metadata or {}})
    if shown["data"].keys() > {_WIDGET}:
        for part in shown.values():
            part.pop(_WIDGET, None)
    return {"output_type": kind, **shown}


def _plain(value: Any) -> Any:
    """A value as JSON holds it, as a kernel's message does, less halves of surrogate pairs; words for all else."""
    if isinstance(value, str):
        return str.encode(value, "utf-8", "backslashreplace").decode()  # by no method of the page's own
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float) and not math.isfinite(value):
        return repr(float(value))
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {_plain(str(key)): _plain(inner) for key, inner in dict.items(value)}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    try:
        return _plain(json_default(value))
    except TypeError:
        return _plain(str(value))
