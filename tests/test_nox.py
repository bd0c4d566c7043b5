"""nox's own commands: the names that others rely on, the live preview, and JupyterLab, each as a real server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, chromium, python_of, run
from mithril_docs.page import find_pages

NAMES = [
    "docs(numpy)",
    "docs(torch)",
    "docs(jax)",
    "docs(mlx)",
    "site",
    "tests",
    "serve",
    "lab",
    "bench",
    "lint",
    "linkcheck",
]
NOX = [sys.executable, "-m", "nox", "--noxfile", str(ROOT / "noxfile.py")]


def test_names() -> None:
    listed = run([*NOX, "--list"])
    assert listed.returncode == 0, listed.stderr
    sessions = dict(re.findall(r"^[*-] (\S+) -> (.+)$", listed.stdout, flags=re.MULTILINE))
    assert set(NAMES) <= set(sessions)
    assert all(sessions.values())


@contextlib.contextmanager
def server(command: list[str], ready: str) -> Iterator[str]:
    """Run a server until the block ends; gives its output up to the line that says that it is ready."""
    env = {**os.environ, "CI": "", "BROWSER": "true"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    seen = ""
    try:
        for line in process.stdout:
            seen += line
            if re.search(ready, line):
                break
        else:
            pytest.fail(f"the server did not start: {seen[-2000:]}")
        yield seen
    finally:
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def fetch(url: str, **kwargs: object) -> str:
    """What a server answers; it is asked for up to 20 s."""
    for _ in range(40):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, **kwargs), timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"no answer from {url}")


@pytest.mark.timeout(600)
def test_serve_shows_a_change() -> None:
    """The preview serves the site, and what is written into a page is there a moment later."""
    page = ROOT / "docs" / "verification.md"
    before = page.read_text()
    try:
        with server([*NOX, "-s", "serve"], r"Serving on|Uvicorn running|Application startup|http://127"):
            assert "What ran" in fetch("http://127.0.0.1:8000/verification.html")
            page.write_text(f"{before}\nWritten while it is served.\n")
            for _ in range(120):
                if "Written while it is served." in fetch("http://127.0.0.1:8000/verification.html"):
                    break
                time.sleep(0.5)
            else:
                pytest.fail("the change did not show in a minute")
    finally:
        page.write_text(before)


def lab_page(url: str) -> str:
    """What JupyterLab shows at an address, once a notebook is open there."""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        page.locator(".jp-Notebook .cm-content", has_text="JaxBackend").wait_for(timeout=60_000)
        return page.locator(".jp-Notebook").inner_text()


@pytest.mark.timeout(600)
def test_lab_opens_a_page_for_each_kernel() -> None:
    """The page in JAX's folder has JAX's class and kernel; saved there, its file says what it said."""
    name = "getting_started/hello_world.md"
    before = (ROOT / "docs" / name).read_text()
    pages = len(find_pages(ROOT / "docs"))
    try:
        with server([*NOX, "-s", "lab", "--", "numpy", "jax"], r"http://127\.0\.0\.1:\d+/lab\?token=\w+") as seen:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/lab\?token=(\w+)", seen)
            base, token = f"http://127.0.0.1:{found[1]}", {"Authorization": f"token {found[2]}"}
            specs = json.loads(fetch(f"{base}/api/kernelspecs", headers=token))["kernelspecs"]
            assert {"mithril-numpy", "mithril-jax"} <= set(specs)
            assert Path(specs["mithril-jax"]["spec"]["argv"][0]) == python_of("jax")
            opened = json.loads(fetch(f"{base}/api/contents/jax/{name}", headers=token))
            assert opened["type"] == "notebook"
            code = [cell["source"] for cell in opened["content"]["cells"] if cell["cell_type"] == "code"]
            assert "backend = ml.JaxBackend()" in code
            assert opened["content"]["metadata"]["kernelspec"]["name"] == "mithril-jax"

            page = lab_page(f"{base}/lab/tree/jax/{name}?token={found[2]}")
            assert "ml.JaxBackend()" in page

            opened["content"]["cells"].append(
                {"cell_type": "markdown", "id": "new", "metadata": {}, "source": "Written in the lab."}
            )
            body = json.dumps({"type": "notebook", "format": "json", "content": opened["content"]}).encode()
            fetch(f"{base}/api/contents/jax/{name}", data=body, headers=token, method="PUT")
            saved = (ROOT / "docs" / name).read_text()
            assert (
                saved.endswith("Written in the lab.\n") and "ml.NumpyBackend()" in saved and "JaxBackend" not in saved
            )
            assert saved.split("\n---\n")[0] == before.split("\n---\n")[0]
            assert len(find_pages(ROOT / "docs")) == pages  # Jupyter's own copies are no pages of the site
    finally:
        (ROOT / "docs" / name).write_text(before)
        shutil.rmtree((ROOT / "docs" / name).with_name(".ipynb_checkpoints"), ignore_errors=True)


def test_wrong_backend_is_named() -> None:
    done = run([*NOX, "-s", "serve", "--", "tensorflow"])
    assert done.returncode != 0
    assert "no backend tensorflow: name some of numpy, torch, jax, mlx" in done.stderr
