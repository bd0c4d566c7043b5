"""Execute pages on the backend of this environment and keep the results in the store."""

from __future__ import annotations

import argparse
import ast
import asyncio
import functools
import json
import os
import re
import shutil
import signal
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, v4

from mithril_docs import environment, kernel
from mithril_docs.backends import BACKENDS
from mithril_docs.page import Cell, Page, find_pages
from mithril_docs.store import CannotWriteError, CorruptEntryError, Environment, Failure, Raised, Result, Store, key

#: A parity value may hold this many numbers; record a summary of a larger one.
PARITY_NUMBERS = 1000

#: Reads a value of any framework as plain numbers, without leaving a name behind.
_READ = (
    "__import__('json').dumps((lambda v: __import__('numpy').asarray("
    "v.detach().cpu() if hasattr(v, 'detach') else v).astype('float64').tolist())({name}))"
)

#: What the kernel noted of errors.
_RAISED = "__import__('sys').modules['mithril_docs.raised'].taken()"

#: Words that differ from run to run or from machine to machine.
_UNSTABLE = ((re.compile(r"\b0x[0-9a-f]{6,}\b"), "a memory address"),)


def main(argv: list[str] | None = None) -> int:
    """Execute what the store lacks. Returns 0 where every page is well, 1 where one is not, 2 for a bad call."""
    parser = argparse.ArgumentParser(prog="python -m mithril_docs execute", description=__doc__)
    parser.add_argument("backend", choices=BACKENDS)
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages")
    parser.add_argument("--store", type=Path, default=Path("build/store"), help="folder of the results")
    parser.add_argument("--only", action="append", metavar="PAGE", help="execute this page alone; may be repeated")
    parser.add_argument("--force", action="store_true", help="execute every page anew")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="pages at a time")
    options = parser.parse_args(argv)
    backend = BACKENDS[options.backend]

    _die_with_the_parent()
    pages = find_pages(options.docs.resolve())
    if unknown := sorted(set(options.only or ()) - {page.name for page in pages}):
        parser.error(f"no page {', '.join(unknown)} under {options.docs}")
    if options.only:
        pages = [page for page in pages if page.name in options.only]
    store = Store(options.store.resolve())
    environment.isolate(backend, store.root.parent / "cache")
    try:
        found = environment.inspect(backend, store.environment(backend.name))
        store.write_environment(backend.name, found)
    except CannotWriteError as error:
        print(f"FAILED {backend.name}: {error}", file=sys.stderr)
        return 1
    if found.error:
        print(f"FAILED {backend.name}: {found.error}", file=sys.stderr)
        return 1
    run = _Run(backend.name, store, found, options.force)
    try:
        return asyncio.run(run.run(pages, options.jobs))
    except RuntimeError as error:
        print(f"FAILED {backend.name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"INTERRUPTED {backend.name}: {run.done} of {run.total} results are kept; run again for the rest",
            file=sys.stderr,
        )
        return 130


class _Run:
    """One run of the executor: its counters, its progress on the terminal, its failures."""

    def __init__(self, backend: str, store: Store, found: Environment, force: bool) -> None:
        self.backend = backend
        self.store = store
        self.environment = found
        self.force = force
        self.failures: list[str] = []
        self.total = self.done = 0

    async def run(self, pages: list[Page], jobs: int) -> int:
        todo: list[tuple[float, Page, str]] = []
        reused = 0
        for page in pages:
            for line, words in page.problems:
                self._fail(page, f"line {line}: {words}")
            if page.problems or self.backend not in page.backends:
                continue
            wanted = key(page, self.backend, self.environment)
            try:
                kept = self.store.read(page.name, self.backend)
            except CorruptEntryError as error:
                self.store.set_aside(page.name, self.backend)
                self._fail(page, f"{error}; it was set aside, run again to execute the page")
                continue
            if kept and kept.key == wanted and not kept.failures and not self.force:
                reused += 1
                continue
            todo.append((kept.wall if kept else float("inf"), page, wanted))
        # The longest first, so that no worker is left with a long page at the end; by length of text where none ran.
        todo.sort(key=lambda item: (item[0], sum(len(cell.source) for cell in item[1].cells)), reverse=True)
        self.total = len(todo)
        if todo:
            kernel.use_forked_kernels(BACKENDS[self.backend])
        turn = asyncio.Semaphore(max(jobs, 1))
        start = time.perf_counter()
        await asyncio.gather(*(self._execute_in_turn(turn, page, wanted) for _, page, wanted in todo))
        took = time.perf_counter() - start
        counts = f"{self.total} pages executed in {took:.1f} s, {reused} reused, {len(self.failures)} failures"
        print(f"{self.backend}: {counts}")
        for failure in sorted(self.failures):
            print(f"FAILED {failure}", file=sys.stderr)
        return 1 if self.failures else 0

    def _fail(self, page: Page, cause: str) -> None:
        self.failures.append(f"{page.name} on {self.backend}, {cause}")

    async def _execute_in_turn(self, turn: asyncio.Semaphore, page: Page, wanted: str) -> None:
        async with turn:
            start = time.perf_counter()
            result = await execute(page, self.backend, wanted)
            result.wall = round(time.perf_counter() - start, 3)
            try:
                self.store.write(result)
            except CannotWriteError as error:
                self._fail(page, str(error))
        self.done += 1
        word = "failed" if result.failures else "ok"
        print(f"[{self.backend} {self.done}/{self.total}] {page.name} {word} {result.wall:.1f} s", flush=True)
        for failure in result.failures:
            self._fail(page, f"cell {failure.cell}: {failure.cause}")


