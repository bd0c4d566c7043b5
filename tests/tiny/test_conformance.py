"""Conformance on tiny sites: what is run and kept, what the pages show of it, and what is told where it cannot hold."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gate.make_candidates import Candidate, Edit, installed, make
from mithril_docs.conformance import verdict
from mithril_docs.conformance.run import FOLDER
from mithril_docs.gate import environments
from mithril_docs.gate.candidate import fetch
from mithril_docs.store import Store
from support.places import python_of
from support.tiny import BACKEND, IMPORT, TinySite, cell

pytestmark = [pytest.mark.xdist_group("conformance"), pytest.mark.takes(90)]

HEAD = """\
import numpy as np
from mithril_docs.conformance.domain import model
from mithril_docs.conformance.values import *

"""
PROD = """
@model("Prod", options={"axis": [None, 0, -1], "keepdim": [False, True]},
       inputs={"input": [normal(2, 3), some_zeros(2, 3), with_nan(2, 3)]})
def prod(input, axis, keepdim):
    return np.prod(input, axis=axis, keepdims=keepdim)
"""
RELU = """
@model("Relu", inputs={"input": [normal(2, 3), normal(3), normal(0, 3), integers(-3, 4, 5)]})
def relu(input):
    return np.maximum(input, 0)
"""
DEFECT = """
[prod-zero]
title = "On NumPy, the gradient of Prod is NaN where the data hold a zero and the axis is negative."
models = ["Prod"]
backends = ["numpy"]
kinds = ["gradient"]
when = "input.kind == 'some_zeros' and axis == -1"
page = "cards#prod"
"""
ZERO = """\
prod = Prod(axis=-1)
told = ml.compile(prod, backend, trainable_keys={"input"}, jit=False)
zero = {"input": backend.array([[0.0, 2.0]])}
with warnings.catch_warnings(action="ignore"):
    print(told.evaluate_gradients(zero, output_gradients={"output": backend.ones(1)}))"""
CARDS = (
    IMPORT,
    cell("import warnings\nfrom mithril.models import *", ""),
    BACKEND,
    "## Prod\n\n:::{model} Prod\n:build: Prod()\n:inputs: input=positive(2, 3)\n:::\n",
    cell("Prod();"),
    ":::{options} Prod\n:axis: Which axes.\n:keepdim: Whether they stay.\n:::\n",
    cell(ZERO, ":tags: [edge]"),
    "## Relu\n\n:::{model} Relu\n:build: Relu()\n:inputs: input=normal(2, 3)\n:harmless: it takes anything.\n:::\n",
    cell("Relu();"),
    ":::{options} Relu\n:::\n",
    "## Nothing to run\n\nProse alone.\n",
)


@dataclasses.dataclass
class Ran:
    """A site with the results of all its cases, and what was said on the way."""

    tiny: TinySite
    first: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]
    built: subprocess.CompletedProcess[str]

    def copy(self, folder: Path) -> TinySite:
        """The same once more, to be changed."""
        shutil.copytree(self.tiny.folder, folder / "copy")
        return TinySite(folder / "copy")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    tiny = TinySite(tmp_path_factory.mktemp("conformance"))
    tiny.page("cards", *CARDS)
    tiny.page("known", IMPORT, BACKEND, ":::{defects}\n:::\n")
    tiny.page("short", IMPORT, BACKEND, ":::{defects} short\n:::\n")
    folder = tiny.docs / FOLDER
    folder.mkdir()
    (folder / "prod.py").write_text(HEAD + PROD)
    (folder / "prod.toml").write_text(DEFECT)
    (folder / "relu.py").write_text(HEAD + RELU)
    executed = tiny.execute()
    assert executed.returncode == 0, executed.stderr
    assert tiny.run_models("numpy").returncode == 0
    first, again = tiny.conform(), tiny.conform()
    return Ran(tiny, first, again, tiny.build())


def counts(done: subprocess.CompletedProcess[str]) -> tuple[int, ...]:
    """Cases and models that ran, and models whose results were there."""
    found = re.search(r"numpy: (\d+) cases of (\d+) models run in .* s, (\d+) reused", done.stdout)
    assert found, done.stdout + done.stderr
    return tuple(map(int, found.groups()))


def warnings(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [row for row in done.stderr.splitlines() if "WARNING" in row]


def test_what_is_there_is_not_run_again(ran: Ran) -> None:
    assert ran.first.returncode == 0, ran.first.stdout + ran.first.stderr
    cases, models, reused = counts(ran.first)
    assert cases > 9 and (models, reused) == (2, 0)
    assert ran.again.returncode == 0 and counts(ran.again) == (0, 0, 2)
    assert "0 silent ones of no known cause" in ran.first.stdout


def test_a_changed_domain_runs_its_own_models(ran: Ran, tmp_path: Path) -> None:
    tiny = ran.copy(tmp_path)
    path = tiny.docs / FOLDER / "relu.py"
    path.write_text(path.read_text().replace("normal(3), ", "normal(4), normal(5), "))
    assert counts(tiny.conform()) == (5, 1, 1)
    assert counts(tiny.conform("--model", "Prod", "--force"))[1:] == (1, 0)
    # One model alone changes no verdict.
    made = verdict.read(Store(tiny.store))
    assert made and {*made.models} == {"Prod", "Relu"} and made.models["Relu"].cases == 5


def test_a_card_shows_what_was_tried(ran: Ran) -> None:
    assert ran.built.returncode == 0, ran.built.stderr
    section = ran.tiny.html("cards").select_one("#prod")
    [table] = section.select(".mb-conformance table")
    rows = {row.find(["td", "th"]).text.strip(): row for row in table.select("tbody tr")}
    assert list(rows) == ["axis", "keepdim", "input", "bits"]
    tried = {name: [code.text for code in row.select("td, th")[1].select("code")] for name, row in rows.items()}
    assert tried["axis"] == ["None", "0", "-1"] and tried["keepdim"] == ["False", "True"]
    assert set(tried["input"]) == {"normal(2, 3)", "some_zeros(2, 3)", "with_nan(2, 3)"}
    signs = {name: " ".join(row.select("td, th")[-1].text.split()) for name, row in rows.items()}
    assert signs == {"axis": "≠ -1", "keepdim": "✓", "input": "≠ some_zeros(2, 3)", "bits": "✓"}
    captions = [caption.text for caption in section.select(".mb-caption")]
    assert any(re.fullmatch(r"Tried with \d+ combinations, against a reference", words) for words in captions), captions
    relu = ran.tiny.html("cards").select_one("#relu")
    assert all("✓" in row.text and "≠" not in row.text for row in relu.select(".mb-conformance tbody tr"))
    assert not relu.select(".danger")


def test_a_card_warns_of_silent_wrong_results(ran: Ran) -> None:
    """A red note with the title, which leads to the cell that shows it."""
    [note] = ran.tiny.html("cards").select_one("#prod").select(".admonition.danger")
    assert "On NumPy, the gradient of Prod is NaN where the data hold a zero" in note.text
    assert note.select_one("li a")["href"].endswith("#prod")


def test_all_defects_stand_in_a_list(ran: Ran) -> None:
    [shown] = ran.tiny.html("known").select(".mb-defect")
    assert shown.select_one(".mb-caption a")["href"] == "cards.html#prod"
    assert "Prod on NumPy; gradient; " in shown.text and "The gradient of input is NaN, not" in shown.text
    program = shown.select_one("details pre").text
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and "nan" in done.stdout, done.stderr
    [row] = ran.tiny.html("short").select(".mb-defects tbody tr")
    assert [part.text.strip() for part in row.select("td, th")] == [
        "Prod",
        "On NumPy, the gradient of Prod is NaN where the data hold a zero and the axis is negative.",
        "NumPy",
    ]


def test_a_cause_that_no_page_shows_fails(ran: Ran, tmp_path: Path) -> None:
    """The command, with a program, and the site, with one line that says what and where."""
    tiny = ran.copy(tmp_path)
    (tiny.docs / FOLDER / "prod.toml").unlink()
    done = tiny.conform("--more", "5")  # the sample needs no case that the defect pinned
    assert done.returncode == 1
    assert "Prod: gradient of input on numpy: axis=-1 and input is some_zeros" in done.stdout
    program = "".join(f"{row[4:]}\n" for row in done.stdout.splitlines() if row.startswith("    "))
    assert "Prod(axis=-1" in program
    compile(program, "program", "exec")
    built = tiny.build()
    assert built.returncode != 0
    [told] = warnings(built)
    assert "no page shows what is wrong with Prod: gradient of input on numpy (axis=-1 and input is some_zeros)" in told


def test_a_defect_that_is_gone_fails(ran: Ran, tmp_path: Path) -> None:
    tiny = ran.copy(tmp_path)
    gone = DEFECT.replace("prod-zero", "relu-wrong").replace("Prod", "Relu").replace("gradient", "values")
    (tiny.docs / FOLDER / "relu.toml").write_text(gone.replace(" and axis == -1", ""))
    sample = tiny.conform()
    assert sample.returncode == 0 and "not shown by this sample: relu-wrong" in sample.stdout
    done = tiny.conform("--more", "5")
    assert done.returncode == 1
    assert [row for row in done.stdout.splitlines() if row.startswith("GONE ")] == [
        "GONE relu-wrong (relu.toml): no case shows it any more; take it out, and what its page says"
    ]


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("nowhere#prod", "the defect prod-zero names the page nowhere, which is not there"),
        ("", "the defect prod-zero names the page (none), which is not there"),
        ("cards#product", "the defect prod-zero names cards#product, where no section with a cell is"),
        ("cards#nothing-to-run", "the defect prod-zero names cards#nothing-to-run, where no section with a cell is"),
    ],
)
def test_a_defect_is_shown_by_a_cell(ran: Ran, tmp_path: Path, page: str, words: str) -> None:
    tiny = ran.copy(tmp_path)
    path = tiny.docs / FOLDER / "prod.toml"
    path.write_text(path.read_text().replace("cards#prod", page))
    assert tiny.conform().returncode == 0
    built = tiny.build()
    assert built.returncode != 0
    [told] = warnings(built)
    assert words in told


def test_without_the_folder_there_is_no_conformance(ran: Ran, tmp_path: Path) -> None:
    tiny = ran.copy(tmp_path)
    shutil.rmtree(tiny.docs / FOLDER)
    built = tiny.build()
    assert built.returncode == 0, built.stderr
    assert not tiny.html("cards").select(".mb-conformance") and not tiny.html("cards").select(".admonition.danger")
    assert "This build found none." in tiny.html("known").text


@pytest.mark.parametrize("state", ["none", "another", "damaged"])
def test_a_verdict_that_does_not_hold_is_one_warning(ran: Ran, tmp_path: Path, state: str) -> None:
    tiny = ran.copy(tmp_path)
    path = tiny.store / verdict.FILE
    if state == "none":
        path.unlink()
    elif state == "damaged":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        with (tiny.docs / FOLDER / "relu.py").open("a") as file:
            file.write("# changed\n")
    built = tiny.build()
    assert built.returncode != 0
    [told] = warnings(built)
    assert "what conformance found is missing or is of another state: run nox -s conformance" in told


def test_a_damaged_result_is_made_anew(ran: Ran, tmp_path: Path) -> None:
    tiny = ran.copy(tmp_path)
    for place in ("numpy/conformance/Prod.json", "reference/conformance/Relu.json"):
        path = tiny.store / place
        path.write_bytes(path.read_bytes()[:-1])
    done = tiny.conform()
    assert done.returncode == 0 and counts(done)[1:] == (1, 1), done.stdout + done.stderr


NUMPY_OPS = "backends/with_manualgrad/numpy_backend/ops.py"
RULE = "def relu(input: np.ndarray, cache: CacheType | None = None) -> np.ndarray:\n"


def test_what_ends_its_process_is_contained(ran: Ran, tmp_path: Path) -> None:
    """One case of one model does, in a copy of Mithril: that is said of it, and all others have their results."""
    end = "    if 0 in input.shape:\n        __import__('os')._exit(3)\n"
    ending = Candidate("ending", "of a test", ("numpy",), (Edit(NUMPY_OPS, RULE, RULE + end),), "")
    wheel = make(ending, installed(), tmp_path / "wheels")
    python = environments.make(fetch(str(wheel), tmp_path / "fetched"), python_of("numpy"), tmp_path / "env")
    tiny = ran.copy(tmp_path)
    done = tiny.conform("--force", python=python)
    assert done.returncode == 1 and counts(done)[1:] == (2, 0)
    assert re.search(r"^Relu: dies on numpy: ", done.stdout, re.MULTILINE), done.stdout
    assert "np.full((0, 3), 0.0)" in done.stdout, done.stdout
    before, after = ran.tiny.results("conformance"), tiny.results("conformance")
    relu = "numpy/conformance/Relu.json"
    assert {name for name in before if before[name] != after[name]} == {relu}
    changed = [(one, other) for one, other in zip(before[relu]["results"], after[relu]["results"], strict=True)
               if one != other]  # fmt: skip
    assert [other for _, other in changed] == [{"error": "the process died (exit status 3)"}]
    made = verdict.read(Store(tiny.store))
    assert made and [(cause.title, cause.kinds) for cause in made.unknown] == [("Relu: dies", ["dies"])]


def test_a_busy_machine_changes_nothing(ran: Ran, tmp_path: Path) -> None:
    """All is run anew while other processes take every core there is: the same results and the same verdict."""
    tiny = ran.copy(tmp_path)
    shutil.rmtree(tiny.store / "reference")
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        done = tiny.conform("--force")
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert done.returncode == 0 and counts(done)[1:] == (2, 0)
    assert tiny.results("conformance") == ran.tiny.results("conformance")
    assert (tiny.store / verdict.FILE).read_bytes() == (ran.tiny.store / verdict.FILE).read_bytes()
