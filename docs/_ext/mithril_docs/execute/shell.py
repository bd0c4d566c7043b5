"""A page's process: IPython's shell as a kernel has it, asked over a pipe to run cells, answering with their outputs.

What the page writes to its standard streams, and what its threads and the programs that it starts write there, goes
into two files. They are read whenever something is displayed and when a cell ends, so outputs come in their order and
a program that writes more than a pipe holds stops nobody.
"""

from __future__ import annotations

import asyncio
import base64
import builtins
import codecs
import getpass
import io
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

from ipykernel import zmqshell
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from traitlets import Type
from traitlets.config import Config

from mithril_docs.execute.raised import Recorder

Output = dict[str, Any]


class Outputs:
    """What the cells of a page gave so far, as a notebook holds it."""

    def __init__(self) -> None:
        self.cells: list[list[Output]] = []
        self._displays: dict[str, list[tuple[int, int]]] = {}
        self._changed: set[int] = set()
        self._clear = False
        self._streams = [_Stream("stdout", 1), _Stream("stderr", 2)]

    def begin(self) -> None:
        """Begin a cell."""
        self.drain()  # of what came since the last one, the new cell has it, as with a kernel
        self.cells.append([])
        self._changed.clear()
        self._clear = False

    def add(self, output: Output) -> None:
        """Add what a cell displays, behind what was written before."""
        self.drain()
        self._append(output)

    def display(self, output: Output, name: str | None) -> None:
        """Add a display, under a name by which it may be updated; those that bear the name show it too."""
        self.update(name, {key: output[key] for key in ("data", "metadata")})
        self.add(output)
        if name:
            place = len(self.cells) - 1, len(self.cells[-1]) - 1
            self._displays.setdefault(name, []).append(place)

    def update(self, name: str | None, content: Output) -> None:
        """Put other content in the place of every display of a name."""
        for cell, place in self._displays.get(name or "", ()):
            self.cells[cell][place].update(content)
            self._changed.add(cell)

    def clear(self, wait: bool) -> None:
        """Take back what the cell gave, at once or when it next gives something."""
        self.drain()
        self._clear = wait
        if not wait:
            self._forget()

    def end(self) -> dict[int, list[Output]]:
        """End the cell: its outputs by its place, and those of earlier cells that it updated."""
        self.drain()
        return {place: self.cells[place] for place in sorted({*self._changed, len(self.cells) - 1})}

    def drain(self) -> None:
        """Take in what was written to the streams, standard output first."""
        for stream in self._streams:
            text = stream.read()
            if not text or not self.cells:
                continue
            last = self.cells[-1][-1] if self.cells[-1] and not self._clear else {}
            if last.get("name") == stream.name:
                last["text"] += text
            else:
                self._append({"output_type": "stream", "name": stream.name, "text": text})

    def _append(self, output: Output) -> None:
        if self._clear:
            self._clear = False
            self._forget()
        self.cells[-1].append(output)

    def _forget(self) -> None:
        here = len(self.cells) - 1
        self.cells[-1].clear()
        for name, places in self._displays.items():
            self._displays[name] = [place for place in places if place[0] != here]


class _Stream:
    """A standard stream of this process and of all that it starts, as a file that is read as it grows."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        with tempfile.NamedTemporaryFile(prefix="mithril-docs-") as file:
            # Appending, so that no writer writes over another's words.
            os.dup2(os.open(file.name, os.O_WRONLY | os.O_APPEND), descriptor)
            self._file = open(file.name, "rb")  # noqa: SIM115, PTH123 - as long as the process lives
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        raw = io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False))
        # A half of a surrogate pair is no text that a page can hold.
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        setattr(sys, name, stream)
        self._stream = stream

    def read(self) -> str:
        if not self._stream.closed:
            self._stream.flush()
        return self._decoder.decode(self._file.read())


class _Publisher(DisplayPublisher):
    """Takes what a cell displays into the outputs."""

    outputs: Outputs

    def publish(self, data: Any, metadata: Any = None, *_: Any, transient: Any = None, update: bool = False,
                **kwargs: Any) -> None:  # fmt: skip
        self._validate_data(data, metadata)
        content = {"data": data, "metadata": metadata or {}}
        name = (transient or {}).get("display_id")
        if update:
            self.outputs.update(name, _plain(content))
        else:
            self.outputs.display({"output_type": "display_data", **_plain(content)}, name)

    def clear_output(self, wait: bool = False) -> None:
        self.outputs.clear(wait)


class _Hook(DisplayHook):
    """Takes the value of a cell's last line into the outputs."""

    outputs: Outputs

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        content = _plain({"data": format_dict, "metadata": md_dict or {}})
        self.outputs.add({"output_type": "execute_result", "execution_count": None, **content})

    def finish_displayhook(self) -> None:
        self._is_active = False


class ZMQInteractiveShell(zmqshell.ZMQInteractiveShell):
    """The shell of a kernel, which libraries know by this name, without the kernel: its outputs go nowhere else."""

    displayhook_class = Type(_Hook)  # type: ignore[assignment]
    display_pub_class = Type(_Publisher)  # type: ignore[assignment]
    # A cell's file is named by its number and its code, not by the process.
    compiler_class = Type(CachingCompiler)
    outputs: Outputs

    def take_outputs(self) -> None:
        """Have outputs from now on, in the process that runs a page."""
        self.outputs = self.displayhook.outputs = self.display_pub.outputs = Outputs()  # type: ignore[attr-defined]

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        """Show an error. IPython prints a group of errors, with the folders of this machine, and shows none."""
        kind, error, _ = exc_tuple or sys.exc_info()
        if isinstance(error, BaseExceptionGroup):
            self._showtraceback(kind, error, traceback.format_exception(error))
        else:
            super().showtraceback(exc_tuple, *args, **kwargs)

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        self.outputs.add(_error(evalue, stb))

    def ask_exit(self) -> None:
        raise SystemExit

    def enable_gui(self, gui: Any = None) -> None:
        pass

    def raw_input(self, *_: object) -> str:
        raise StdinNotImplementedError("raw_input was called, but this frontend does not support input requests.")


