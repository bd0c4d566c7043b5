"""The build's own benchmark: this site's build against stock myst-nb on the same pages, all in one run.

``python tests/bench.py [--backends numpy jax] [--skip-lighthouse] [--runs 5]``, as ``nox -s bench`` calls it.

It prints tables and writes ``build/bench.json``. Nothing is asserted on a time. The exit status is 1 where a page
failed on either side, for then the two did not do the same work.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from html import unescape
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

from nbformat import v4, writes

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "docs" / "_ext"), str(ROOT / "tests")]
import lighthouse  # noqa: E402
from mithril_docs import environment  # noqa: E402
from mithril_docs.backends import BACKENDS  # noqa: E402
from mithril_docs.page import Page, find_pages  # noqa: E402
from mithril_docs.store import Store  # noqa: E402

#: Pages of a backend that part 2 executes one at a time, evenly spaced over all of them.
SAMPLE = 6

#: Folders whose pages stock myst-nb cannot build: they are made by directives of ours.
OURS_ALONE = ("reference", "backends")

STOCK_CONF = """\
project = "Mithril"
extensions = ["myst_nb", "sphinx_copybutton", "sphinx_design"]
html_theme = "sphinx_book_theme"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_in_temp = True
"""
#: For part 2: a line a page with myst-nb's own time of its execution, and the time of its cells, taken around the call
#: that our executor times too. Cell metadata would give the kernel's clock, and count messages for one side alone.
STOCK_TIMERS = """
import json, pathlib, time, nbclient
from myst_nb.core.execute import direct
times = pathlib.Path(__file__).with_name("times")
times.write_text("")
run_page, run_cell, cells = direct.single_nb_execution, nbclient.NotebookClient.async_execute_cell, []
async def timed_cell(*args, **kwargs):
    start = time.perf_counter()
    reply = await run_cell(*args, **kwargs)
    cells.append(time.perf_counter() - start)
    return reply
def timed_page(*args, **kwargs):
    cells.clear()
    result = run_page(*args, **kwargs)
    times.write_text(times.read_text() + json.dumps([result.time, sum(cells)]) + "\\n")
    return result
