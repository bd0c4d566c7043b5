"""Bad input: one clear line, a status that is not 0, the rest of the site written, and the page marked failed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import BACKEND, IMPORT, ROOT, TinySite, cell, python_of, run

BROKEN = {
    "syntax": (IMPORT, BACKEND, cell("x = (1,\ny =")),
    "no backend cell": (IMPORT,),
    "two backend cells": (IMPORT, BACKEND, BACKEND),
    "unknown backend": (IMPORT, BACKEND, cell("1", ":backends: [tensorflow]")),
    "unknown option": (IMPORT, BACKEND, cell("1", ":raise: {}")),
    "not executed": (IMPORT, BACKEND, "```python\nprint(1)\n```"),
    "nested": (IMPORT, BACKEND, ":::{note}\n```{code-cell} ipython3\nprint(1)\n```\n:::"),
}
WORDS = {
    "syntax": "cell 3: SyntaxError",
    "no backend cell": "needs exactly one cell tagged 'backend', has 0",
    "two backend cells": "needs exactly one cell tagged 'backend', has 2",
    "unknown backend": "cell 3: unknown backend 'tensorflow' in 'backends'",
    "unknown option": "cell 3: unknown option 'raise'",
    "not executed": "a Python block that is not executed",
    "nested": "a passage holds no cells",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_page_that_breaks_its_contract(tiny: TinySite, kind: str) -> None:
    tiny.page("good")
    tiny.page("bad", *BROKEN[kind])
    executed = tiny.execute()
    assert executed.returncode == 1
    assert [line for line in executed.stderr.splitlines() if WORDS[kind] in line and "bad on numpy" in line]
    assert tiny.build().returncode == 1
    assert (tiny.status("good"), tiny.status("bad")) == ("ok", "failed")
    assert "This page failed" in tiny.html("bad").text


def test_front_matter_that_is_not_yaml(tiny: TinySite) -> None:
    tiny.page("good")
    tiny.page("bad", extra="unsupported: {mlx: ")
    executed = tiny.execute()
    assert executed.returncode == 1
    assert "FAILED bad on numpy, line 1: cannot be read as a MyST notebook" in executed.stderr
    assert tiny.build().returncode == 1
    assert tiny.status("good") == "ok"
    assert "This page failed" in tiny.html("bad").text


FAILING = {
    "error": (cell("1 / 0"), "", "cell 3: ZeroDivisionError: division by zero"),
    "endless": (cell("while True: pass"), "timeout: 1", "cell 3: did not end within 1 s"),
    "death": (
        cell("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
        "",
        "cell 3: the kernel died (signal SIGKILL)",
    ),
    "quiet failure": (
        cell("1", ":raises: {all: {ValueError: words}}"),
        "",
        "cell 3: declares 'ValueError: words' and passed",
    ),
    "other failure": (
        cell("raise TypeError('other')", ":raises: {numpy: {ValueError: words}}"),
        "",
        "cell 3: declares 'ValueError: words' and raised 'TypeError: other'",
    ),
    "address": (cell("object()"), "", "cell 3: its output holds a memory address"),
    "path": (cell("import os; print(os.getcwd())"), "", "cell 3: its output holds a temporary path"),
    "parity": (cell("x = object()", ":parity: {x: 0.1}"), "", "cell 3: parity value 'x' cannot be read"),
}


def test_pages_that_fail_are_reported_together(tiny: TinySite) -> None:
    tiny.page("good")
    for kind, (code, extra, _) in FAILING.items():
        tiny.page(kind.replace(" ", "_"), IMPORT, BACKEND, code, extra=extra)
    executed = tiny.execute()
    assert executed.returncode == 1
    built = tiny.build()
    assert built.returncode == 1
    assert tiny.status("good") == "ok"
    for kind, (_, _, words) in FAILING.items():
        name = kind.replace(" ", "_")
        assert [row for row in executed.stderr.splitlines() if f"FAILED {name} on numpy, {words}" in row], (
            executed.stderr
        )
        assert [row for row in built.stderr.splitlines() if f"{name}.md" in row and f"on NumPy, {words}" in row], (
            built.stderr
        )
        assert tiny.status(name) == "failed"
        assert words in tiny.html(name).select_one(".mb-failed").text


def test_a_failed_page_is_executed_again(tiny: TinySite) -> None:
    path = tiny.page("page", IMPORT, BACKEND, cell("1 / 0"))
    assert tiny.execute().returncode == 1
    again = tiny.execute()
    assert again.returncode == 1 and "1 pages executed" in again.stdout
    path.write_text(path.read_text().replace("1 / 0", "1 / 1"))
    assert tiny.execute().returncode == 0
    assert tiny.build().returncode == 0


def test_parity_broken(tiny: TinySite) -> None:
    tiny.page("page", IMPORT, BACKEND, cell("x = float('NumpyBackend' == type(backend).__name__)", ":parity: {x: 0.5}"))
    tiny.page("good", IMPORT, BACKEND, cell("x = backend.array([0.1, 0.2])", ":parity: {x: 1.0e-6}"))
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0
    built = tiny.build("numpy", "jax")
    assert built.returncode == 1
    words = "cell 3: parity value 'x' on JAX differs from NumPy by 1, allowed is 0.5"
    assert [row for row in built.stderr.splitlines() if "page.md" in row and words in row]
    assert tiny.status("page", "jax") == "failed" and tiny.status("good", "jax") == "ok"
    assert tiny.record()["pages"]["page"]["parity"]["x"] == {
        "tolerance": 0.5,
        "values": {"numpy": 1.0, "jax": 0.0},
        "agrees": False,
    }


def test_a_corrupt_entry_of_the_store(tiny: TinySite) -> None:
    tiny.page("good")
    tiny.page("bad")
    assert tiny.execute().returncode == 0
    entry = tiny.store / "numpy" / "pages" / "bad.json"
    content = entry.read_text()
    entry.write_text(content[: len(content) // 2])
    built = tiny.build()
    assert built.returncode == 1 and "the store's numpy/pages/bad.json is corrupt" in built.stderr
    assert (tiny.status("good"), tiny.status("bad")) == ("ok", "failed")
    executed = tiny.execute()
    assert executed.returncode == 1
    assert "FAILED bad on numpy, the store's numpy/pages/bad.json is corrupt; it was set aside" in executed.stderr
    assert entry.with_suffix(".corrupt").exists()
    assert tiny.execute().returncode == 0
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


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory):
    """Make environments from a backend's constraints with some requirements changed, and remove them at the end."""
    made = []

    def make(backend: str, without: tuple[str, ...] = (), added: tuple[str, ...] = ()) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        made.append(folder)
        rows = (ROOT / "constraints" / f"{backend}.txt").read_text().splitlines()
        wanted = [row for row in rows if row.split("==")[0] not in without and row.split("==")[0] not in
                  {name.split("==")[0] for name in added}]  # fmt: skip
        (folder / "pins.txt").write_text("\n".join([*wanted, *added]))
        install(folder / "env", "-r", str(folder / "pins.txt"))
        return folder / "env" / "bin" / "python"

    yield make
    for folder in made:
        shutil.rmtree(folder)