def make() -> ZMQInteractiveShell:
    """The shell, made before the first fork: it holds nothing yet."""
    config = Config()
    config.HistoryManager.enabled = False
    # Plain tracebacks: IPython's take seconds for a long one of JAX's, and readers see the last line alone.
    config.ZMQInteractiveShell.xmode = "Plain"
    config.ZMQInteractiveShell.colors = "nocolor"
    config.InlineBackend.figure_formats = {"retina"}  # pictures sharp on a phone
    return ZMQInteractiveShell.instance(config=config)


def serve(pipe: Connection, folder: str, private: list[str]) -> None:
    """Be a page's process until it is told to stop or the build is gone. ``private`` is what no page may import."""
    os.setsid()
    # As a kernel has it, even where a build is told to pass over interrupts: one in the background of a shell is.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    # What a page starts finds nothing of this repository either, and starts as it would for a reader.
    os.environ.pop("PYTHONPATH", None)
    os.environ.pop("MITHRIL_DOCS_PRELOAD", None)
    multiprocessing.set_start_method(None, force=True)
    kept = [path for path in sys.path if path and path not in private]
    packages = next((n for n, path in enumerate(kept) if path.endswith("site-packages")), 0)
    sys.path[:] = [*kept[:packages], "", *kept[packages:]]  # the folder of the page where a kernel has it
    sys.argv[:] = [""]
    for name in [name for name in sys.modules if name.partition(".")[0] == "mithril_docs"]:
        del sys.modules[name]
    threading.Thread(target=_die_with_the_build, daemon=True).start()
    shell = ZMQInteractiveShell.instance()
    shell.take_outputs()
    builtins.input = getpass.getpass = shell.raw_input  # type: ignore[assignment]
    # As with a kernel, a loop is running, so a cell may await, and asyncio.run refuses.
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    loop.run_until_complete(_Page(shell, pipe).run())


def _die_with_the_build() -> None:
    build = multiprocessing.parent_process()
    assert build is not None
    build.join()
    os.killpg(0, signal.SIGKILL)


class _Page:
    """Answers what the build asks for, in order: a cell, or values."""

    def __init__(self, shell: ZMQInteractiveShell, pipe: Connection) -> None:
        self._shell = shell
        self._pipe = pipe
        self._recorder = Recorder()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0)  # for tasks that a cell left behind
            try:
                request = json.loads(self._pipe.recv_bytes())
            except EOFError:
                return
            answer = await self._cell(request["cell"]) if "cell" in request else self._values(request["values"])
            self._pipe.send_bytes(json.dumps(answer).encode())

    async def _cell(self, source: str) -> dict[str, Any]:
        shell, outputs = self._shell, self._shell.outputs
        outputs.begin()
        start = time.perf_counter()
        with self._recorder:
            result = await _run(shell, source)
        error = result.error_before_exec or result.error_in_exec
        seconds = time.perf_counter() - start
        changed = outputs.end()
        own = next((output for output in outputs.cells[-1] if output["output_type"] == "error"), None)
        if error is not None and own is None:  # IPython prints some errors, such as groups of them
            own = _error(error, [])
            outputs.add(own)
        told = None if own is None else {"kind": own["ename"], "message": own["evalue"]}
        return {"outputs": changed, "error": told, "seconds": seconds, "raised": self._recorder.taken()}

    def _values(self, names: list[str]) -> dict[str, Any]:
        return {name: self._value(name) for name in names}

    def _value(self, name: str) -> dict[str, Any]:
        import numpy as np

        try:
            value = eval(name, dict(self._shell.user_ns))
            array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value).astype("float64")
            return {"value": array.tolist()}
        except BaseException as error:
            return {"error": f"{type(error).__name__}: {words_of(error)}"}


async def _run(shell: ZMQInteractiveShell, source: str) -> Any:
    """Run a cell as ipykernel does: awaited where it awaits, called where it does not."""
    failed = None
    try:
        code = shell.transform_cell(source)
    except Exception:
        code, failed = source, sys.exc_info()
    if not shell.should_run_async(source, transformed_cell=code, preprocessing_exc_tuple=failed):
        return shell.run_cell(source, store_history=True)
    result = None
    try:
        result = await shell.run_cell_async(
            source, store_history=True, transformed_cell=code, preprocessing_exc_tuple=failed
        )
    finally:
        shell.events.trigger("post_execute")
        shell.events.trigger("post_run_cell", result)
    return result


def words_of(error: BaseException) -> str:
    """An error's message; a stand-in where it has none to give."""
    try:
        return str(error)
    except Exception as other:
        return f"<its message cannot be read: {type(other).__name__}>"


def _error(error: BaseException, rows: list[str]) -> Output:
    return _plain({
        "output_type": "error", "ename": type(error).__name__, "evalue": words_of(error), "traceback": rows,
    })  # fmt: skip


def _plain(value: Any) -> Any:
    """A value as JSON holds it: bytes in base 64, no half of a surrogate pair, and words for all else."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value)
