"""What is executed again and what is not, and that a build that is killed or repeated comes to the same.

What of a page steers an execution is told by ``tests/unit/test_page.py``, which executes nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from mithril_docs.store import Store
from support.places import EXTENSION, ROOT
from support.tiny import BACKEND, IMPORT, TinySite, cell, make_environment

SUM = cell("print(float(backend.array([1.0, 2.0]).sum()))")


def executed(run: subprocess.CompletedProcess[str]) -> tuple[int, list[str]]:
    """How many pages a run executed, and their names."""
    assert run.returncode == 0, run.stderr
    found = re.search(r"(\d+) pages executed", run.stdout)
    assert found
    return int(found[1]), sorted(re.findall(r"^\[\w+ \d+/\d+\] (\S+) ok", run.stdout, flags=re.MULTILINE))


def test_what_a_change_executes(tiny: TinySite) -> None:
    """On each backend a page is executed when its code or a file that it reads is another, and only then."""
    page = tiny.page("page", IMPORT, BACKEND, SUM)
    tiny.page("neighbour", IMPORT, BACKEND, SUM)
    tiny.page("reader", IMPORT, BACKEND, cell("print(open('data.txt').read())"), extra="files: [data.txt]")
    data = tiny.docs / "data.txt"
    data.write_text("one")
    for backend in ("numpy", "jax"):
        assert executed(tiny.execute(backend)) == (3, ["neighbour", "page", "reader"])
    assert tiny.build("numpy", "jax").returncode == 0

    page.write_text(page.read_text() + "\nSome prose.\n")
    for backend in ("numpy", "jax"):
        assert executed(tiny.execute(backend))[0] == 0
    assert tiny.build("numpy", "jax").returncode == 0
    assert "Some prose." in tiny.html("page").text

    page.write_text(page.read_text().replace("2.0", "3.0"))
    data.write_text("two")
    stale = tiny.build("numpy", "jax")
    assert stale.returncode == 1
    assert [tiny.status(name) for name in ("page", "reader", "neighbour")] == ["stale", "stale", "ok"]
    for backend in ("numpy", "jax"):
        assert executed(tiny.execute(backend)) == (2, ["page", "reader"])
    assert tiny.build("numpy", "jax").returncode == 0
    assert "4.0" in tiny.html("page").text and "two" in tiny.html("reader").text


@pytest.mark.takes(30)
def test_a_changed_pin_executes_one_backend(tiny: TinySite, tmp_path: Path) -> None:
    tiny.page("page", IMPORT, BACKEND, SUM)
    for backend in ("numpy", "jax"):
        assert executed(tiny.execute(backend))[0] == 1
    pins = (ROOT / "constraints" / "numpy.txt").read_text()
    changed = re.sub(r"^cycler==.*$", "cycler==0.12.0", pins, flags=re.MULTILINE)
    assert changed != pins
    (tmp_path / "pins.txt").write_text(changed)
    python = make_environment(tmp_path / "env", "-r", str(tmp_path / "pins.txt"))
    assert executed(tiny.execute("numpy", python=python))[0] == 1
    assert executed(tiny.execute("numpy", python=python))[0] == 0
    assert executed(tiny.execute("jax"))[0] == 0


#: What another version may have written in a file's place: whole, and laid out otherwise.
OTHERWISE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a name more": lambda content: content | {"colour": "red"},
    "a name less": lambda content: dict(list(content.items())[1:]),
    "no object": lambda content: [content],
    "other types": lambda content: {
        name: [value] if isinstance(value, str) else "x" for name, value in content.items()
    },
}


@pytest.mark.takes(20)
def test_a_store_of_another_version_is_as_good_as_none(tiny: TinySite) -> None:
    """Whatever lies there whole is read by nobody, stops nothing and is written anew."""
    names, changes = ["a", "b", "c", "d"], list(OTHERWISE.values())
    for name in names:
        tiny.page(name, IMPORT, BACKEND, SUM)
    options = ":build: Relu()\n:inputs: input=normal(2)\n:harmless: x\n:::\n"
    models = (f"## {name}\n\n:::{{model}} {name}\n{options}" for name in ("Absolute", "Cosine", "Relu", "Sine"))
    tiny.page("models", IMPORT, BACKEND, *models)
    assert tiny.execute().returncode == tiny.run_models("numpy").returncode == 0
    pages, results = tiny.results(), tiny.results("models")
    store = Store(tiny.store)

    def rewrite(place: str, change: Callable[[Any], Any]) -> None:
        content = store.read_file(place)
        assert content
        store.write_file(place, change(content))

    for places in (pages, results):
        for place, change in zip([place for place in places if "models.json" not in place], changes, strict=True):
            rewrite(place, change)
    assert tiny.build().returncode == 1
    assert [tiny.status(name) for name in (*names, "models")] == ["failed"] * len(names) + ["ok"]
    assert executed(tiny.execute()) == (len(names), names)
    assert f"{len(results)} models run in" in tiny.run_models("numpy").stdout
    known = store.read_file("numpy/environment.json")
    for change in changes:
        store.write_file("numpy/environment.json", change(known))
        assert store.environment("numpy").error.startswith("nothing was executed")
    assert executed(tiny.execute()) == (0, [])
    assert (tiny.results(), tiny.results("models")) == (pages, results)


SLOW = cell("import time\nfor i in range(30):\n    print(i)\n    time.sleep(0.1)")


def _hear_interrupts() -> None:
    """As from a terminal: what runs in the background of a shell is told to pass over them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _ignore_interrupts() -> None:
    """As in the background of a shell that runs a script."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def start(command: list[str], prepare: Callable[[], None] = _hear_interrupts) -> subprocess.Popen[str]:
    """Start a command and wait until it has a page in flight and one behind it."""
    env = {**os.environ, "PYTHONPATH": str(EXTENSION)}
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=prepare,
    )  # fmt: skip
    assert process.stdout
    for line in process.stdout:
        if "1/3]" in line:
            break
    time.sleep(1)
    return process


def assert_gone(processes: list[psutil.Process]) -> None:
    """Nothing that the build started is left after a few seconds."""
    assert len(processes) >= 2, "the build had no page running when it was stopped"
    _, alive = psutil.wait_procs(processes, timeout=15)
    assert not alive


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> TinySite:
    """A site of three slow pages whose execution nobody stopped."""
    tiny = TinySite(tmp_path_factory.mktemp("undisturbed"))
    for name in ("a", "b", "c"):
        tiny.page(name, IMPORT, BACKEND, SUM, SLOW)
    assert executed(tiny.execute())[0] == 3
    return tiny


@pytest.mark.takes(30)
@pytest.mark.xdist_group("stopped")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_stopped(tiny: TinySite, undisturbed: TinySite, number: signal.Signals) -> None:
    shutil.copytree(undisturbed.docs, tiny.docs)
    process = start(tiny.command("numpy", "--jobs", "1"))
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(timeout=15) != 0
    assert_gone(started)
    assert len(tiny.results()) == 1

    assert executed(tiny.execute()) == (2, ["b", "c"])
    assert tiny.results() == undisturbed.results()
    assert tiny.build().returncode == 0


@pytest.mark.xdist_group("stopped")
def test_a_build_that_passes_over_interrupts(tiny: TinySite, undisturbed: TinySite) -> None:
    """In the background of a shell, Ctrl-C is not meant for the build, so it goes on. A page still hears its own."""
    shutil.copytree(undisturbed.docs, tiny.docs)
    interrupt = cell(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)", ':raises: {all: {KeyboardInterrupt: ""}}'
    )
    tiny.page("c", IMPORT, BACKEND, interrupt)
    process = start(tiny.command("numpy", "--jobs", "1"), _ignore_interrupts)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert len(tiny.results()) == 3


@pytest.mark.xdist_group("stopped")
def test_a_killed_nox_leaves_nothing_running(tiny: TinySite, undisturbed: TinySite) -> None:
    """The process above the executor dies, as when the terminal is closed or the machine runs out of memory."""
    shutil.copytree(undisturbed.docs, tiny.docs)
    shell = f"{subprocess.list2cmdline(tiny.command('numpy', '--jobs', '1'))} & wait"
    process = start(["bash", "-c", shell])
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    assert_gone(started)


def test_two_forced_runs_give_the_same(tiny: TinySite) -> None:
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    mixed = "import sys\nfor i in range(50):\n    print(i)\n    print(i, file=sys.stderr)"
    tiny.page("page", IMPORT, BACKEND, SUM, cell(draw), cell(mixed), cell("{'a', 'b', 'c'}"))
    assert tiny.execute("numpy").returncode == 0
    first = tiny.results()
    assert len(first) == 1
    assert executed(tiny.execute("numpy", "--force"))[0] == 1
    assert tiny.results() == first
