"""Fixtures: tiny sites built in a temporary folder, and the real site that ``nox -s site`` left in ``build/site``."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from lighthouse import CHROME_FLAGS, serve
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parent.parent
EXTENSION = ROOT / "docs" / "_ext"
BACKENDS = ("numpy", "torch", "jax", "mlx")
#: A block of a page that a reader types into a shell.
SHELL = re.compile(r"^```shell\n(.*?)^```$", re.MULTILINE | re.DOTALL)

FRONT = """\
---
file_format: mystnb
kernelspec: {{name: python3, display_name: Python 3}}
description: A page of a test.
roadmap: []
{extra}---

# {title}

"""


def python_of(backend: str) -> Path:
    """The interpreter of a backend's environment, as nox made it."""
    return ROOT / ".nox" / f"execute-{backend}" / "bin" / "python"


def cell(code: str, *options: str) -> str:
    """A code cell in MyST."""
    return "\n".join(["```{code-cell} ipython3", *options, code, "```", "", ""])


IMPORT = cell("import mithril as ml")
BACKEND = cell("backend = ml.NumpyBackend()", ":tags: [backend]")


@dataclasses.dataclass
class TinySite:
    """A site of a few pages in a folder of its own, executed and built by the commands that nox calls."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "build" / "store"

    @property
    def out(self) -> Path:
        return self.folder / "build" / "site"

    def page(self, name: str, *body: str, extra: str = "") -> Path:
        """Write a page; its body is what follows the title, with the cells that every page has if it has none."""
        path = self.folder / "docs" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = FRONT.format(title=name, extra=extra and f"{extra}\n") + "\n".join(body or (IMPORT, BACKEND))
        path.write_text(text, encoding="utf-8")
        return path

    def command(self, backend: str, *options: str, python: Path | None = None) -> list[str]:
        """The command that executes the pages on a backend."""
        places = ["--docs", str(self.folder / "docs"), "--store", str(self.store)]
        return [str(python or python_of(backend)), "-m", "mithril_docs", "execute", backend, *places, *options]

    def execute(self, backend: str = "numpy", *options: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
        """Execute the pages on a backend."""
        return run(self.command(backend, *options, **kwargs))  # type: ignore[arg-type]

    def build(self, *backends: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Render what the store holds, as strictly as nox does."""
        index = self.folder / "docs" / "index.md"
        if not index.exists():
            index.write_text("---\nroadmap: []\ndescription: x\n---\n# Index\n\n```{toctree}\n:glob:\n**\n```\n")
        return run(
            [
                sys.executable, "-m", "sphinx", "--quiet", "--nitpicky", "--fail-on-warning", "-c", str(ROOT),
                "-d", str(self.folder / "build" / "doctrees"), "-D", f"mithril_store={self.store}",
                "-D", f"mithril_backends={','.join(backends or ('numpy',))}", *options,
                str(self.folder / "docs"), str(self.out),
            ]
        )  # fmt: skip

    def html(self, name: str) -> BeautifulSoup:
        return BeautifulSoup((self.out / f"{name}.html").read_text(encoding="utf-8"), "html.parser")

    def record(self) -> dict:
        return json.loads((self.out / "verification.json").read_text())

    def status(self, name: str, backend: str = "numpy") -> str:
        return self.record()["pages"][name]["backends"][backend]["status"]


def run(command: list[str], timeout: float = 300, **kwargs: object) -> subprocess.CompletedProcess[str]:
    """Run a command of the project to its end, with its output as text."""
    env = {**os.environ, "PYTHONPATH": str(EXTENSION), "PYTHONDONTWRITEBYTECODE": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, env=env, **kwargs)  # type: ignore[call-overload]


def clean(bin_folder: Path) -> dict[str, str]:
    """The environment variables of a learner's shell: nothing of this repository's."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTHON", "VIRTUAL", "NOX", "JUPYTER", "IPYTHON", "MPL"))
    }
    # Nor a cap on versions that this machine's pip has: the line must do without.
    return kept | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "PIP_CONSTRAINT": os.devnull}


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium. A browser that is missing fails under CI and skips elsewhere."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        words = "Chromium is missing: apt-get install chromium"
        pytest.fail(words) if os.environ.get("CI") else pytest.skip(words)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROME_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of a file."""
    with chromium() as found:
        yield found


@pytest.fixture
def tiny(tmp_path: Path) -> TinySite:
    """An empty tiny site."""
    return TinySite(tmp_path)


@pytest.fixture(scope="session")
def site() -> Path:
    """The merged site of this checkout, as ``nox -s site`` built it."""
    path = ROOT / "build" / "site"
    assert (path / "verification.json").exists(), 'build/site is missing: run "nox -s site"'
    return path


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the merged site is served."""
    with serve(site) as found:
        yield found


@pytest.fixture(scope="session")
def record(site: Path) -> dict:
    """verification.json of the real site."""
    return json.loads((site / "verification.json").read_text())
