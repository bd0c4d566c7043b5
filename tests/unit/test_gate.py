"""The parts of the release gate that need no environment: what differs, what it reaches, what the files tell."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from mithril_docs.gate import preflight
from mithril_docs.gate.api import api_findings
from mithril_docs.gate.candidate import Candidate, CannotFetchError, fetch, installed
from mithril_docs.gate.causes import group
from mithril_docs.gate.changes import changes, units
from mithril_docs.gate.findings import BREAKS, CATCH_UP, Finding, moved
from mithril_docs.gate.tasks import Task, longest_first, shard

CODE = """\
import math

LIMIT = 3

def area(radius: float, scale: float = 1.0) -> float:
    \"\"\"The area.\"\"\"
    def square(x):
        return x * x
    return math.pi * square(radius) * scale

class Shape:
    sides = 0

    def count(self):
        if self.sides < 0:
            raise ValueError(f"no {self.sides} sides")
        return self.sides
"""


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return installed(tmp_path_factory.mktemp("documented"))


def trees(tmp_path: Path, before: str, after: str) -> tuple[Path, Path]:
    for name, text in (("before", before), ("after", after)):
        (tmp_path / name / "mithril").mkdir(parents=True)
        (tmp_path / name / "mithril" / "__init__.py").write_text("from .shapes import Shape, area\n")
        (tmp_path / name / "mithril" / "shapes.py").write_text(text)
    return tmp_path / "before", tmp_path / "after"


@pytest.mark.parametrize(
    ("old", "new", "functions", "modules"),
    [
        ("x * x", "x * abs(x)", {"area"}, set()),
        ("< 0", "<= 0", {"Shape.count"}, set()),
        ("LIMIT = 3", "LIMIT = 4", set(), {"LIMIT"}),
        ("sides = 0", "sides = 1", set(), {"Shape.sides"}),
        ("scale: float = 1.0", "scale: float = 2.0", set(), {"area"}),
        ("import math\n", "import math  # of Python\n\n", set(), set()),
    ],
)
def test_what_differs(tmp_path: Path, old: str, new: str, functions: set[str], modules: set[str]) -> None:
    found = changes(*trees(tmp_path, CODE, CODE.replace(old, new)))
    assert found.functions.get("shapes.py", set()) == functions
    assert found.modules.get("shapes.py", set()) == modules
    assert found.texts == {"shapes.py"}


def test_what_a_change_reaches(tmp_path: Path) -> None:
    """A result depends on the functions that it called, and on lines where it shows a traceback of the file."""
    found = changes(*trees(tmp_path, CODE, CODE.replace("x * x", "x * abs(x)")))
    called = {"functions": {"shapes.py": ["", "area"]}, "read": [], "beyond": ""}
    other = {"functions": {"shapes.py": ["", "Shape.count"]}, "read": [], "beyond": ""}
    assert found.reach(called, set(), "numpy") == {("shapes.py", "area")}
    assert not found.reach(other, set(), "numpy")
    assert found.reach(other, {"shapes.py"}, "numpy")
    assert found.reach(other | {"read": ["mithril/shapes.py"]}, set(), "numpy")
    assert found.reach(other | {"beyond": "it started a process of its own"}, set(), "numpy")
    assert found.reach({}, set(), "numpy") and found.reach(None, set(), "numpy")
    compiled = other | {"beyond": "PyTorch compiled functions without calling them"}
    assert found.reach(compiled, set(), "torch") == {("shapes.py", "area")}
    moved_lines = changes(*trees(tmp_path / "lines", CODE, "# A line.\n" + CODE))
    assert not moved_lines and not moved_lines.reach(other, set(), "numpy")
    assert moved_lines.reach(other, {"shapes.py"}, "numpy")


def test_units_of_what_is_no_python() -> None:
    assert list(units("def (")) == [""]


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("loss 0.12345", "loss 0.12346", ""),  # one in the last place
        ("loss 0.1234", "loss 0.1334", "0.1234 became 0.1334 (by 0.01, 0.081 of it)"),
        ("412 of 450 right", "411 of 450 right", "412 became 411 (by 1, 0.0024 of it)"),
        ("0.0", "1.0", "0.0 became 1.0 (by 1)"),
        ("[1.0, nan]", "[1.0, nan]", ""),
        ("[1.0, 2.0]", "[1.0, nan]", "2.0 became nan"),
        ("shape (2, 3)", "shape (3, 2)", "2 became 3 (by 1, 0.5 of it), and 1 more"),
        ("float32", "float64", "shows other words"),
        ("<f at 0x7f12aa34cd>", "<f at 0x7f00bb34ef>", ""),
        ("a  b\n", "a b", ""),
    ],
)
def test_numbers_that_moved(was: str, now: str, words: str) -> None:
    assert moved(was, now) == words


def test_public_names(tmp_path: Path) -> None:
    """What is gone, what takes other arguments and what says something else blocks; what is new asks for pages."""
    after = CODE.replace("scale: float = 1.0", "scale: float = 2.0").replace("no {self", "not {self")
    after += "\ndef volume(a, b=1):\n    return a * b\n"
    found = list(api_findings(*trees(tmp_path, CODE, after)))
    told = {(one.severity, one.where, one.what.partition(":")[0]) for one in found}
    assert any(severity == BREAKS and where.startswith("shapes.area") for severity, where, _ in told), told
    assert any(one.severity == BREAKS and "other words" in one.what for one in found), told
    assert any(one.severity == CATCH_UP and one.where == "shapes.volume" for one in found), told
    gone = list(api_findings(*trees(tmp_path / "gone", CODE, CODE.replace("def area", "def surface"))))
    assert any(one.severity == BREAKS and one.where.endswith("area") for one in gone), gone
    renamed = CODE.replace('raise ValueError(f"no {self.sides} sides")', 'raise ValueError(f"no {sides} sides")')
    same = list(api_findings(*trees(tmp_path / "same", CODE, renamed)))
    assert not same, same


def test_causes_are_what_broken_results_share(tmp_path: Path) -> None:
    """Of two changes, the one that sound results can depend on too is not at fault."""
    found = changes(*trees(tmp_path, CODE, CODE.replace("x * x", "x * abs(x)").replace("< 0", "<= 0")))
    both, one = ("shapes.py:Shape.count", "shapes.py:area"), ("shapes.py:Shape.count",)
    findings = [Finding("page", BREAKS, f"page{n}", "numpy", 1, "output", reach=both) for n in range(3)]
    causes = group(findings, [both] * 3 + [one] * 5, found, {}, (tmp_path / "before", tmp_path / "after"))
    assert [cause.title for cause in causes] == ["area in mithril/shapes.py"]
    assert len(causes[0].findings) == 3 and "abs(x)" in causes[0].diff


def test_parts_of_the_work() -> None:
    tasks = [Task("page", "jax", f"p{n}", float(n % 7)) for n in range(40)]
    parts = [shard(tasks, number, 4) for number in range(1, 5)]
    assert sorted((task for part in parts for task in part), key=str) == sorted(tasks, key=str)
    loads = [sum(task.seconds for task in part) for part in parts]
    assert max(loads) - min(loads) <= 6
    assert longest_first(tasks) == longest_first(tasks[::-1])


class TestPreflight:
    """What is seen of a wheel's files, against the documented version."""

    def test_the_documented_version_itself(self, documented: Candidate) -> None:
        found = preflight.look(documented, documented)
        assert not found.fatal and all(one.severity == "note" for one in found.findings), found.findings

    @pytest.mark.parametrize(
        ("file", "text", "severity", "words"),
        [
            ("mithril/models/train_model.py", None, BREAKS, "the module mithril/models/train_model.py"),
            ("mithril/backends/with_manualgrad/c_backend/src/ops.c", None, BREAKS, "ops.c of the documented"),
            ("mithril/.env", "TOKEN=x", CATCH_UP, "mithril/.env should not ship"),
            ("mithril/notes.ipynb", "{}", CATCH_UP, "notes.ipynb should not ship"),
            ("mithril/more.py", "import pandas", CATCH_UP, "imports 'pandas' and does not declare it"),
            ("tools/x.py", "", CATCH_UP, "the wheel also installs 'tools'"),
            ("mithril/fast.so", "", CATCH_UP, ""),
        ],
    )
    def test_a_file(
        self, documented: Candidate, tmp_path: Path, file: str, text: str | None, severity: str, words: str
    ) -> None:
        candidate = changed(documented, tmp_path, file, text)
        found = preflight.look(candidate, documented)
        told = [one for one in found.findings if one.severity == severity and words in one.what]
        assert not found.fatal and (told or not words), found.findings

    def test_what_cannot_be_imported(self, documented: Candidate, tmp_path: Path) -> None:
        broken = changed(documented, tmp_path / "broken", "mithril/common.py", "def (")
        assert "mithril/common.py is no Python" in preflight.look(broken, documented).fatal
        hollow = changed(documented, tmp_path / "hollow", "mithril/__init__.py", None)
        assert "hollow release" in preflight.look(hollow, documented).fatal

    def test_its_python(self, documented: Candidate) -> None:
        other = dataclasses.replace(documented, python=">=3.13")
        assert any("Requires-Python is '>=3.13'" in one.what for one in preflight.look(other, documented).findings)


