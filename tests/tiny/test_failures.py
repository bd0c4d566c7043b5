"""Bad input: one clear line, a status that is not 0, the rest of the site written, and the page marked failed."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mithril_docs.backends import BACKENDS as ROWS
from support.places import BACKENDS, ROOT, python_of, run
from support.tiny import BACKEND, IMPORT, TinySite, cell, make_environment


@dataclasses.dataclass
class Built:
    """A tiny site with what its execution and its build said."""

    tiny: TinySite
    executed: subprocess.CompletedProcess[str]
    built: subprocess.CompletedProcess[str]

    def assert_failed(self, name: str, words: str) -> None:
        """Both commands name the page and the cause in one line, and the page is marked."""
        assert [row for row in self.executed.stderr.splitlines() if row.startswith(f"FAILED {name} on numpy, ") and
                words in row], self.executed.stderr  # fmt: skip
        assert [row for row in self.built.stderr.splitlines() if f"{name}.md" in row and words in row], (
            self.built.stderr
        )
        runs = self.tiny.record()["pages"][name]["backends"]  # a page that cannot be read names none
        assert {run["status"] for run in runs.values()} == ({"failed"} if name != "no_yaml" else set())
        marked = self.tiny.html(name).select_one(".mb-failed")
        assert "This page failed" in marked.text and words in marked.text


def build(tiny: TinySite) -> Built:
    """Execute and build a site that has bad pages beside a good one."""
    tiny.page("good")
    made = Built(tiny, tiny.execute(), tiny.build())
    assert made.executed.returncode == made.built.returncode == 1
    assert tiny.status("good") == "ok" and "This page failed" not in tiny.html("good").text
    return made


BROKEN = {
    "syntax": ((IMPORT, BACKEND, cell("x = (1,\ny =")), "", "cell 3: SyntaxError"),
    "magic": ((IMPORT, BACKEND, cell("!echo 1")), "", "cell 3: SyntaxError"),
    "no_backend_cell": ((IMPORT,), "", "needs exactly one cell tagged 'backend', has 0"),
    "two_backend_cells": ((IMPORT, BACKEND, BACKEND), "", "needs exactly one cell tagged 'backend', has 2"),
    "unknown_backend": (
        (IMPORT, BACKEND, cell("1", ":backends: [tensorflow]")),
        "",
        "cell 3: unknown backend 'tensorflow' in 'backends'",
    ),
    "unknown_option": ((IMPORT, BACKEND, cell("1", ":raise: {}")), "", "cell 3: unknown option 'raise'"),
    "not_executed": ((IMPORT, BACKEND, "```python\nprint(1)\n```"), "", "a Python block that is not executed"),
    "nested": (
        (IMPORT, BACKEND, ":::{note}\n```{code-cell} ipython3\nprint(1)\n```\n:::"),
        "",
        "a passage holds no cells",
    ),
    "no_yaml": ((), "unsupported: {mlx: ", "front matter: expected the node content"),
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A site of pages that break the contract of a page, each in a way of its own."""
    tiny = TinySite(tmp_path_factory.mktemp("broken"))
    for name, (body, extra, _) in BROKEN.items():
        tiny.page(name, *body, extra=extra)
    return build(tiny)


@pytest.mark.xdist_group("broken")
@pytest.mark.parametrize("name", BROKEN)
def test_a_page_that_breaks_its_contract(broken: Built, name: str) -> None:
    broken.assert_failed(name, BROKEN[name][-1])