async def execute(page: Page, backend: str, wanted: str) -> Result:
    """Execute the cells of a page for a backend in a kernel of its own, in an empty working folder."""
    result = Result(wanted, page.name, backend)
    cells = list(page.view(backend))
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell.source) for cell in cells])
    with tempfile.TemporaryDirectory(prefix="mithril-docs-") as home:
        # Sockets that are files: a TCP port that is promised to a kernel may be taken by another before it starts.
        manager = AsyncKernelManager(transport="ipc", connection_file=str(Path(home, "kernel.json")))
        folder = tempfile.mkdtemp(dir=home)
        for path in page.files:
            shutil.copy(path, folder)
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=page.timeout,
            allow_errors=True,
            resources={"metadata": {"path": folder}},
        )
        try:
            await client.async_start_new_kernel()
            client.kc = manager.client()
            # nbclient would listen to the kernel's heart too, and wait a second for that to end.
            client.kc.start_channels(stdin=False, hb=False)
            client.kc.allow_stdin = False
            await client.kc.wait_for_ready(timeout=client.startup_timeout)
            for index, cell in enumerate(cells):
                start = time.perf_counter()
                ran = await _execute_cell(client, notebook.cells[index], index, cell, result, folder)
                result.seconds += time.perf_counter() - start
                if not ran:
                    break
                await _read_parity(client, cell, result)
            else:  # a kernel that is dead or still busy does not answer
                await _read_raised(client, cells, result, folder)
            if not result.failures:
                result.distributions = _imported(cells)
        except (DeadKernelError, RuntimeError, OSError) as error:
            result.failures.append(Failure(0, f"the kernel did not start: {error}"))
        finally:
            await _stop(client, manager)
    result.seconds = round(result.seconds, 3)
    return result


async def _execute_cell(
    client: NotebookClient, node: NotebookNode, index: int, cell: Cell, result: Result, folder: str
) -> bool:
    """Execute one cell and keep its outputs. False where the page cannot go on."""
    declared = cell.raises(result.backend)
    try:
        await client.async_execute_cell(node, index)
    except CellTimeoutError:
        result.failures.append(Failure(cell.number, f"did not end within {client.timeout:g} s"))
        return False
    except DeadKernelError:
        code = await client.km.provisioner.poll()  # type: ignore[union-attr]
        if code is None:  # it lives: this run was interrupted, and nbclient takes that for a death
            raise asyncio.CancelledError from None
        result.failures.append(Failure(cell.number, f"the kernel died ({_exit_word(code)})"))
        return False
    outputs = _coalesce(json.loads(json.dumps(node.outputs)))
    error = next((o for o in outputs if o["output_type"] == "error"), None)
    line = f"{error['ename']}: {error['evalue']}" if error else ""
    met = error is not None and any(
        error["ename"] == name and words in error["evalue"] for name, words in declared.items()
    )
    for output in outputs:
        if "execution_count" in output:
            output["execution_count"] = None
        if output["output_type"] == "error":
            # What a reader needs is the last line; the frames name folders of this machine.
            output["traceback"] = [line] if met else [_without_paths(row, folder) for row in output["traceback"]]
    result.outputs[cell.number] = outputs
    if error and not declared:
        result.failures.append(Failure(cell.number, " ".join(line.split())))
        return False
    if declared and not met:
        wanted = " or ".join(f"{name}: {words}" for name, words in declared.items())
        result.failures.append(
            Failure(
                cell.number, f"declares '{wanted}' and " + (f"raised '{' '.join(line.split())}'" if error else "passed")
            )
        )
        return not error
    for word in _unstable(outputs, folder):
        result.failures.append(Failure(cell.number, f"its output holds {word}, which differs in every run"))
    return True


