"""Execute pages on the backend of this environment and keep the results in the store."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from mithril_docs.backends import BACKENDS
from mithril_docs.execute import environment, kernel
from mithril_docs.execute.kernel import Kernel, PageDiedError, PageTimeoutError
from mithril_docs.execute.stable import Surroundings, unstable, without_places
from mithril_docs.groups import distribution_name, page_groups
from mithril_docs.page import Cell, NoPageError, Page, choose, find_pages, find_strays
from mithril_docs.results import Environment, Failure, Raised, Result
from mithril_docs.store import CannotWriteError, CorruptEntryError, Store, page_key

#: A parity value may hold this many numbers; record a summary of a larger one.
PARITY_NUMBERS = 1000
#: Characters of a failure that are told: an error may quote all that a page has.
LONGEST = 1000


def main(argv: list[str] | None = None) -> int:
    """Execute what the store lacks. Returns 0 where every page is well, 1 where one is not, 2 for a bad call."""
    parser = argparse.ArgumentParser(prog="python -m mithril_docs execute", description=__doc__)
    parser.add_argument("backend", choices=BACKENDS)
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the pages")
    parser.add_argument("--store", type=Path, default=Path("build/store"), help="folder of the results")
    parser.add_argument("--only", action="append", metavar="PAGE", help="execute this page alone; may be repeated")
    parser.add_argument("--force", action="store_true", help="execute every page anew")
    parser.add_argument("--look", action="store_true", help="look at the environment alone, and execute nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="pages at a time")
    parser.add_argument("--patience", type=Path, metavar="FILE", help="JSON: seconds that a cell may take, by page")
    options = parser.parse_args(argv)
    backend = BACKENDS[options.backend]
    patience = json.loads(options.patience.read_text()) if options.patience else {}

    _die_with_the_parent()
    store = Store(options.store.resolve())
    environment.isolate(backend, store.root.parent / "cache")
    found = environment.look(backend)
    known = store.environment(backend.name)
    if known.digest == found.digest and not known.error:
        found = known
    else:
        kernel.preload(backend)  # while the pages are read
    pages = find_pages(options.docs.resolve(), store.root / "pages.pickle")
    strays = [] if options.only else find_strays(options.docs.resolve())
    try:
        pages = choose(pages, options.only)
    except NoPageError as error:
        parser.error(f"{error} (under {options.docs})")
    try:
        if found is not known:
            found.error = environment.fault(backend, found)
            store.write_environment(backend.name, found)
    except CannotWriteError as error:
        found.error = str(error)
    if found.error:
        print(f"FAILED {backend.name}: {found.error}", file=sys.stderr)
        return 1
    if options.look:
        return 0
    run = _Run(backend.name, store, found, options.force, patience)
    run.failures += [f"{path.relative_to(options.docs.resolve())}: {words}" for path, words in strays]
    try:
        return run.run(pages, max(options.jobs, 1))
    except KeyboardInterrupt:
        print(
            f"INTERRUPTED {backend.name}: {run.done} of {run.total} results are kept; run again for the rest",
            file=sys.stderr,
            flush=True,
        )
        run.stop()
        os._exit(130)  # threads may still wait for their pages


class _Run:
    """One run of the executor: its counters, its progress on the terminal, its failures."""

    def __init__(self, backend: str, store: Store, found: Environment, force: bool, patience: dict[str, float]) -> None:
        self.backend = backend
        self.store = store
        self.environment = found
        self.force = force
        self.patience = patience
        self.failures: list[str] = []
        self.total = self.done = 0
        self._kernels: set[Kernel] = set()

    def run(self, pages: list[Page], jobs: int) -> int:
        """Execute what the store lacks, some pages at a time. Returns the exit status."""
        todo: list[tuple[float, Page, str]] = []
        reused = 0
        for page in pages:
            for line, words in page.problems:
                self._fail(page, f"line {line}: {words}")
            if page.problems or self.backend not in page.backends:
                continue
            wanted = page_key(page, self.backend, self.environment)
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
        start = time.perf_counter()
        if todo:
            kernel.preload(BACKENDS[self.backend])
        with ThreadPoolExecutor(jobs) as threads:
            turns = [threads.submit(self._execute, page, wanted) for _, page, wanted in todo]
            for turn in as_completed(turns):
                self._keep(*turn.result())
        took = time.perf_counter() - start
        counts = f"{self.total} pages executed in {took:.1f} s, {reused} reused, {len(self.failures)} failures"
        print(f"{self.backend}: {counts}")
        for failure in sorted(self.failures):
            print(f"FAILED {failure}", file=sys.stderr)
        return 1 if self.failures else 0

    def stop(self) -> None:
        """End every process of a page."""
        for running in list(self._kernels):
            running.stop()

    def _fail(self, page: Page, cause: str) -> None:
        self.failures.append(f"{page.name} on {self.backend}, {cause}")

    def _execute(self, page: Page, wanted: str) -> tuple[Page, Result, dict[str, Any]]:
        start = time.perf_counter()
        result = Result(wanted, page.name, self.backend)
        with tempfile.TemporaryDirectory(prefix="mithril-docs-", ignore_cleanup_errors=True) as folder:
            for name, path in page.copies.items():
                place = Path(folder, name)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)
            try:
                running = Kernel(folder)
            except PageDiedError as error:
                result.failures.append(Failure(0, f"the page's process died ({error})"))
                return page, result, {}
            self._kernels.add(running)
            try:
                timeout = min(page.timeout, self.patience.get(page.name, page.timeout))
                execution = _Execution(page, result, running, folder, timeout)
                execution.run()
            finally:
                self._kernels.discard(running)
                running.stop()
        result.seconds = round(result.seconds, 3)
        result.wall = round(time.perf_counter() - start, 3)
        return page, result, execution.touched

    def _keep(self, page: Page, result: Result, touched: dict[str, Any]) -> None:
        try:
            self.store.write(result)
            self.store.write_touched(self.store.path(page.name, self.backend), result.key, touched)
        except CannotWriteError as error:
            self._fail(page, str(error))
        self.done += 1
        word = "failed" if result.failures else "ok"
        print(f"[{self.backend} {self.done}/{self.total}] {page.name} {word} {result.wall:.1f} s", flush=True)
        for failure in result.failures:
            self._fail(page, str(failure))


class _Execution:
    """One page on its way through its process. Fills the result, failures included."""

    def __init__(self, page: Page, result: Result, running: Kernel, folder: str, timeout: float) -> None:
        self.page = page
        self._timeout = timeout
        self.result = result
        self._kernel = running
        self._folder = folder
        self._met: dict[int, str] = {}
        #: What of Mithril it touched; empty where it failed.
        self.touched: dict[str, Any] = {}

    def run(self) -> None:
        """Execute the page's cells in order, to the end or to the first that the page cannot go on from."""
        ran: list[Cell] = []
        began = time.time()
        for cell in self.page.view(self.result.backend):
            if not cell.source.strip():
                self.result.outputs[cell.number] = []
                continue
            ran.append(cell)
            try:
                answer = self._kernel.run(cell.source, self._timeout)
                self.result.seconds += answer["seconds"]
                for place, outputs in answer["outputs"].items():
                    self.result.outputs[ran[int(place)].number] = outputs
                self._note(cell, answer["raised"])
                well = self._judge(cell, answer["error"])
                for place in answer["outputs"]:
                    self._shorten_tracebacks(ran[int(place)].number)
                if answer["cut"]:
                    self._fail(cell, "wrote over 10 MB to a stream, of which the rest is cut: print less")
                if not well:
                    return
                self._read_parity(cell)
            except PageTimeoutError:
                self._fail(cell, f"did not end within {self._timeout:g} s")
                return
            except PageDiedError as error:
                self._fail(cell, f"the page's process died ({error})")
                return
        code = "\n".join(cell.source for cell in ran)
        around = Surroundings(self._folder, self._kernel.number, began, time.time(), code)
        for cell in ran:
            looked = dataclasses.replace(around, cell=cell.source)
            for words in unstable(self.result.outputs[cell.number], looked, timing="timing" in cell.tags):
                self._fail(cell, f"its output holds {words}")
        if not self.result.failures:
            self.result.distributions = _imported(ran, self.page.groups)
            with contextlib.suppress(PageTimeoutError, PageDiedError):
                self.touched = self._kernel.touched(self._timeout)

    def _fail(self, cell: Cell, cause: str) -> None:
        self.result.failures.append(Failure(cell.number, _line(cause)))

    def _judge(self, cell: Cell, error: dict[str, str] | None) -> bool:
        """Hold what a cell raised against what it declares. False where the page cannot go on."""
        declared = cell.raises(self.result.backend)
        line = f"{error['kind']}: {error['message']}" if error else ""
        met = error is not None and any(
            error["kind"] == name and words in error["message"] for name, words in declared.items()
        )
        if met:
            self._met[cell.number] = line
        if error and not declared:
            self._fail(cell, line)
            return False
        if declared and not met:
            wanted = " or ".join(f"{name}: {words}" for name, words in declared.items())
            came = f"raised '{line}'" if error else "passed"
            self._fail(cell, f"declares '{wanted}' and {came}")
            return not error
        return True

    def _shorten_tracebacks(self, number: int) -> None:
        """What a reader needs is the last line; the frames name folders of this machine."""
        for output in self.result.outputs[number]:
            if output["output_type"] == "error":
                rows = [without_places(row, self._folder) for row in output["traceback"]]
                output["traceback"] = [self._met[number]] if number in self._met else rows

    def _read_parity(self, cell: Cell) -> None:
        """Ask for the values that a cell records."""
        names = list(cell.metadata.get("parity", ()))
        if not names:
            return
        for name, answer in self._kernel.values(names, self._timeout).items():
            if "error" in answer:
                self._fail(cell, f"parity value '{name}' cannot be read: {answer['error']}")
            elif _count(answer["value"]) > PARITY_NUMBERS:
                self._fail(cell, f"parity value '{name}' holds over {PARITY_NUMBERS} numbers")
            else:
                self.result.parity[name] = answer["value"]

    def _note(self, cell: Cell, raised: list[dict[str, Any]]) -> None:
        for noted in raised:
            rows = noted.pop("traceback").splitlines(keepends=True)
            told = "".join(without_places(row, self._folder) for row in rows)
            self.result.raised.append(Raised(cell=cell.number, traceback=told, **noted))


def _line(words: str) -> str:
    """Words as one line of a report, however many a page has put into them."""
    shown = " ".join(words[: 2 * LONGEST].split())
    shown = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in shown)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"


def _count(value: Any) -> int:
    return sum(map(_count, value)) if isinstance(value, list) else 1


def _imported(cells: list[Cell], groups: list[str]) -> dict[str, str]:
    """The distributions that the code imports and that groups name, with the versions here."""
    from importlib.metadata import PackageNotFoundError, version

    known = _distributions()
    modules = set().union(*(cell.imported for cell in cells))
    names = {distribution_name(known[module][0]) for module in modules if module in known}  # else of Python's own
    names.update(name for group in groups for name in page_groups()[group])
    found = {}
    for name in sorted(names):
        with contextlib.suppress(PackageNotFoundError):  # of a group, and not for this platform
            found[name] = version(name)
    return found


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    from importlib.metadata import packages_distributions

    return packages_distributions()


def _die_with_the_parent() -> None:
    """Stop when the process that started this one is gone, so that a killed build leaves nothing running."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
