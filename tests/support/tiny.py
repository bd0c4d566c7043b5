"""Tiny sites: a few pages in a folder of their own, executed and built as nox does it."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bs4 import BeautifulSoup
from sphinx.cmd.build import build_main

from support.places import ROOT, STORE, python_of, run

FRONT = """\
---
file_format: mystnb
kernelspec: {{name: python3, display_name: Python 3}}
description: A page of a test.
roadmap: []
{extra}---

# {title}

"""
INDEX = "---\nroadmap: []\ndescription: x\n---\n# Index\n\n```{toctree}\n:glob:\n**\n```\n"


def cell(code: str, *options: str) -> str:
    """A code cell in MyST."""
    return "\n".join(["```{code-cell} ipython3", *options, code, "```", "", ""])


IMPORT = cell("import mithril as ml")
BACKEND = cell("backend = ml.NumpyBackend()", ":tags: [backend]")


@dataclasses.dataclass
class TinySite:
    """A site of a few pages in a folder of its own."""

    folder: Path

    @property
    def docs(self) -> Path:
        return self.folder / "docs"

    @property
    def store(self) -> Path:
        return self.folder / "build" / "store"

    @property
    def out(self) -> Path:
        return self.folder / "build" / "site"

    def page(self, name: str, *body: str, extra: str = "") -> Path:
        """Write a page; its body is what follows the title, with the cells that every page has if it has none."""
        path = self.docs / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = FRONT.format(title=name, extra=extra and f"{extra}\n") + "\n".join(body or (IMPORT, BACKEND))
        path.write_text(text, encoding="utf-8")
        return path

    def command(self, backend: str, *options: str, python: Path | None = None, what: str = "execute") -> list[str]:
        """The command that executes the pages, or the models, on a backend."""
        places = ["--docs", str(self.docs), "--store", str(self.store)]
        return [str(python or python_of(backend)), "-m", "mithril_docs", what, backend, *places, *options]

    def execute(
        self, backend: str = "numpy", *options: str, python: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Execute the pages on a backend. That its environment works is known from the real store, if that has it."""
        known, own = STORE / backend / "environment.json", self.store / backend / "environment.json"
        if python is None and known.exists() and not own.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(known, own)
        return run(self.command(backend, *options, python=python))

    def run_models(self, backend: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the models of the cards on a backend."""
        return run(self.command(backend, *options, what="models"))

    def conform(self, *options: str, python: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the models over their domains on NumPy, in its environment or in that of an interpreter."""
        places = ["--docs", str(self.docs), "--store", str(self.store)]
        words = ["conformance", f"numpy={python or python_of('numpy')}", *places, *options]
        return run([sys.executable, "-m", "mithril_docs", *words])

    def build(self, *backends: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Render what the store holds, as strictly as nox does, in this process: Sphinx is imported once."""
        index = self.docs / "index.md"
        if not index.exists():
            index.write_text(INDEX)
        arguments = [
            "--quiet", "--nitpicky", "--fail-on-warning", "-c", str(ROOT),
            "-d", str(self.folder / "build" / "doctrees"), "-D", f"mithril_store={self.store}",
            "-D", f"mithril_backends={','.join(backends or ('numpy',))}", *options, str(self.docs), str(self.out),
        ]  # fmt: skip
        printed, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
            status = build_main(arguments)
        return subprocess.CompletedProcess(arguments, status, printed.getvalue(), said.getvalue())

    def html(self, name: str) -> BeautifulSoup:
        return BeautifulSoup((self.out / f"{name}.html").read_text(encoding="utf-8"), "lxml")

    def record(self) -> dict:
        return json.loads((self.out / "verification.json").read_text())

    def status(self, name: str, backend: str = "numpy") -> str:
        return self.record()["pages"][name]["backends"][backend]["status"]

    def results(self, what: str = "pages") -> dict[str, dict]:
        """What the store holds, by file, without what may differ between two runs: seconds."""
        found = {}
        for path in sorted(self.store.rglob(f"{what}/**/*.json")):
            content = json.loads(path.read_text().partition("\n")[2])
            found[str(path.relative_to(self.store))] = {
                k: v for k, v in content.items() if k not in ("seconds", "wall")
            }
        return found


def make_environment(folder: Path, *words: str) -> Path:
    """A virtual environment with what the words name; its interpreter."""
    uv = shutil.which("uv") or os.fspath(Path(os.environ.get("UV", "uv")))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(folder), *words], check=True)
    return folder / "bin" / "python"