def changed(documented: Candidate, folder: Path, file: str, text: str | None) -> Candidate:
    """The documented version with a file that is another, or gone."""
    tree = folder / "tree"
    shutil.copytree(documented.tree, tree)
    path = tree / file
    if text is None:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return dataclasses.replace(documented, tree=tree, digest="another")


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("torch==2.0", "is a requirement of torch; the gate is for mithril"),
        ("no such thing", "is no file here and no requirement"),
        ("dist/none.whl", "is no file here and no requirement"),
        ("../x/torch-1.0-py3-none-any.whl", "is no file here"),
    ],
)
def test_what_is_no_candidate(tmp_path: Path, requirement: str, words: str) -> None:
    with pytest.raises(CannotFetchError, match=words):
        fetch(requirement, tmp_path)


def test_a_wheel_that_is_none(tmp_path: Path) -> None:
    wheel = tmp_path / "mithril-0.1.3-py3-none-any.whl"
    wheel.write_text("no zip")
    with pytest.raises(CannotFetchError, match="is no wheel"):
        fetch(str(wheel), tmp_path / "out")
    (tmp_path / "mithril.whl").write_text("")
    with pytest.raises(CannotFetchError, match="is no name of a wheel"):
        fetch(str(tmp_path / "mithril.whl"), tmp_path / "out")
