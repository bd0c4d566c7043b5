"""The reference of the real site: that it covers the package, that its models ran, and its matrix in a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser

from mithril_docs.backends import mithril_folder
from mithril_docs.reference import package
from support.places import BACKENDS, EXTENSION, ROOT, STORE


def test_everything_is_covered(record: dict) -> None:
    """Every public name and option, counted here once more with nothing but the package."""
    api, options = record["coverage"]["api"], record["coverage"]["options"]
    assert api["missing"] == options["missing"] == []
    assert api["total"] == api["documented"] == len(package.names())
    offered = package.installed().models
    classes = [value for value in vars(offered).values() if isinstance(value, type)]
    models = {kind for kind in classes if issubclass(kind, offered.BaseModel)}
    assert len(models) == 153
    assert options["total"] == options["documented"] == len(package.options())


def test_every_model_was_run(site: Path) -> None:
    """The matrix holds a row a model on every backend, and its marks come from the store."""
    stored = {backend: {path.stem for path in (STORE / backend / "models").glob("*.json")} for backend in BACKENDS}
    assert len({frozenset(names) for names in stored.values()}) == 1 and len(stored["numpy"]) > 140
    html = (site / "backends" / "index.html").read_text(encoding="utf-8")
    for name in stored["numpy"]:
        assert html.count(f'#mithril.models.{name}"') == len(BACKENDS) + 1, name  # and C


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the package: a parameter renamed, a model removed, an option and a model new, an error reworded."""
    copy = tmp_path / "changed" / "mithril"
    shutil.copytree(mithril_folder(), copy, ignore=shutil.ignore_patterns("__pycache__"))
    option = "    safe_shapes: builtins.bool = True,"
    parameter = "def __init__(self, slope: float | ToBeDetermined = 0.01)"
    exported = '__all__ = ["TrainModel"]'
    edits = [
        ("__init__.py", option, f"{option}\n    fast: builtins.bool = False,"),
        ("models/primitives.py", "class Gelu(Activation):", "class Gelu:"),
        ("models/primitives.py", parameter, parameter.replace("slope", "steepness")),
        ("framework/logical/model.py", "Model can not extend with itself!", "A model cannot extend itself!"),
        ("models/train_model.py", exported, exported[:-1] + ', "Swish"]\n\n\nclass Swish(Model):\n    pass'),
    ]
    for name, old, new in edits:
        text = (copy / name).read_text()
        assert old in text, (name, old)
        (copy / name).write_text(text.replace(old, new, 1))
    return copy.parent


@pytest.mark.takes(60)
def test_a_changed_package_fails_the_build(changed: Path, tmp_path: Path) -> None:
    """The real pages, read beside a package in which something else is there: the build names each.

    All is told when the pages have been read, and by what NumPy's results hold, so nothing is written and no other
    backend is looked at.
    """
    command = [sys.executable, "-m", "sphinx", "--quiet", "--builder", "dummy", "--jobs", "auto", "-c", str(ROOT)]
    folders = ["-d", str(tmp_path / "doctrees"), str(ROOT / "docs"), str(tmp_path / "nothing")]
    done = subprocess.run(
        [*command, "--fail-on-warning", "-D", "mithril_backends=numpy", *folders],
        capture_output=True, text=True, cwd=ROOT, timeout=900,
        env={**os.environ, "PYTHONPATH": f"{changed}:{EXTENSION}"},
    )  # fmt: skip
    assert done.returncode != 0
    assert "the option compile.fast is not described" in done.stderr  # a new option
    assert "mithril.models has no class Gelu" in done.stderr  # a removed model
    assert "the card of LeakyRelu cannot be made: TypeError" in done.stderr  # a renamed parameter
    assert "mithril.models.Swish is not described" in done.stderr  # a new model
    # An error in other words: the entry that explained it, and the new words, which no entry explains.
    assert "the error added-to-itself names 'KeyError: Model can not extend with itself!', which" in done.stderr
    assert "'KeyError: A model cannot extend itself!' (framework/logical/model.py, line" in done.stderr


def test_the_c_backend_ran_what_it_can(site: Path) -> None:
    """Its library was built from the wheel's sources. What it computes is compared with NumPy, and may be wrong."""
    if shutil.which("cc") is None:
        pytest.fail("no compiler cc: apt-get install gcc")
    html = BeautifulSoup((site / "backends" / "index.html").read_text(encoding="utf-8"), "lxml")
    rows = [
        [cell.text.strip() for cell in row.select("td")] for row in html.select("#what-the-c-backend-can-do tbody tr")
    ]
    able = {row[0]: row[1:6] for row in rows if row[1] == "yes"}
    assert len(rows) == 150 and {"Add", "Multiply"} <= set(able)
    for marks in able.values():
        assert marks[:3] == ["yes", "yes", "no"] and {*marks[3:]} <= {"yes", "no"}
    assert all("undefined symbol" in row[-1] for row in rows if row[0] in ("Relu", "MatrixMultiply"))


def test_the_matrix_is_filtered_and_sorted(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/backends/index.html?backend=mlx")
    section = page.locator("#what-every-model-can-do")
    rows = section.locator(".mb-matrix:visible tbody tr:visible")
    total = rows.count()
    assert total > 140
    section.locator(".mb-filter:visible input").fill("KeyError")
    assert 0 < rows.count() < total
    assert section.locator(".mb-filter:visible [role=status]").inner_text() == f"{rows.count()} of {total} models"
    section.locator(".mb-filter:visible input").fill("")
    section.locator(".mb-matrix:visible th", has_text="Model").get_by_role("button").click()
    section.locator(".mb-matrix:visible th", has_text="Model").get_by_role("button").click()
    names = [row.split("\t")[0] for row in rows.all_inner_texts()]
    assert names == sorted(names, key=str.lower, reverse=True)
