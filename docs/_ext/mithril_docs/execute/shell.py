"""A page's process: IPython's shell as a kernel has it, asked over a pipe to run cells and to tell their outputs."""

from __future__ import annotations

import asyncio
import builtins
import getpass
import multiprocessing
import os
import signal
import sys
import threading
import traceback
import warnings
from json import dumps, loads  # the page may put others in their place
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

from ipykernel import zmqshell
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from traitlets import Type
from traitlets.config import Config

from mithril_docs.execute import outputs, touched
from mithril_docs.execute.outputs import Outputs
from mithril_docs.execute.raised import Recorder


class _Publisher(DisplayPublisher):
    """Takes what a cell displays into the outputs."""

    outputs: Outputs

    def publish(self, data: Any, metadata: Any = None, *_: Any, transient: Any = None, update: bool = False,
                **kwargs: Any) -> None:  # fmt: skip
        self._validate_data(data, metadata)
        output = outputs.rich("display_data", data, metadata)
        name = (transient or {}).get("display_id")
        if update:
            self.outputs.update(name, output)
        else:
            self.outputs.display(output, name)

    def clear_output(self, wait: bool = False) -> None:
        self.outputs.clear(wait)


class _Hook(DisplayHook):
    """Takes the value of a cell's last line into the outputs."""

    outputs: Outputs

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        output = outputs.rich("execute_result", format_dict, md_dict)
        self.outputs.add(output | {"execution_count": None})

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
        self.outputs.add(outputs.error(evalue, words_of(evalue), stb))

    def ask_exit(self) -> None:
        raise SystemExit

    def enable_gui(self, gui: Any = None) -> None:
        pass

    def _format_exception_for_storage(self, exception: BaseException, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What the history keeps of an error: nobody asks for more, and an error may fail to tell it."""
        return {"ename": type(exception).__name__, "evalue": words_of(exception), "traceback": []}

    def raw_input(self, *_: object) -> str:
        raise StdinNotImplementedError(_NOBODY.format("raw_input"))

    def getpass(self, *_: object, **__: object) -> str:
        raise StdinNotImplementedError(_NOBODY.format("getpass"))


_NOBODY = "{} was called, but this frontend does not support input requests."


def make() -> ZMQInteractiveShell:
    """The shell, made before the first fork: it holds nothing yet."""
    config = Config()
    config.HistoryManager.enabled = False
    # Plain tracebacks: IPython's take seconds for a long one of JAX's, and readers see the last line alone.
    config.ZMQInteractiveShell.xmode = "Plain"
    config.ZMQInteractiveShell.colors = "nocolor"
    # It follows an error that says all, and names a folder of this machine.
    warnings.filterwarnings("ignore", "To exit: use", module=r"IPython\.core\.interactiveshell")
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
    builtins.input, getpass.getpass = shell.raw_input, shell.getpass
    # As with a kernel, a loop is running, so a cell may await, and asyncio.run refuses.
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    recorder = touched.recorder
    assert recorder is not None
    recorder.begin()
    loop.run_until_complete(_Page(shell, pipe, recorder).run())


def _die_with_the_build() -> None:
    build = multiprocessing.parent_process()
    assert build is not None
    build.join()
    os.killpg(0, signal.SIGKILL)


class _Page:
    """Answers what the build asks for, in order: a cell, values, or what the page touched."""

    def __init__(self, shell: ZMQInteractiveShell, pipe: Connection, recorder: touched.Touched) -> None:
        self._shell = shell
        self._pipe = pipe
        self._touched = recorder
        self._recorder = Recorder()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0)  # for tasks that a cell left behind
            try:
                request = loads(self._pipe.recv_bytes())
            except EOFError:
                return
            if "cell" in request:
                answer = await self._cell(request["cell"])
            elif "values" in request:
                answer = self._values(request["values"])
            else:
                answer = self._touched.taken()
            self._pipe.send_bytes(dumps(answer).encode())

    async def _cell(self, source: str) -> dict[str, Any]:
        shell, given = self._shell, self._shell.outputs
        given.begin()
        start = perf_counter()
        try:
            with self._recorder:
                result = await _run(shell, source)
            error = result.error_before_exec or result.error_in_exec
        except Exception as broken:  # of the shell's own: the page took away what it needs, such as sys.stdout
            error = broken
        seconds = perf_counter() - start
        changed = given.end()
        shown = given.errors()
        if not shown and error is not None:  # the page has IPython hand it some errors, or cleared the cell
            shown = [outputs.error(error, words_of(error), [])]
        told = {"kind": shown[0]["ename"], "message": shown[0]["evalue"]} if shown else None
        answer = {"outputs": changed, "error": told, "seconds": seconds, "raised": self._recorder.taken()}
        return answer | {"cut": given.is_cut()}

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
