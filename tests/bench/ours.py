"""Our side: a copy of the pages, executed and rendered as nox does it; and how the commands of both sides are run."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

from mithril_docs.backends import BACKENDS
from mithril_docs.conformance.run import FOLDER
from mithril_docs.execute import environment
from mithril_docs.page import Page, find_pages
from mithril_docs.results import Result
from mithril_docs.store import Store
from support.places import ROOT, python_of

#: Folders whose pages stock myst-nb cannot build: they are made by directives of ours.
OURS_ALONE = ("reference", "backends")
#: What a command says of what it did not do.
_FAILED = re.compile(r"^FAILED .*|.*: Executing notebook failed.*|.* (?:failed|unexpectedly failed) to execute.*", re.M)


@dataclasses.dataclass
class Done:
    """A command that ran: the seconds it took, not a number where it failed, and what it printed."""

    seconds: float
    printed: str

    @property
    def executed(self) -> int:
        """The pages that our executor says it executed."""
        found = re.search(r"(\d+) pages executed", self.printed)
        return int(found[1]) if found else -1


@dataclasses.dataclass
class Run:
    """One run of the benchmark: where it works, what failed in it, and what was run again."""

    work: Path
    failures: list[str] = dataclasses.field(default_factory=list)
    repeated: list[str] = dataclasses.field(default_factory=list)

    def __call__(
        self, label: str, command: list[str], environ: Mapping[str, str] | None = None, *, cwd: Path, tries: int = 1
    ) -> Done:
        """Run a command to its end. Why it failed is kept for the end of the run."""
        print(f"  {label} ...", file=sys.stderr, flush=True)
        variables = {**(os.environ if environ is None else environ), "PYTHONDONTWRITEBYTECODE": ""}
        start = time.perf_counter()
        done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)
        took = time.perf_counter() - start
        words = _FAILED.findall(done.stderr)
        if done.returncode and not words:
            words = re.findall(r".*(?:WARNING|Error): .*", done.stderr)[-1:] or [f"exit status {done.returncode}"]
            if tries > 1:
                self.repeated += [f"{label}: {word}" for word in words]
                return self(label, command, environ, cwd=cwd, tries=tries - 1)
        for word in words:
            self.fail(f"{label}: {word}")
        return Done(float("nan") if words else took, done.stdout)

    def expect(self, true: bool, words: str) -> None:
        """Note a failure where something is not as it must be for the times to mean anything."""
        if not true:
            self.fail(words)

    def fail(self, words: str) -> None:
        """Note a failure, which is told at the end too."""
        print(f"  FAILED {words}", file=sys.stderr, flush=True)
        self.failures.append(words)


@dataclasses.dataclass
class Site:
    """A copy of the pages with all that builds them, so that an edit made meanwhile does not reach one side alone."""

    run: Run
    folder: Path

    @classmethod
    def copy(cls, run: Run, name: str, only: set[str] | None = None) -> Site:
        """Copy the pages, less those that only we can build, and of those that run only the index and some."""
        site = cls(run, run.work / name)
        shutil.copytree(ROOT / "docs", site.docs, ignore=shutil.ignore_patterns("__pycache__"))
        for folder in (*OURS_ALONE, FOLDER):
            shutil.rmtree(site.docs / folder)
        shutil.copy(ROOT / "conf.py", site.folder)
        index = site.docs / "index.md"
        text = re.sub(rf".*\b({'|'.join(OURS_ALONE)})/.*\n", "", index.read_text())
        for page in site.pages if only else []:
            if page.runs and page.name not in {*(only or ()), "index"}:
                page.path.unlink()
                text = re.sub(rf"^{re.escape(page.name)}\n", "", text, flags=re.M)
        index.write_text(text)
        return site

    @property
    def docs(self) -> Path:
        return self.folder / "docs"

    @property
    def out(self) -> Path:
        return self.folder / "site"

    @property
    def pages(self) -> list[Page]:
        return find_pages(self.docs, self.folder / "pages.pickle")

    def store(self, name: str = "store") -> Path:
        return self.folder / "build" / name

    @property
    def variables(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(self.docs / "_ext")}

    def execute(self, backend: str, *options: str, store: str = "store") -> Done:
        """Execute the pages on a backend."""
        places = ["--docs", str(self.docs), "--store", str(self.store(store))]
        command = [str(python_of(backend)), "-m", "mithril_docs", "execute", backend, *places, *options]
        return self.run(f"ours, {self.folder.name}, {backend}", command, self.variables, cwd=self.folder)

    def warm(self, backend: str) -> None:
        """Run one small page, so that byte code, caches of fonts and files are there."""
        self.execute(backend, "--only", "index", store="warm")

    def render(self, *backends: str) -> Done:
        """Build the site with the options of the noxfile."""
        places = ["--store", str(self.store()), "--out", "site", "--doctrees", "doctrees"]
        # Links to the pages that are left out.
        options = ["--sphinx=-Dsuppress_warnings=myst.xref_missing"]
        command = [sys.executable, "-m", "mithril_docs", "render", *backends, *places, *options]
        return self.run(f"ours, {self.folder.name}, HTML", command, self.variables, cwd=self.folder)

    def result(self, page: str, backend: str, store: str = "store") -> Result | None:
        return Store(self.store(store)).read(page, backend)

    def usual_page(self, backends: list[str]) -> Page:
        """The page of median length among those that run on the backends, and that an edit is made in."""
        pages = [page for page in self.pages if page.name != "index" and {*backends} <= {*page.backends}]
        return sorted(pages or self.pages, key=lambda page: page.path.stat().st_size)[len(pages) // 2]


def isolated(backend: str, cache: Path) -> dict[str, str]:
    """The variables that our pages see on the backend, with caches in a folder of their own."""
    with mock.patch.dict(os.environ):
        environment.isolate(BACKENDS[backend], cache)
        return dict(os.environ)
