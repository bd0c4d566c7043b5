"""The reference: cards, the matrix and coverage, on tiny sites and on the real pages with a changed package."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from conftest import BACKEND, BACKENDS, EXTENSION, IMPORT, ROOT, TinySite, cell, run
from mithril_docs import public
from playwright.sync_api import Browser
from sphinx.util.inventory import InventoryFile

MODELS = cell("from mithril.models import *", "")


def card(name: str, *options: str) -> str:
    return "\n".join([f"## {name}", "", f":::{{model}} {name}", *options, ":::", ""]) + "\n"


RELU = card("Relu", ":build: Relu()", ":inputs: input=normal(2, 3)", ":harmless: it takes anything.")
LINEAR = card("Linear", ":build: Linear(dimension=2)", ":inputs: input=normal(4, 3), w=normal(3, 2), b=normal(2)")
WRONG = cell("open = Linear()", ":tags: [edge]")


def page(tiny: TinySite) -> None:
    """A page with two cards; it lies outside ``reference``, so that it is not asked to cover the package."""
    tiny.page("models", IMPORT, MODELS, BACKEND, RELU, cell("relu = Relu()"), LINEAR, cell("linear = Linear()"), WRONG)
    index = tiny.folder / "docs" / "index.md"
    index.write_text("---\nroadmap: []\ndescription: x\n---\n# Index\n\n```{toctree}\n:glob:\n**\n```\n")


def matrix(tiny: TinySite, backend: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = tiny.command(backend, *options)
    command[command.index("execute")] = "matrix"
    return run(command)


def test_a_card_shows_what_ran(tiny: TinySite) -> None:
    page(tiny)
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0
        done = matrix(tiny, backend)
        assert done.returncode == 0 and "2 models run" in done.stdout, done.stderr
    built = tiny.build("numpy", "jax")
    assert built.returncode == 0, built.stderr
    html = tiny.html("models")
    assert html.select_one("dt#mithril\\.models\\.Linear")
    terminals, verdicts = html.select_one("#linear").select(".mb-reference table")
    rows = {row.td.text.strip(): row.text.split() for row in terminals.select("tbody tr")}
    assert set(rows) == {"input", "w", "b", "output"}
    assert rows["w"][-1] == "trainable" and rows["input"][-1] == "data"
    for row in verdicts.select("tbody tr"):
        assert [mark.text for mark in row.select(".mb-yes")][:3] == ["yes"] * 3, row.text
    assert html.select_one("#linear svg[role=img]")
    with (tiny.out / "objects.inv").open("rb") as file:
        assert {"mithril.models.Relu", "mithril.models.Linear"} <= set(
            InventoryFile.load(file, "", posixpath.join)["py:class"]
        )


def test_two_renders_give_the_same(tiny: TinySite) -> None:
    """Pictures and tables do not depend on where the objects lie in memory."""
    build = ":build: OneToMany(cell_type=RNNCell(), max_sequence_length=3)"
    made = cell("OneToMany(cell_type=RNNCell(), max_sequence_length=3)\nTensorToList();")
    cards = [card("OneToMany", build, ":harmless: x"), made, card("TensorToList", ":build: TensorToList()"), WRONG]
    tiny.page("models", IMPORT, MODELS, BACKEND, *cards)
    assert tiny.execute().returncode == 0
    seen = set()
    for _ in range(3):
        tiny.build()
        seen.add((tiny.out / "models.html").read_text())
        shutil.rmtree(tiny.folder / "build" / "doctrees")
        shutil.rmtree(tiny.out)
    assert len(seen) == 1 and "mb-graph" in seen.pop()


def test_results_are_kept_a_model_at_a_time(tiny: TinySite) -> None:
    page(tiny)
    assert tiny.execute().returncode == 0
    assert "2 models run" in matrix(tiny, "numpy").stdout
    assert "0 models run" in matrix(tiny, "numpy").stdout
    path = tiny.folder / "docs" / "models.md"
    path.write_text(path.read_text().replace("input=normal(2, 3)", "input=normal(3, 3)"))
    assert "1 models run" in matrix(tiny, "numpy").stdout


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ((card("Nothing", ":build: Nothing()"), cell("Nothing = 0")), "mithril.models has no class Nothing"),
        ((RELU,), "the card of Relu has no executed example"),
        ((LINEAR, cell("linear = Linear()")), "the card of Linear needs an edge case"),
        ((":::{setting} compile.fast\n:::\n",), "the package has no option compile.fast"),
    ],
)
def test_what_is_wrong_is_named(tiny: TinySite, body: tuple[str, ...], words: str) -> None:
    tiny.page("models", IMPORT, MODELS, BACKEND, *body)
    tiny.execute()
    matrix(tiny, "numpy")
    built = tiny.build()
    assert built.returncode != 0 and words in built.stderr


def test_a_model_that_was_not_run_is_named(tiny: TinySite) -> None:
    page(tiny)
    assert tiny.execute().returncode == 0
    built = tiny.build()
    assert built.returncode != 0
    assert re.search(r'models\.md:\d+.* Relu was not run on NumPy; run nox -s "execute\(numpy\)"', built.stderr)


def test_everything_is_covered(record: dict) -> None:
    """Every public name and option, counted here once more with nothing but the package."""
    api, options = record["coverage"]["api"], record["coverage"]["options"]
    assert api["missing"] == options["missing"] == []
    assert api["total"] == api["documented"] == len(public.names())
    offered = public.package().models
    classes = [value for value in vars(offered).values() if isinstance(value, type)]
    models = {kind for kind in classes if issubclass(kind, offered.BaseModel)}
    assert len(models) == 153
    assert options["total"] == options["documented"] == len(public.options())


def test_every_model_was_run(site: Path) -> None:
    """The matrix holds a row a model on every backend, and its marks come from the store."""
    stored = {
        backend: {p.stem for p in (ROOT / "build" / "store" / backend / "models").glob("*.json")}
        for backend in BACKENDS
    }
    assert len({frozenset(names) for names in stored.values()}) == 1
    html = (site / "backends" / "index.html").read_text(encoding="utf-8")
    for name in stored["numpy"]:
        assert html.count(f'#mithril.models.{name}"') == len(BACKENDS) + 1, name  # and C


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package: a parameter renamed, a model removed, an option and a model new, an error reworded."""
    folder = tmp_path_factory.mktemp("changed")
    copy = folder / "mithril"
    shutil.copytree(Path(public.package().__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
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
    return folder


def test_a_changed_package_fails_the_build(changed: Path, tmp_path: Path) -> None:
    """The real pages, rendered beside a package in which something else is there: the build names each."""
    command = [sys.executable, "-m", "sphinx", "--quiet", "-c", str(ROOT), "-d", str(tmp_path / "doctrees")]
    env = {**os.environ, "PYTHONPATH": f"{changed}:{EXTENSION}"}
    done = subprocess.run(
        [*command, "--fail-on-warning", str(ROOT / "docs"), str(tmp_path / "site")],
        capture_output=True, text=True, cwd=ROOT, env=env, timeout=900,
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
    html = BeautifulSoup((site / "backends" / "index.html").read_text(encoding="utf-8"), "html.parser")
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
