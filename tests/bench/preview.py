"""The live preview, from an edit in a page's file to the browser; its peer is sphinx-autobuild on stock myst-nb."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import nbformat
from ours import Run, Site, isolated
from playwright.sync_api import Error
from report import Rows, ratio
from stock import CONF, Stock

from mithril_docs.page import Page
from support.browser import chromium
from support.places import python_of

#: Edits of each kind.
EDITS = 5
#: Seconds that a first build may take, and that an edit may.
START, LIMIT = 1800, 120
#: Seconds between a page that is shown and the next edit, in which the page connects to the server again.
PAUSE = 1


def measure(run: Run, site: Site, stock: Stock, stock_cold: Path) -> tuple[Rows, str]:
    """Medians of edits of a page's prose and of its `backend` cell, where NumPy's pages were built before.

    ``stock_cold`` is stock's project of NumPy after its cold build.
    """
    page = site.usual_page(["numpy"])
    seen = Site.copy(run, "preview", {page.name for page in site.pages})
    shutil.copytree(site.store() / "numpy", seen.store() / "numpy")
    ours, theirs = _ours(run, seen, page), _stock(run, stock, stock_cold, page)
    rows: Rows = {}
    for kind, took in ours.items():
        rows[kind] = ratio(statistics.median(took), statistics.median(theirs[kind]))
        rows[kind] |= {"our lowest": min(took), "our highest": max(took)}
    result = seen.result(page.name, "numpy")
    cells = f"{result.seconds:.2f} s" if result else "no time"
    return rows, f"{page.name}, whose cells take {cells}; median of {EDITS} edits each, in seconds"


Edits = dict[str, list[float]]


def _ours(run: Run, site: Site, page: Page) -> Edits:
    port = free_port()
    places = ["--docs", str(site.docs), "--out", str(site.out), "--store", str(site.store()), "--port", str(port)]
    command = [sys.executable, "-m", "mithril_docs", "serve", *places, f"numpy={python_of('numpy')}"]
    path = site.docs / f"{page.name}.md"
    text = path.read_text()
    source = next(cell.source for cell in page.cells if "backend" in cell.tags)

    def write(kind: str, word: str) -> None:
        edited = f"{text}\n\n{word}\n" if kind == "prose" else text.replace(source, f"{source}\n{printing(word)}", 1)
        path.write_text(edited)

    return _watch(run, "the preview", command, site.variables, site.folder, f"{port}/{page.name}.html", write)


def _stock(run: Run, stock: Stock, cold: Path, page: Page) -> Edits:
    folder = stock.write(stock.site.pages, "numpy", "preview", CONF)
    port = free_port()
    html = folder / "out" / "html"
    command = [sys.executable, "-m", "sphinx_autobuild", "--port", str(port), "-j", "auto", "--quiet"]
    command += [*stock.cached(cold), "-d", str(folder / "doctrees"), str(folder / "docs"), str(html)]
    path = folder / "docs" / f"{page.name}.ipynb"
    text = path.read_text()

    def write(kind: str, word: str) -> None:
        notebook = nbformat.reads(text, 4)
        if kind == "prose":
            notebook.cells.append(nbformat.v4.new_markdown_cell(word))
        else:
            cell = next(cell for cell in notebook.cells if "backend" in cell.metadata.get("tags", ()))
            cell.source += f"\n{printing(word)}"
        path.write_text(nbformat.writes(notebook))

    variables = isolated("numpy", stock.cache)
    return _watch(run, "sphinx-autobuild", command, variables, folder, f"{port}/{page.name}.html", write)


def printing(word: str) -> str:
    """Code whose output is the word, which does not stand in the code."""
    return f"print({word.lower()!r}.upper())"


def _watch(
    run: Run,
    label: str,
    command: list[str],
    variables: Mapping[str, str],
    folder: Path,
    place: str,
    write: Callable[[str, str], None],
) -> Edits:
    """Start a preview, open a page in a browser, and edit it again and again."""
    print(f"  {label} ...", file=sys.stderr, flush=True)
    found: Edits = {"prose": [float("nan")], "cell": [float("nan")]}
    log = folder / "preview.log"
    try:
        with served(command, variables, folder, log, int(place.partition("/")[0])), chromium() as browser:
            page = browser.new_page()
            page.set_default_timeout(LIMIT * 1000)
            page.goto(f"http://127.0.0.1:{place}")
            for kind in found:
                found[kind] = []
                for number in range(1, EDITS + 1):
                    time.sleep(PAUSE)
                    word = f"BENCH {kind.upper()} {number}"
                    start = time.perf_counter()
                    write(kind, word)
                    page.get_by_text(re.compile(rf"\b{word}\b")).first.wait_for()
                    found[kind].append(time.perf_counter() - start)
    except (Error, OSError, RuntimeError) as error:
        told = log.read_text().strip().splitlines()[-1:] if log.exists() else []
        run.fail(f"{label}: {' '.join([*str(error).split(), *told])}")
        found = {kind: seconds or [float("nan")] for kind, seconds in found.items()}
    return found


@contextlib.contextmanager
def served(command: list[str], variables: Mapping[str, str], folder: Path, log: Path, port: int) -> Iterator[None]:
    """Run a server from when it answers; stop it at the end. Raises :class:`RuntimeError` where it never answers."""
    with log.open("w") as file:
        environ = {**variables, "PYTHONDONTWRITEBYTECODE": ""}
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=file, stderr=subprocess.STDOUT)
        try:
            end = time.monotonic() + START
            while not answers(port):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("did not start")
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(port: int) -> bool:
    """Whether a server listens on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port that nothing uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
