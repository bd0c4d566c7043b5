"""What is executed again and what is not, and that a build that is killed or repeated comes to the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from conftest import BACKEND, EXTENSION, IMPORT, ROOT, TinySite, cell
from test_failures import install

SUM = cell("print(float(backend.array([1.0, 2.0]).sum()))")


def executed(run: subprocess.CompletedProcess[str]) -> tuple[int, list[str]]:
    """How many pages a run executed, and their names."""
    assert run.returncode == 0, run.stderr
    number = int(re.search(r"(\d+) pages executed", run.stdout)[1])
    return number, sorted(re.findall(r"^\[\w+ \d+/\d+\] (\S+) ok", run.stdout, flags=re.MULTILINE))


def entries(store: Path) -> dict[str, dict]:
    """The results in a store without what may differ between two runs: seconds."""
    found = {}
    for path in sorted(store.rglob("pages/**/*.json")):
        content = json.loads(path.read_text().partition("\n")[2])
        found[str(path.relative_to(store))] = {k: v for k, v in content.items() if k not in ("seconds", "wall")}
    return found


def test_what_a_change_executes(tiny: TinySite) -> None:
    page = tiny.page("page", IMPORT, BACKEND, SUM)
    tiny.page("neighbour", IMPORT, BACKEND, SUM)
    for backend in ("numpy", "jax"):
        assert executed(tiny.execute(backend)) == (2, ["neighbour", "page"])
    assert tiny.build("numpy", "jax").returncode == 0

    for backend in ("numpy", "jax"):
        assert executed(tiny.execute(backend))[0] == 0
    page.write_text(page.read_text() + "\nSome prose.\n")
    for backend in ("numpy", "jax"):
        assert executed(tiny.execute(backend))[0] == 0
    assert tiny.build("numpy", "jax").returncode == 0
    assert "Some prose." in tiny.html("page").text

    page.write_text(page.read_text().replace("2.0", "3.0"))
    stale = tiny.build("numpy", "jax")
    assert stale.returncode == 1 and tiny.status("page") == "stale" and tiny.status("neighbour") == "ok"
    for backend in ("numpy", "jax"):
        assert executed(tiny.execute(backend)) == (1, ["page"])
    assert tiny.build("numpy", "jax").returncode == 0
    assert "4.0" in tiny.html("page").text


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        (lambda text: text.replace("description: A page", "description: The page"), 0),
        (lambda text: text.replace(":tags: [show]", ":tags: [hide-input]"), 0),
        (lambda text: text.replace(":tags: [show]", ":tags: [timing]"), 1),
        (lambda text: text.replace(":tags: [show]", ":parity: {x: 0.5}"), 1),
        (lambda text: text.replace("parity: {y: 0.1}", "parity: {y: 0.2}"), 0),
        (lambda text: text.replace("backends: [jax]", "backends: [torch]"), 0),
        (lambda text: text.replace("backends: [jax]", "backends: [numpy]"), 1),
        (lambda text: text.replace(BACKEND, BACKEND + cell("2", ":backends: [jax]")), 1),
        (lambda text: text.replace("timeout: 50", "timeout: 60"), 1),
    ],
    ids=["description", "looks", "timing", "parity", "tolerance", "others", "ours", "moved", "timeout"],
)
def test_what_steers_an_execution(tiny: TinySite, change, runs: int) -> None:
    cells = (cell("x = y = 1", ":tags: [show]"), cell("y = 1", ":parity: {y: 0.1}"), cell("1", ":backends: [jax]"))
    page = tiny.page("page", IMPORT, BACKEND, *cells, extra="timeout: 50")
    assert executed(tiny.execute())[0] == 1
    changed = change(page.read_text())
    assert changed != page.read_text()
    page.write_text(changed)
    assert executed(tiny.execute())[0] == runs


def test_a_local_file(tiny: TinySite) -> None:
    tiny.page("page", IMPORT, BACKEND, cell("print(open('data.txt').read())"), extra="files: [data.txt]")
    data = tiny.folder / "docs" / "data.txt"
    data.write_text("one")
    assert executed(tiny.execute())[0] == 1
    assert executed(tiny.execute())[0] == 0
    data.write_text("two")
    assert executed(tiny.execute())[0] == 1
    assert tiny.build().returncode == 0
    assert "two" in tiny.html("page").text


def test_a_changed_pin_executes_one_backend(tiny: TinySite, tmp_path: Path) -> None:
    tiny.page("page", IMPORT, BACKEND, SUM)
    for backend in ("numpy", "jax"):
        assert executed(tiny.execute(backend))[0] == 1
    pins = (ROOT / "constraints" / "numpy.txt").read_text()
    changed = re.sub(r"^wcwidth==.*$", "wcwidth==0.2.13", pins, flags=re.MULTILINE)
    assert changed != pins
    (tmp_path / "pins.txt").write_text(changed)
    install(tmp_path / "env", "-r", str(tmp_path / "pins.txt"))
    python = tmp_path / "env" / "bin" / "python"
    assert executed(tiny.execute("numpy", python=python))[0] == 1
    assert executed(tiny.execute("numpy", python=python))[0] == 0
    assert executed(tiny.execute("jax"))[0] == 0


SLOW = cell("import time\nfor i in range(30):\n    print(i)\n    time.sleep(0.1)")


def start(tiny: TinySite, command: list[str]) -> subprocess.Popen[str]:
    """Start a command and wait until it has a page in flight and one behind it."""
    env = {**os.environ, "PYTHONPATH": str(EXTENSION)}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if "1/3]" in line:
            break
    time.sleep(1)
    return process


def assert_gone(processes: list[psutil.Process]) -> None:
    """Nothing that the build started is left after a few seconds."""
    assert len(processes) >= 2, "the build had no kernel running when it was stopped"
    _, alive = psutil.wait_procs(processes, timeout=15)
    assert not alive


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_stopped(tiny: TinySite, tmp_path: Path, number: signal.Signals) -> None:
    for name in ("a", "b", "c"):
        tiny.page(name, IMPORT, BACKEND, SUM, SLOW)
    undisturbed = TinySite(tmp_path / "undisturbed")
    shutil.copytree(tiny.folder / "docs", undisturbed.folder / "docs")
    assert executed(undisturbed.execute())[0] == 3

    process = start(tiny, tiny.command("numpy", "--jobs", "1"))
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(timeout=15) != 0
    assert_gone(started)
    assert len(entries(tiny.store)) == 1

    assert executed(tiny.execute()) == (2, ["b", "c"])
    assert entries(tiny.store) == entries(undisturbed.store)
    assert tiny.build().returncode == 0


def test_a_killed_nox_leaves_nothing_running(tiny: TinySite) -> None:
    """The process above the executor dies, as when the terminal is closed or the machine runs out of memory."""
    for name in ("a", "b", "c"):
        tiny.page(name, IMPORT, BACKEND, SLOW)
    shell = f"{subprocess.list2cmdline(tiny.command('numpy', '--jobs', '1'))} & wait"
    process = start(tiny, ["bash", "-c", shell])
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    assert_gone(started)


def test_two_forced_runs_give_the_same(tiny: TinySite) -> None:
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    mixed = "import sys\nfor i in range(50):\n    print(i)\n    print(i, file=sys.stderr)"
    tiny.page("page", IMPORT, BACKEND, SUM, cell(draw), cell(mixed), cell("{'a', 'b', 'c'}"))
    assert tiny.execute("numpy").returncode == 0
    first = entries(tiny.store)
    assert executed(tiny.execute("numpy", "--force"))[0] == 1
    assert entries(tiny.store) == first