def _coalesce(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make one output of each stream, standard output first: how they were cut and mixed is chance.

    nbclient can do this too, in a time that grows with the square of the longest line.
    """
    streams: dict[str, dict[str, Any]] = {}
    kept = []
    for output in outputs:
        if output["output_type"] != "stream":
            kept.append(output)
        elif output["name"] in streams:
            streams[output["name"]]["text"] += output["text"]
        else:
            streams[output["name"]] = output
            kept.append(output)
    if set(streams) == {"stdout", "stderr"}:
        first, second = (kept.index(stream) for stream in streams.values())
        kept[first], kept[second] = streams["stdout"], streams["stderr"]
    return kept


async def _read_parity(client: NotebookClient, cell: Cell, result: Result) -> None:
    """Ask the kernel for the values that a cell records."""
    names = list(cell.metadata.get("parity", ()))
    if not names:
        return
    for name, answer in (await _ask(client, {name: _READ.format(name=name) for name in names})).items():
        if answer["status"] != "ok":
            cause = f"parity value '{name}' cannot be read: {answer['ename']}: {answer['evalue']}"
            result.failures.append(Failure(cell.number, cause))
            continue
        text = ast.literal_eval(answer["data"]["text/plain"])
        if text.count(",") >= PARITY_NUMBERS:
            result.failures.append(Failure(cell.number, f"parity value '{name}' holds over {PARITY_NUMBERS} numbers"))
        else:
            result.parity[name] = json.loads(text)


async def _read_raised(client: NotebookClient, cells: list[Cell], result: Result, folder: str) -> None:
    """Ask the kernel for the errors that reached the page's code."""
    answer = (await _ask(client, {"raised": _RAISED})).get("raised") or {}
    if answer.get("status") != "ok":  # the kernel died, and a failure says so
        return
    ran = [cell for cell in cells if cell.source.strip()]  # nbclient passes over the others
    for noted in json.loads(ast.literal_eval(answer["data"]["text/plain"])):
        rows = noted["traceback"].splitlines(keepends=True)
        noted["traceback"] = "".join(_without_paths(row, folder) for row in rows)
        result.raised.append(Raised(cell=ran[noted.pop("run") - 1].number, **noted))


async def _ask(client: NotebookClient, expressions: dict[str, str]) -> dict[str, Any]:
    """What expressions are worth in the kernel, by name; nothing where it does not answer."""
    assert client.kc is not None
    message = client.kc.execute("", silent=True, user_expressions=expressions)
    reply = await client.async_wait_for_reply(message)
    return (reply or {}).get("content", {}).get("user_expressions") or {}


async def _stop(client: NotebookClient, manager: AsyncKernelManager) -> None:
    """Stop the kernel, whatever state it is in."""
    if manager.has_kernel:
        await manager.shutdown_kernel(now=True)
    if client.kc is not None:
        client.kc.stop_channels()
    await manager.cleanup_resources()


def _imported(cells: list[Cell]) -> dict[str, str]:
    """The distributions that the code imports, with the versions here; the standard library is not one."""
    from importlib.metadata import version

    modules = set()
    for cell in cells:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    known = _distributions()
    names = sorted({known[module][0] for module in modules if module in known})
    return {name.lower(): version(name) for name in names}


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def _unstable(outputs: list[dict[str, Any]], folder: str) -> list[str]:
    """What in the outputs would differ in another run or place."""
    text = json.dumps([o.get("text") or o.get("traceback") or _text_data(o) for o in outputs])
    places = {folder: "a temporary path", sysconfig.get_paths()["purelib"]: "a path of this machine"}
    found = [word for place, word in places.items() if place in text]
    return found + [word for pattern, word in _UNSTABLE if pattern.search(text)]


def _text_data(output: dict[str, Any]) -> dict[str, Any]:
    return {kind: data for kind, data in output.get("data", {}).items() if kind.startswith("text/")}


def _without_paths(row: str, folder: str) -> str:
    packages = sysconfig.get_paths()["purelib"]
    standard = sysconfig.get_paths()["stdlib"]
    for place in (packages, standard, folder):
        row = row.replace(place, "…")
    return row


def _exit_word(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"


def _die_with_the_parent() -> None:
    """Stop when the process that started this one is gone, so that a killed build leaves nothing running."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
