"""The build's own benchmark: this site's build against its peers on the same pages, all in one run.

``python tests/bench/bench.py [--parts growth preview] [--backends numpy jax] [--only PAGE ...] [--runs 5]``, as
``nox -s bench -- ...`` calls it.

It prints a table a part and writes ``build/bench.json``. Nothing is asserted on a time. The exit status is 1 where
something did not do its work on either side, for then the two did not do the same.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from html import unescape
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT / "docs" / "_ext"), str(ROOT / "tests")]
import conforming  # noqa: E402
import gallery  # noqa: E402
import growth  # noqa: E402
import keystrokes  # noqa: E402
import preview  # noqa: E402
import report  # noqa: E402
import stock  # noqa: E402
import watching  # noqa: E402
from ours import Run, Site, isolated  # noqa: E402
from report import Rows, compare, ratio  # noqa: E402

from mithril_docs.backends import BACKENDS  # noqa: E402
from support import lighthouse  # noqa: E402
from support.places import python_of  # noqa: E402

#: Pages of a backend that are executed one at a time, evenly spaced over all of them.
SAMPLE = 6
#: Edits of a page's prose.
EDITS = 3

#: The parts in their order, and what each measures.
PARTS = {
    "cold": "Cold build, in seconds",
    "overhead": f"A page above its own cells, in seconds, median of up to {SAMPLE} pages",
    "rebuild": "Rebuild, nothing changed, in seconds (stock: from jupyter-cache)",
    "edit": f"Rebuild against our own cold HTML, in seconds, median of {EDITS}",
    "gallery": "NumPy's pages against sphinx-gallery, cold, in seconds",
    "growth": f"{growth.TIMES} times as many pages, on NumPy",
    "hello": "Hello World from an empty environment, download included, in seconds",
    "preview": "Live preview, from an edit to the browser (stock: sphinx-autobuild, jupyter-cache)",
    "watching": "What the recorder adds to cells that catch many errors, in seconds",
    "conformance": "Conformance, in cases a second (pytest: a test that compiles and evaluates each case)",
    "search": "The search, from a keystroke to its answers",
    "lighthouse": "Lighthouse",
}


class Bench:
    """One run. A part that needs what another made has it made once."""

    def __init__(self, work: Path, backends: list[str], only: set[str] | None, runs: int) -> None:
        self.run = Run(work)
        self.backends, self.only, self.runs = backends, only, runs
        self.site = Site.copy(self.run, "site", only)
        self.stock = stock.Stock(self.run, work / "stock", self.site)
        self.pages = self.site.pages
        self._made: dict[str, Any] = {}
        self.run("byte code", [sys.executable, "-m", "compileall", "-q", "docs/_ext"], cwd=self.site.folder)

    def once(self, what: str, make: Callable[[], Any]) -> Any:
        """What was made under a name, made where it is not yet."""
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]

    def our_cold(self, backend: str) -> float:
        """Our execution with nothing kept from before."""

        def make() -> float:
            self.site.warm(backend)
            return self.site.execute(backend, "--force").seconds

        return self.once(f"ours {backend}", make)

    def our_html(self) -> float:
        """Our HTML of all backends with nothing kept from before."""
        for backend in self.backends:
            self.our_cold(backend)
        return self.once("ours", lambda: self.site.render(*self.backends).seconds)

    def stock_folder(self, backend: str) -> Path:
        """Stock's project of all pages."""
        return self.stock.folder / "all" / backend

    def stock_cold(self, backend: str) -> float:
        """Stock's build with nothing kept from before. One small page ran first, as on our side."""

        def make() -> float:
            fonts = [str(python_of(backend)), "-c", "import matplotlib.pyplot"]
            self.run(f"fonts, {backend}", fonts, isolated(backend, self.stock.cache), cwd=self.run.work)
            index = [page for page in self.pages if page.name == "index"]
            self.stock.build(self.stock.write(index, backend, "warm"))
            return self.stock.build(self.stock.write(self.pages, backend, "all"), "-E")

        return self.once(f"stock {backend}", make)

    def cold(self) -> Rows:
        """Every page on every backend. The two sides take turns, backend by backend."""
        ours, theirs = {}, {}
        for backend in self.backends:
            ours[backend] = self.our_cold(backend)
            theirs[backend] = self.stock_cold(backend)
        return compare(ours | {"the merged site": self.our_html()}, theirs)

    def overhead(self) -> Rows:
        """What a page costs above its cells, the median of pages that run one at a time."""
        found: Rows = {}
        for backend in self.backends:
            pages = [page for page in self.pages if backend in page.backends]
            count = min(SAMPLE, len(pages))
            pages = [pages[i * len(pages) // count] for i in range(count)]
            only = [word for page in pages for word in ("--only", page.name)]
            self.site.execute(backend, "--force", "--jobs", "1", *only, store="serial")
            results = [self.site.result(page.name, backend, "serial") for page in pages]
            folder = self.stock.write(pages, backend, "serial", stock.CONF + stock.TIMERS)
            self.stock.build(folder, "-E", "-D", f"root_doc={pages[0].name}", jobs="1")
            ours = [result.wall - result.seconds for result in results if result]
            rows = (folder / "docs" / "times").read_text().splitlines()
            theirs = [wall - cells for wall, cells in map(json.loads, rows)]
            found[backend] = ratio(statistics.median(ours), statistics.median(theirs)) | {"pages": len(pages)}
        return found

    def rebuild(self) -> Rows:
        """Nothing changed since the build before. Stock finds what its cold build executed in jupyter-cache."""
        self.our_html()
        ours, theirs = {}, {}
        for backend in self.backends:
            self.stock_cold(backend)
            folder = self.stock_folder(backend)
            cached = self.stock.cached(folder)
            self.stock.build(folder, *cached)
            ours[backend] = self.site.execute(backend).seconds
            theirs[backend] = self.stock.build(folder, *cached)
        return compare(ours | {"the merged site": self.site.render(*self.backends).seconds}, theirs)

    def edit(self) -> tuple[Rows, str]:
        """The prose of one page edited, and nothing, against our own HTML of all pages. Neither executes anything."""
        cold = self.our_html()
        page = self.site.usual_page(self.backends)
        text = page.path.read_text()
        rows: Rows = {}
        for what in ("nothing changed", "prose of a page"):
            times = []
            for number in range(EDITS):
                if what != "nothing changed":
                    page.path.write_text(f"{text}\nEdit {number} of the benchmark.\n")
                executed = [self.site.execute(backend) for backend in self.backends]
                rendered = self.site.render(*self.backends)
                count = sum(done.executed for done in executed)
                self.run.expect(count == 0, f"{what}: executed {count} pages where no cell had changed")
                times.append([sum(done.seconds for done in executed), rendered.seconds])
            execution, html = (statistics.median(column) for column in zip(*times, strict=True))
            parts = {"executing": execution, "HTML": html}
            rows[what] = parts | ratio(statistics.median(map(sum, times)), cold, "cold HTML")
        shown = (self.site.out / f"{page.name}.html").read_text()
        self.run.expect("of the benchmark." in shown, f"{page.name}: the HTML lacks what was written")
        return rows, f"edited: {page.name}"

    def gallery(self) -> tuple[Rows, str]:
        return gallery.measure(self.run, self.only)

    def growth(self) -> tuple[Rows, str]:
        return growth.measure(self.run, self.only)

    def preview(self) -> tuple[Rows, str]:
        self.our_cold("numpy")
        self.stock_cold("numpy")
        return preview.measure(self.run, self.site, self.stock, self.stock_folder("numpy"))

    def watching(self) -> tuple[Rows, str]:
        return watching.measure(self.run)

    def conformance(self) -> tuple[Rows, str]:
        return conforming.measure(self.run, self.backends)

    def search(self) -> tuple[Rows, str]:
        self.our_html()
        return keystrokes.measure(self.site.out)

    def hello(self) -> Rows:
        """Hello World by the clock: an empty environment, the page's install line, and its program."""
        self.our_html()
        page = self.site.out / "getting_started" / "hello_world.html"
        lines = dict(re.findall(r'data-backends="(\w+)">.*?(pip install [^<]*)', page.read_text(), re.DOTALL))
        found: Rows = {}
        for backend in self.backends:
            folder = self.run.work / "hello" / backend
            python = folder / ".venv" / "bin" / "python"
            program = self.site.out / "_downloads" / "pages" / "getting_started" / f"hello_world-{backend}.py"
            startup = f"{BACKENDS[backend].startup}\nimport runpy; runpy.run_path({str(program)!r})"
            steps = [
                [str(python_of("numpy")), "-m", "venv", str(folder / ".venv")],
                [str(python), "-m", *shlex.split(unescape(lines[backend]))],
                [str(python), "-c", startup],
            ]
            took = [self.run(f"Hello World, {backend}", step, cwd=self.run.work).seconds for step in steps]
            found[backend] = {"ours": sum(took)}
            shutil.rmtree(folder)
        return found

    def lighthouse(self) -> dict[str, Any]:
        """Hello World and the longest page, as a phone loads them, from our site and from stock's first backend."""
        self.our_html()
        backend = self.backends[0]
        self.stock_cold(backend)
        sites = {"ours": self.site.out, "stock": self.stock_folder(backend) / "out" / "html"}
        names = [f"{page.name}.html" for page in self.pages if backend in page.backends]
        longest = max(names, key=lambda name: (sites["ours"] / name).stat().st_size)
        chosen = list(dict.fromkeys(["getting_started/hello_world.html", longest]))
        settings: dict[str, Any] = {"cache": ROOT / "build" / "cache", "runs": self.runs, "chrome": chromium()}
        found = {side: lighthouse.measure_site(site, chosen, **settings) for side, site in sites.items()}
        return {page: {side: asdict(found[side][page]) for side in sites} for page in chosen}

    def measure(self, part: str) -> dict[str, Any]:
        """Run a part and print its table."""
        try:
            told = getattr(self, part)()
        except Exception as error:  # what this part lacks, another may not need
            self.run.fail(f"{part}: {type(error).__name__}: {error}")
            return {}
        if part == "lighthouse":
            report.show_lighthouse(told, self.runs)
            return told
        rows, note = told if isinstance(told, tuple) else (told, "")
        report.show(f"{list(PARTS).index(part) + 1}. {PARTS[part]}", rows, note)
        return rows


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def missing(backends: list[str], parts: list[str]) -> str:
    """What is not here and how to get it, in one line; empty where all is."""
    if without := [f'"execute({name})"' for name in backends if not python_of(name).exists()]:
        return f"environments are missing: run nox --install-only -s {' '.join(without)}"
    if {"preview", "lighthouse"}.intersection(parts) and not chromium():
        return "Chromium is missing: apt-get install chromium, or name other --parts"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure; all")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--only", nargs="+", metavar="PAGE", help="of the pages that run, these and the index alone")
    parser.add_argument("--runs", type=int, default=5, help="Lighthouse runs of a page; the tables show medians")
    options = parser.parse_args()
    parts = [part for part in PARTS if part in options.parts]
    numpy = {"gallery", "growth", "preview", "hello", "watching"}.intersection(parts)
    if words := missing([*options.backends, *(["numpy"] if numpy else [])], parts):
        print(f"FAILED {words}", file=sys.stderr)
        return 1
    found: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
    found |= {name: version(name) for name in ("sphinx", "myst-nb", "sphinx-book-theme", "sphinx-gallery")}
    with tempfile.TemporaryDirectory(prefix="mithril-bench-", ignore_cleanup_errors=True) as folder:
        only = set(options.only) if options.only else None
        bench = Bench(Path(folder).resolve(), options.backends, only, options.runs)
        if unknown := sorted((only or set()) - {page.name for page in bench.pages}):
            parser.error(f"no page {', '.join(unknown)}, or one that stock cannot build")
        found["pages"] = sum(page.runs for page in bench.pages)
        print(", ".join(f"{name} {value}" for name, value in found.items()), flush=True)
        for part in parts:
            found[part] = bench.measure(part)
    found |= {"repeated": bench.run.repeated, "failures": bench.run.failures}
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench.json").write_text(json.dumps(found, indent=1).replace("NaN", "null") + "\n")
    rows = [f"run again: {words}" for words in bench.run.repeated]
    rows += [f"FAILED {words}" for words in bench.run.failures]
    print(*rows, sep="\n", file=sys.stderr)
    return 1 if bench.run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
