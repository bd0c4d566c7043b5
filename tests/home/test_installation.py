"""Every failure of ``installation_troubleshooting``, provoked and mended with its lines in a clean folder."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mithril_docs.blocks import Entry, entries
from mithril_docs.errors.catalogue import Message, read_messages
from mithril_docs.page import read_page
from support.home import shell_variables
from support.places import ROOT, SHELL, python_of

PAGE = ROOT / "docs" / "getting_started" / "installation_troubleshooting.md"
SECTIONS = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
FAILURES = list(entries(read_page(PAGE, ROOT / "docs"), "error"))
#: Seconds, where they are many: jit compiles a program, and JAX is large.
TAKES = {"no-compiler": 40, "jax-too-new": 20, "framework-missing": 20}

Shell = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Runs lines in an empty folder with Python 3.12 and another one."""
    (tmp_path / ".python-version").write_text("3.12\n3.13\n")  # where pyenv provides them

    def run(lines: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-ec", lines], cwd=tmp_path, env=shell_variables(), text=True, timeout=600,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    yield run
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.takes(15)
def test_it_tells_which_backends_are_there(shell: Shell) -> None:
    done = shell(SHELL.findall(SECTIONS[0])[0])
    assert done.returncode == 0, done.stdout
    missing = [name for name in ("scipy", "torch", "jax", "mlx") if f"No module named '{name}'" in done.stdout]
    assert missing == ["torch", "jax", "mlx"]


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(failure, id=failure.argument, marks=pytest.mark.takes(TAKES.get(failure.argument, 12)))
        for failure in FAILURES
    ],
)
def test_failure(failure: Entry, shell: Shell, tmp_path: Path) -> None:
    section = next(text for text in SECTIONS if text.startswith(f"{failure.title}\n"))
    provoke, *mend = SHELL.findall(section)
    if "python3.13" in provoke and shell("python3.13 --version").returncode != 0:
        pytest.skip("there is no python3.13 to fail with")
    if " torch\n" in provoke:  # gigabytes: the environment that executed the pages stands in for a new one
        (tmp_path / ".venv").symlink_to(python_of("torch").parent.parent)
        rows = provoke.splitlines(keepends=True)
        provoke = "".join(row for row in rows if " -m venv" not in row and " -m pip" not in row)
    failed = shell(provoke)
    assert failed.returncode != 0, failed.stdout
    for message in read_messages(failure):
        assert printed(message).search(failed.stdout), f"{message.words}\n{failed.stdout}"
    assert mend
    for lines in mend:
        mended = shell(lines)
        assert mended.returncode == 0, mended.stdout


def printed(message: Message) -> re.Pattern[str]:
    """The line that a program ends with when it raises a message."""
    return re.compile(rf"^{re.escape(message.kind)}: {message.pattern}$", re.MULTILINE)


def test_all_of_them_are_there() -> None:
    assert len(FAILURES) >= 14 and all(failure.options.get("by") == "shell" for failure in FAILURES)