FAILING = {
    "error": (cell("1 / 0"), "", "cell 3: ZeroDivisionError: division by zero"),
    "endless": (cell("while True: pass"), "timeout: 1", "cell 3: did not end within 1 s"),
    "death": (
        cell("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
        "",
        "cell 3: the page's process died (signal SIGKILL)",
    ),
    "quiet_failure": (
        cell("1", ":raises: {all: {ValueError: words}}"),
        "",
        "cell 3: declares 'ValueError: words' and passed",
    ),
    "other_failure": (
        cell("raise TypeError('other')", ":raises: {numpy: {ValueError: words}}"),
        "",
        "cell 3: declares 'ValueError: words' and raised 'TypeError: other'",
    ),
    "address": (cell("object()"), "", "cell 3: its output holds '0x"),
    "path": (cell("import os; print(os.getcwd())"), "", "cell 3: its output holds '…/mithril-docs-"),
    "parity_death": (
        cell(
            "import os\nclass Dies:\n    def __array__(self, *_):\n        os._exit(0)\nx = Dies()", ":parity: {x: 0.1}"
        ),
        "",
        "cell 3: the page's process died (exit status 0)",
    ),
    "parity_endless": (
        cell("class Stays:\n    def __array__(self, *_):\n        while True: pass\nx = Stays()", ":parity: {x: 0.1}"),
        "timeout: 1",
        "cell 3: did not end within 1 s",
    ),
    "parity_exit": (
        cell(
            "class Exits:\n    def __array__(self, *_):\n        raise SystemExit(3)\nx = Exits()", ":parity: {x: 0.1}"
        ),
        "",
        "cell 3: parity value 'x' cannot be read: SystemExit: 3",
    ),
    "parity": (cell("x = object()", ":parity: {x: 0.1}"), "", "cell 3: parity value 'x' cannot be read"),
}


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A site of pages that fail when they are executed."""
    tiny = TinySite(tmp_path_factory.mktemp("failing"))
    for name, (code, extra, _) in FAILING.items():
        tiny.page(name, IMPORT, BACKEND, code, extra=extra)
    return build(tiny)


@pytest.mark.xdist_group("failing")
@pytest.mark.parametrize("name", FAILING)
def test_pages_that_fail_are_reported_together(failing: Built, name: str) -> None:
    words = FAILING[name][-1]
    failing.assert_failed(name, words)
    assert [row for row in failing.built.stderr.splitlines() if f"{name}.md" in row and f"on NumPy, {words}" in row]


def test_a_page_that_ends_what_starts_pages(tiny: TinySite) -> None:
    """The next one starts as if nothing had happened."""
    last = cell("import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(60)\n" + "#" * 200)
    tiny.page("bad", IMPORT, BACKEND, last)
    tiny.page("good", IMPORT, BACKEND, cell("print(type(get_ipython()).__name__)"))
    executed = tiny.execute("numpy", "--jobs", "1")
    assert [row for row in executed.stdout.splitlines() if "] good ok" in row], executed.stdout
    assert executed.stderr.splitlines() == ["FAILED bad on numpy, cell 3: the page's process died (exit status 255)"]


def test_parity_broken(tiny: TinySite) -> None:
    tiny.page("page", IMPORT, BACKEND, cell("x = float('NumpyBackend' == type(backend).__name__)", ":parity: {x: 0.5}"))
    tiny.page("good", IMPORT, BACKEND, cell("x = backend.array([0.1, 0.2])", ":parity: {x: 1.0e-6}"))
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0
    built = tiny.build("numpy", "jax")
    assert built.returncode == 1
    words = "on JAX, cell 3: parity value 'x', compared with NumPy, differs by 1; allowed is 0.5"
    assert [row for row in built.stderr.splitlines() if "page.md" in row and words in row], built.stderr
    assert tiny.status("page", "jax") == "failed" and tiny.status("good", "jax") == "ok"
    assert tiny.record()["pages"]["page"]["parity"]["x"] == {
        "tolerance": 0.5,
        "values": {"numpy": 1.0, "jax": 0.0},
        "agrees": False,
    }
    assert tiny.record()["pages"]["good"]["parity"]["x"]["agrees"] is True


def test_what_failed_and_what_is_corrupt_is_executed_again(tiny: TinySite) -> None:
    tiny.page("good")
    tiny.page("bad")
    failing = tiny.page("failing", IMPORT, BACKEND, cell("1 / 0"))
    assert tiny.execute().returncode == 1
    entry = tiny.store / "numpy" / "pages" / "bad.json"
    content = entry.read_text()
    entry.write_text(content[: len(content) // 2])
    built = tiny.build()
    assert built.returncode == 1 and "the store's numpy/pages/bad.json is corrupt" in built.stderr
    assert [tiny.status(name) for name in ("good", "bad", "failing")] == ["ok", "failed", "failed"]
    executed = tiny.execute()
    assert executed.returncode == 1
    assert "1 pages executed" in executed.stdout and "] failing failed" in executed.stdout
    assert "FAILED bad on numpy, the store's numpy/pages/bad.json is corrupt; it was set aside" in executed.stderr
    assert entry.with_suffix(".corrupt").exists()
    failing.write_text(failing.read_text().replace("1 / 0", "1 / 1"))
    again = tiny.execute()
    assert again.returncode == 0 and "2 pages executed" in again.stdout
    assert tiny.build().returncode == 0


def test_a_disk_without_room(tiny: TinySite) -> None:
    tiny.page("good")
    assert tiny.execute().returncode == 0
    tiny.page("big", IMPORT, BACKEND, cell("print('x' * 3_000_000)"))
    small = tiny.store / "numpy" / "pages"
    kept = (small / "good.json").read_text()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    try:
        (small / "good.json").write_text(kept)
        executed = tiny.execute()
        left = sorted(path.name for path in small.iterdir())
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert executed.returncode == 1
    assert (
        "FAILED big on numpy, the store could not keep numpy/pages/big.json: No space left on device" in executed.stderr
    )
    assert left == ["good.json"]
    (small / "good.json").write_text(kept)
    assert tiny.build().returncode == 1
    assert (tiny.status("good"), tiny.status("big")) == ("ok", "failed")


Make = Callable[[str, tuple[str, ...], tuple[str, ...]], Path]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Make environments of what every page may import, with some requirements changed, and remove them at the end."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    base = [re.split(r"[<=>\[]", word)[0] for word in groups["base"]]
    made = []

    def make(backend: str, without: tuple[str, ...], added: tuple[str, ...]) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        made.append(folder)
        rows = (ROOT / "constraints" / f"{backend}.txt").read_text().splitlines()
        other = {*without, *(name.split("==")[0] for name in added)}
        pins = [row for row in rows if row.split("==")[0] not in other]
        assert len(pins) < len(rows) or added
        (folder / "pins.txt").write_text("\n".join(pins))
        framework = ROWS[backend].framework
        names = [*base, *([framework] if framework else [])]
        wanted = [*(name for name in names if name not in other), *added]
        return make_environment(folder / "env", *wanted, "--constraint", str(folder / "pins.txt"))

    yield make
    for folder in made:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> TinySite:
    """A site that was executed where NumPy's and JAX's environments are sound."""
    tiny = TinySite(tmp_path_factory.mktemp("sound"))
    tiny.page("page")
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0
    return tiny


UNUSABLE = {
    "missing framework": (
        "jax",
        ("jax", "jaxlib", "ml-dtypes", "opt-einsum", "optax"),
        (),
        "JAX is not installed; install constraints/jax.txt",
    ),
    "framework too new": (
        "jax",
        ("ml-dtypes",),
        ("jax==0.7.2", "jaxlib==0.7.2"),
        "does not work with jax 0.7.2 here: ",
    ),
    "no mithril": ("numpy", ("mithril",), (), "Mithril is not installed; install constraints/numpy.txt"),
    "hollow mithril": ("numpy", (), ("mithril==0.1.2",), "mithril 0.1.2 holds no module (a hollow release)"),
    "numpy too new": ("numpy", (), ("numpy==2.2.6",), "does not work with numpy 2.2.6 here: "),
    "another framework": ("numpy", (), ("mlx[cpu]==0.32.4",), "'mlx' of the MLX backend can be imported"),
}


@pytest.mark.takes(40)
@pytest.mark.xdist_group("environments")
@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_environment_that_does_not_work(tmp_path: Path, sound: TinySite, environment: Make, kind: str) -> None:
    backend, without, added, words = UNUSABLE[kind]
    other = "jax" if backend == "numpy" else "numpy"
    tiny = TinySite(tmp_path / "site")
    shutil.copytree(sound.folder, tiny.folder)
    executed = tiny.execute(backend, python=environment(backend, without, added))
    assert executed.returncode == 1
    lines = [row for row in executed.stderr.splitlines() if row.strip()]
    assert len(lines) == 1 and lines[0].startswith(f"FAILED {backend}: ") and words in lines[0], executed.stderr
    built = tiny.build(other, backend)
    assert built.returncode == 1 and words in built.stderr
    assert tiny.status("page", backend) == "failed" and tiny.status("page", other) == "ok"


def test_a_page_that_does_not_exist(tiny: TinySite) -> None:
    """Neither its cells nor its models are run, and what is near is named."""
    tiny.page("page")
    executed = tiny.execute("numpy", "--only", "nothing")
    assert executed.returncode == 2 and "no page nothing (under " in executed.stderr
    assert tiny.execute("numpy", "--only=page").returncode == 0
    for ran in (tiny.execute("numpy", "--only=pages"), tiny.run_models("numpy", "--only=page.md")):
        assert ran.returncode == 2 and "; did you mean 'page'? (under " in ran.stderr, ran.stderr


def test_python_of_every_backend_is_there() -> None:
    for backend in BACKENDS:
        assert run([str(python_of(backend)), "--version"]).stdout.startswith("Python 3.12")
