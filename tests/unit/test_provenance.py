"""Which state of the sources a site says that it was made from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mithril_docs.build.provenance import commit_date


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOURCE_DATE_EPOCH", "GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.skipif(shutil.which("git") is None, reason="Git is missing")
def test_the_day_of_the_last_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "someone")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "someone@example.org")
        monkeypatch.setenv(f"GIT_{name}_DATE", f"2024-0{len(name) - 5}-06T12:00:00+00:00")  # January and April
    for words in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    assert commit_date(tmp_path) == "2024-04-06"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert commit_date(tmp_path) == "2023-11-14"


def test_nothing_without_a_repository(tmp_path: Path) -> None:
    assert commit_date(tmp_path) == ""


def test_nothing_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_date(Path(__file__).parent) == ""