def install(folder: Path, *words: str) -> None:
    """A virtual environment with what the words name."""
    uv = shutil.which("uv") or os.fspath(Path(os.environ.get("UV", "uv")))
    subprocess.run([uv, "venv", "--quiet", "--python", "3.12", str(folder)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(folder), *words], check=True)


UNUSABLE = {
    "missing framework": (
        "jax",
        ("jax", "jaxlib", "ml-dtypes", "opt-einsum"),
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


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_environment_that_does_not_work(tiny: TinySite, environment, kind: str) -> None:
    backend, without, added, words = UNUSABLE[kind]
    other = "jax" if backend == "numpy" else "numpy"
    tiny.page("page")
    assert tiny.execute(other).returncode == 0
    executed = tiny.execute(backend, python=environment(backend, without, added))
    assert executed.returncode == 1
    lines = [row for row in executed.stderr.splitlines() if row.strip()]
    assert len(lines) == 1 and lines[0].startswith(f"FAILED {backend}: ") and words in lines[0], executed.stderr
    built = tiny.build(other, backend)
    assert built.returncode == 1 and words in built.stderr
    assert tiny.status("page", backend) == "failed" and tiny.status("page", other) == "ok"


def test_a_page_that_does_not_exist(tiny: TinySite) -> None:
    tiny.page("page")
    executed = tiny.execute("numpy", "--only", "nothing")
    assert executed.returncode == 2 and "no page nothing under" in executed.stderr


def test_python_of_every_backend_is_there() -> None:
    for backend in ("numpy", "torch", "jax", "mlx"):
        assert run([str(python_of(backend)), "--version"]).stdout.startswith("Python 3.12")