nbclient.NotebookClient.async_execute_cell, direct.single_nb_execution = timed_cell, timed_page
"""


class Bench:
    """One run: its folder, what failed in it, and what was run again."""

    def __init__(self, work: Path, backends: list[str]) -> None:
        self.work, self.backends = work, backends
        self.failures: list[str] = []
        self.repeated: list[str] = []
        # A copy, so that an edit made meanwhile does not reach one side alone.
        shutil.copytree(ROOT / "docs", work / "docs", ignore=shutil.ignore_patterns("__pycache__", *OURS_ALONE))
        shutil.copy(ROOT / "conf.py", work)
        index = work / "docs" / "index.md"
        without = re.compile(rf".*\b({'|'.join(OURS_ALONE)})/.*\n")
        index.write_text(without.sub("", index.read_text()))
        self.pages = find_pages(work / "docs")

    def run(self, label: str, command: list[str], environ: dict[str, str], tries: int = 1) -> float:
        """The seconds that a command takes, not a number where it fails; why is kept for the end."""
        print(f"  {label} ...", file=sys.stderr, flush=True)
        environ = environ | {"PYTHONDONTWRITEBYTECODE": ""}
        start = time.perf_counter()
        done = subprocess.run(command, cwd=self.work, env=environ, capture_output=True, text=True)
        took = time.perf_counter() - start
        words = re.findall(r"^FAILED .*|.*: Executing notebook failed.*", done.stderr, re.MULTILINE)
        if done.returncode and not words:
            words = re.findall(r".*(?:WARNING|Error): .*", done.stderr)[-1:] or [f"exit status {done.returncode}"]
            if tries > 1:
                self.repeated += [f"{label}: {word}" for word in words]
                return self.run(label, command, environ, tries - 1)
        self.failures += [f"{label}: {word}" for word in words]
        return float("nan") if words else took

    def execute(self, backend: str, store: str, *options: str) -> float:
        """Our execution of the pages on a backend."""
        places = ["--docs", "docs", "--store", f"ours/{store}"]
        command = [python_of(backend), "-m", "mithril_docs", "execute", backend, *places, *options]
        return self.run(f"ours, {backend}", command, os.environ | {"PYTHONPATH": str(self.work / "docs" / "_ext")})

    def render(self) -> float:
        """Our Sphinx build of the merged site, with the options of the noxfile."""
        options = ["--quiet", "--nitpicky", "--fail-on-warning", "--jobs", "auto", "-c", ".", "-d", "doctrees"]
        chosen = ["-D", f"mithril_backends={','.join(self.backends)}", "-D", "mithril_store=ours/store"]
        chosen += ["-D", "suppress_warnings=myst.xref_missing"]  # links to the pages that are left out
        command = [sys.executable, "-m", "sphinx", *options, *chosen, "docs", "site"]
        return self.run("ours, the merged site", command, dict(os.environ))

    def stock(self, folder: Path, *options: str, jobs: str = "auto") -> float:
        """Stock's build of a project that :meth:`write` made. Its kernels see the variables that ours see."""
        backend = BACKENDS[folder.name]
        environ = isolated(backend.name, self.work / "stock" / "cache")
        command = [python_of(backend.name), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        if backend.startup:
            command.append(f"--IPKernelApp.exec_lines={'; '.join(backend.startup.strip().splitlines())}")
        kernel = {"argv": command, "display_name": backend.title, "env": environment.variables(backend)}
        spec = Path(environ["JUPYTER_DATA_DIR"], "kernels", f"mithril-{backend.name}")
        spec.mkdir(parents=True, exist_ok=True)
        (spec / "kernel.json").write_text(json.dumps(kernel))
        places = ["-d", str(folder / "doctrees"), str(folder / "docs"), str(folder / "out" / "html")]
        command = [sys.executable, "-m", "sphinx", "--quiet", "-j", jobs, *options, *places]
        # With -j 2 a kernel of stock's dies at times before it answers ("Socket operation on non-socket").
        return self.run(f"stock, {backend.name}", command, environ, tries=3)

    def write(self, pages: list[Page], backend: str, name: str, conf: str = STOCK_CONF) -> Path:
        """A stock project of the pages that a backend's reader sees, with the files that lie beside them."""
        folder = self.work / "stock" / name / backend
        shutil.copytree(self.work / "docs", folder / "docs", ignore=shutil.ignore_patterns("*.md", "_*"))
        (folder / "docs" / "conf.py").write_text(conf)
        for page in pages:
            if not page.runs or backend in page.backends:
                write_page(page, backend, folder / "docs" / page.name)
        return folder

    def warm(self) -> None:
        """Run one small page on each side, so that byte code, font caches and files are warm for both."""
        self.run("byte code", [sys.executable, "-m", "compileall", "-q", "docs/_ext"], dict(os.environ))
        for backend in self.backends:
            self.execute(backend, "warm", "--only", "index")
            fonts = [python_of(backend), "-c", "import matplotlib.pyplot"]
            self.run(f"fonts, {backend}", fonts, isolated(backend, self.work / "stock" / "cache"))
            self.stock(self.write([page for page in self.pages if page.name == "index"], backend, "warm"))

    def cold(self) -> dict[str, Any]:
        """Every page on every backend, nothing kept from before. The two sides take turns, backend by backend."""
        ours, stock = {}, {}
        for backend in self.backends:
            ours[backend] = self.execute(backend, "store", "--force")
            stock[backend] = self.stock(self.write(self.pages, backend, "all"), "-E")
        return compare(ours | {"the merged site": self.render()}, stock)

    def overhead(self) -> dict[str, Any]:
        """What a page costs above its cells, the median of pages that run one at a time."""
        found = {}
        for backend in self.backends:
            pages = [page for page in self.pages if backend in page.backends]
            count = min(SAMPLE, len(pages))
            pages = [pages[i * len(pages) // count] for i in range(count)]
            only = [word for page in pages for word in ("--only", page.name)]
            self.execute(backend, "serial", "--force", "--jobs", "1", *only)
            results = [Store(self.work / "ours" / "serial").read(page.name, backend) for page in pages]
            folder = self.write(pages, backend, "serial", STOCK_CONF + STOCK_TIMERS)
            self.stock(folder, "-E", "-D", f"root_doc={pages[0].name}", jobs="1")
            ours = [result.wall - result.seconds for result in results if result]
            rows = (folder / "docs" / "times").read_text().splitlines()
            stock = [wall - cells for wall, cells in map(json.loads, rows)]
            found[backend] = ratio(statistics.median(ours), statistics.median(stock)) | {"pages": len(pages)}
        return found

    def rebuild(self) -> dict[str, Any]:
        """Nothing changed since the build before. Stock finds what its cold build executed in jupyter-cache."""
        from jupyter_cache import get_cache

        ours, stock = {}, {}
        for backend in self.backends:
            folder = self.work / "stock" / "all" / backend
            cached = ["-D", "nb_execution_mode=cache", "-D", f"nb_execution_cache_path={folder / 'cache'}"]
            for path in (folder / "out" / "jupyter_execute").rglob("*.ipynb"):
                get_cache(str(folder / "cache")).cache_notebook_file(str(path), check_validity=False, overwrite=True)
            self.stock(folder, *cached)
            ours[backend] = self.execute(backend, "store")
            stock[backend] = self.stock(folder, *cached)
        return compare(ours | {"the merged site": self.render()}, stock)

    def hello(self) -> dict[str, Any]:
        """Hello World by the clock, in seconds: an empty environment, the page's install line, and its program."""
        page = self.work / "site" / "getting_started" / "hello_world.html"
        lines = dict(re.findall(r'data-backends="(\w+)">.*?(pip install [^<]*)', page.read_text(), re.DOTALL))
        found = {}
        for backend in self.backends:
            folder = self.work / "hello" / backend
            python = folder / ".venv" / "bin" / "python"
            program = self.work / "site" / "_downloads" / "pages" / "getting_started" / f"hello_world-{backend}.py"
            startup = f"{BACKENDS[backend].startup}\nimport runpy; runpy.run_path({str(program)!r})"
            steps = [
                [python_of("numpy"), "-m", "venv", str(folder / ".venv")],
                [str(python), "-m", *shlex.split(unescape(lines[backend]))],
                [str(python), "-c", startup],
            ]
            found[backend] = {
                "ours": sum(self.run(f"Hello World, {backend}", step, dict(os.environ)) for step in steps)
            }
            shutil.rmtree(folder)
        return found

    def lighthouse(self, runs: int) -> dict[str, Any]:
        """Hello World and the longest page, as a phone loads them, from our site and from stock's first backend."""
        backend = self.backends[0]
        sites = {"ours": self.work / "site", "stock": self.work / "stock/all" / backend / "out/html"}
        names = [f"{page.name}.html" for page in self.pages if backend in page.backends]
        longest = max(names, key=lambda name: (sites["ours"] / name).stat().st_size)
        chosen = list(dict.fromkeys(["getting_started/hello_world.html", longest]))
        settings: dict[str, Any] = {"cache": ROOT / "build" / "cache", "runs": runs, "chrome": chromium()}
        found = {side: lighthouse.measure_site(site, chosen, **settings) for side, site in sites.items()}
        return {page: {side: asdict(found[side][page]) for side in sites} for page in chosen}


def python_of(backend: str) -> str:
    return str(ROOT / ".nox" / f"execute-{backend}" / "bin" / "python")


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def isolated(backend: str, cache: Path) -> dict[str, str]:
    """The variables that our kernels of the backend see, with caches in a folder of their own."""
    with mock.patch.dict(os.environ):
        environment.isolate(BACKENDS[backend], cache)
        return dict(os.environ)


def write_page(page: Page, backend: str, path: Path) -> None:
    """A page for one backend with stock directives only, as a notebook without outputs; prose alone as Markdown."""

    def resolve(match: re.Match[str]) -> str:
        _, name, words, body = match.groups()
        if name == "install":
            return f"```shell\npip install {' '.join(BACKENDS[backend].distributions)}\n```"
        return body if name == "backends" and backend in words.split() else ""

    ours = re.compile(r"^(:{3,})\{(backends|install|verification)\} *(.*)\n((?:.*\n)*?)\1$", re.MULTILINE)
    view = {cell.number: cell for cell in page.view(backend)}
    cells = []
    for cell in page.cells:
        if not cell.code:
            cells.append(v4.new_markdown_cell(ours.sub(resolve, cell.source)))
        elif cell.number in view:
            tags = cell.tags + ["raises-exception"] * bool(cell.raises(backend))
            metadata = {"tags": tags, "mystnb": cell.metadata.get("mystnb", {})}
            cells.append(v4.new_code_cell(view[cell.number].source, metadata=metadata))
    if not page.runs:
        path.with_name(f"{path.name}.md").write_text("\n\n".join(cell.source for cell in cells))
        return
    kernel = {"name": f"mithril-{backend}", "display_name": backend, "language": "python"}
    # Files that a page declares lie beside it.
    metadata = {"kernelspec": kernel, "mystnb": {"execution_in_temp": not page.files}}
    notebook = v4.new_notebook(cells=cells, metadata=metadata)
    path.with_name(f"{path.name}.ipynb").write_text(writes(notebook))


def ratio(ours: float, stock: float) -> dict[str, float]:
    return {"ours": ours, "stock": stock, "ratio": ours / stock}


def compare(ours: dict[str, float], stock: dict[str, float]) -> dict[str, Any]:
    sides = {"ours": ours, "stock": stock}
    rows = {name: {side: took[name] for side, took in sides.items() if name in took} for name in ours}
    return rows | {"total": ratio(sum(ours.values()), sum(stock.values()))}


def show(title: str, rows: dict[str, dict[str, float]]) -> dict[str, Any]:
    print(f"\n{title}\n{'':<18}{'ours s':>10}{'stock s':>10}{'ratio':>8}")
    for name, row in rows.items():
        ours, stock, part = (f"{row[word]:.2f}" if word in row else "" for word in ("ours", "stock", "ratio"))
        print(f"{name:<18}{ours:>10}{stock:>10}{part:>8}", flush=True)
    return rows


def show_lighthouse(found: dict[str, Any], runs: int) -> None:
    print(f"\n5. Lighthouse {lighthouse.LIGHTHOUSE}, mobile, gzip: median (lowest) of {runs} runs")
    print(f"{'':<8}{''.join(f'{name:>16}' for name in lighthouse.CATEGORIES)}{'KB':>8}{'pictures':>10}  page")
    for page, side, row in ((page, side, row) for page, sides in found.items() for side, row in sides.items()):
        scores = (f"{score:.2f} ({row['lowest'][name]:.2f})" for name, score in row["scores"].items())
        pictures = row["picture_bytes"] / 1000
        sizes = f"{row['bytes'] / 1000 - pictures:>8.0f}{pictures:>10.0f}"
        print(f"{side:<8}{''.join(f'{score:>16}' for score in scores)}{sizes}  {page}")


def missing(backends: list[str], with_lighthouse: bool) -> str:
    """What is not here and how to get it, in one line; empty where all is."""
    if without := [f'"execute({name})"' for name in backends if not Path(python_of(name)).exists()]:
        return f"environments are missing: run nox -s {' '.join(without)}"
    if with_lighthouse and not chromium():
        return "Chromium is missing: apt-get install chromium, or pass --skip-lighthouse"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--skip-lighthouse", action="store_true")
    parser.add_argument("--runs", type=int, default=5, help="Lighthouse runs of a page; the tables show medians")
    options = parser.parse_args()
    if words := missing(options.backends, not options.skip_lighthouse):
        print(f"FAILED {words}", file=sys.stderr)
        return 1
    found: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
    found |= {name: version(name) for name in ("sphinx", "myst-nb", "sphinx-book-theme")}
    with tempfile.TemporaryDirectory(prefix="mithril-bench-") as folder:
        bench = Bench(Path(folder).resolve(), options.backends)
        found["pages"] = len(bench.pages)
        print(", ".join(f"{name} {value}" for name, value in found.items()), flush=True)
        bench.warm()
        found["cold"] = show("1. Cold build", bench.cold())
        found["overhead"] = show(f"2. A page above its own cells, median of up to {SAMPLE} pages", bench.overhead())
        found["rebuild"] = show("3. Rebuild, nothing changed (stock: from jupyter-cache)", bench.rebuild())
        found["hello"] = show("4. Hello World from an empty environment, download included", bench.hello())
        if not options.skip_lighthouse:
            try:
                found["lighthouse"] = bench.lighthouse(options.runs)
                show_lighthouse(found["lighthouse"], options.runs)
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                bench.failures.append(f"Lighthouse, which --skip-lighthouse leaves out: {error}")
    found |= {"repeated": bench.repeated, "failures": bench.failures}
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench.json").write_text(json.dumps(found, indent=1).replace("NaN", "null") + "\n")
    rows = [f"run again: {words}" for words in bench.repeated] + [f"FAILED {words}" for words in bench.failures]
    print(*rows, sep="\n", file=sys.stderr)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
