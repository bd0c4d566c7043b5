"""nox's own commands: the names that others rely on, the live preview, and JupyterLab, each as a real server."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from mithril_docs.page import find_pages
from support.places import BACKENDS, ROOT, python_of, run
from support.tiny import TinySite

NAMES = [
    *(f"docs({name})" for name in BACKENDS),
    "site",
    "render",
    "tests",
    "prove",
    "serve",
    "lab",
    "bench",
    "lint",
    "linkcheck",
]
NOX = [sys.executable, "-m", "nox", "--noxfile", str(ROOT / "noxfile.py")]
#: Seconds for what takes a few, on a machine that does other things too.
SOON = 180

# Two of nox at a time would look after one environment.
pytestmark = pytest.mark.xdist_group("nox")


def test_names() -> None:
    listed = run([*NOX, "--list"])
    assert listed.returncode == 0, listed.stderr
    sessions = dict(re.findall(r"^[*-] (\S+) -> (.+)$", listed.stdout, flags=re.MULTILINE))
    assert set(NAMES) <= set(sessions)
    assert all(sessions.values())


def test_wrong_backend_is_named() -> None:
    done = run([*NOX, "-s", "serve", "--", "tensorflow"])
    assert done.returncode != 0
    assert "no backend tensorflow: name some of numpy, torch, jax, mlx" in done.stderr


@dataclasses.dataclass
class Server:
    """A server that runs, and all that it and nox print."""

    process: subprocess.Popen[bytes]
    log: Path

    def printed(self, pattern: str) -> re.Match[str]:
        """What it prints, once it has."""
        end = time.monotonic() + SOON
        while time.monotonic() < end:
            if found := re.search(pattern, self.text()):
                return found
            if self.process.poll() is not None:
                pytest.fail(f"the server ended: {self.text()[-2000:]}")
            time.sleep(0.2)
        pytest.fail(f"it does not print '{pattern}': {self.text()[-2000:]}")

    def text(self) -> str:
        """All of it so far, without colors."""
        return re.sub(r"\x1b\[[\d;]*m", "", self.log.read_text(errors="replace"))


@contextlib.contextmanager
def server(folder: Path, session: str, *words: str) -> Iterator[Server]:
    """Run a session of nox that serves, until the block ends."""
    log = folder / "log"
    env = {**os.environ, "CI": "", "BROWSER": "true"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*NOX, "-s", session, "--", *words],
            cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield Server(process, log)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.timeout(900)
@pytest.mark.takes(60)
def test_serve_shows_what_is_written(tiny: TinySite, browser: Browser) -> None:
    """A page that is open in a browser shows what is written into it; a cell that fails is told and stops nobody."""
    # A page of the site's own, copied, for no file of the checkout may change.
    name = "getting_started/hello_world"
    path = tiny.docs / f"{name}.md"
    path.parent.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / f"{name}.md", path)
    tiny.page("index", "```{toctree}\n:glob:\n**\n```")
    before, port = path.read_text(), free_port()
    places = ["--docs", str(tiny.docs), "--store", str(tiny.store), "--out", str(tiny.out)]
    with server(tiny.folder, "serve", "numpy", *places, "--port", str(port)) as running:
        running.printed(rf"Serving on http://127\.0\.0\.1:{port}")
        page = browser.new_page()
        page.set_default_timeout(SOON * 1000)
        for _ in range(40):  # it says so a moment before it does so
            with contextlib.suppress(Exception):
                page.goto(f"http://127.0.0.1:{port}/{name}.html")
                break
            time.sleep(0.5)
        page.get_by_role("heading", level=1).wait_for()
        page.get_by_text("ml.NumpyBackend()").first.wait_for()

        path.write_text(f"{before}\nWritten while it is served.\n")
        page.get_by_text("Written while it is served.").wait_for()
        running.printed("0 pages executed in .* s, 1 reused")

        new = "\n```{code-cell} ipython3\nprint(6 * %s)\n```\n"
        path.write_text(before + new % "7")
        page.locator(".cell_output pre", has_text=re.compile(r"^\s*42\s*$")).wait_for()

        path.write_text(before + new % "undefined_name")
        running.printed(rf"FAILED {name} on numpy, cell \d+: NameError: name 'undefined_name' is not defined")
        page.get_by_text("This page failed").wait_for()

        path.write_text(before + new % "8")
        page.locator(".cell_output pre", has_text=re.compile(r"^\s*48\s*$")).wait_for()
        assert page.get_by_text("This page failed").count() == 0
        page.close()


def fetch(url: str, **kwargs: object) -> str:
    """What a server answers."""
    with urllib.request.urlopen(urllib.request.Request(url, **kwargs), timeout=60) as answer:  # type: ignore[arg-type]
        return answer.read().decode()


@pytest.mark.timeout(900)
@pytest.mark.takes(60)
def test_lab_opens_a_page_for_each_kernel(tmp_path: Path, browser: Browser) -> None:
    """The page in JAX's folder has JAX's class and kernel; saved there, its file says what it said."""
    docs, name = tmp_path / "docs", "getting_started/hello_world.md"
    shutil.copytree((ROOT / "docs" / name).parent, (docs / name).parent)
    before = (docs / name).read_text()
    pages = len(find_pages(docs))
    places = ["--docs", str(docs), "--out", str(tmp_path / "lab")]
    with server(tmp_path, "lab", "numpy", "jax", *places, f"--port={free_port()}") as running:
        found = running.printed(r"http://127\.0\.0\.1:(\d+)/lab\?token=(\w+)")
        base, token = f"http://127.0.0.1:{found[1]}", {"Authorization": f"token {found[2]}"}
        specs = json.loads(fetch(f"{base}/api/kernelspecs", headers=token))["kernelspecs"]
        assert {"mithril-numpy", "mithril-jax"} <= set(specs)
        assert Path(specs["mithril-jax"]["spec"]["argv"][0]) == python_of("jax")
        opened = json.loads(fetch(f"{base}/api/contents/jax/{name}", headers=token))
        assert opened["type"] == "notebook"
        code = [cell["source"] for cell in opened["content"]["cells"] if cell["cell_type"] == "code"]
        assert "backend = ml.JaxBackend()" in code
        assert opened["content"]["metadata"]["kernelspec"]["name"] == "mithril-jax"

        page = browser.new_page()
        page.goto(f"{base}/lab/tree/jax/{name}?token={found[2]}")
        shown = page.locator(".jp-Notebook .cm-content", has_text="JaxBackend")
        shown.wait_for(timeout=SOON * 1000)
        assert "ml.JaxBackend()" in shown.inner_text()
        page.close()

        opened["content"]["cells"].append(
            {"cell_type": "markdown", "id": "new", "metadata": {}, "source": "Written in the lab."}
        )
        body = json.dumps({"type": "notebook", "format": "json", "content": opened["content"]}).encode()
        fetch(f"{base}/api/contents/jax/{name}", data=body, headers=token, method="PUT")
        saved = (docs / name).read_text()
        assert saved.endswith("Written in the lab.\n")
        assert "ml.NumpyBackend()" in saved and "JaxBackend" not in saved
        assert saved.split("\n---\n")[0] == before.split("\n---\n")[0]
        assert len(find_pages(docs)) == pages  # Jupyter's own copies are no pages of the site
