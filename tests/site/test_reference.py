"""The reference of the real site: that it covers the package, that its models ran, and its matrix in a browser."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, Page, expect

from mithril_docs.backends import mithril_folder
from mithril_docs.models.cards import Card, cards
from mithril_docs.page import find_pages
from mithril_docs.reference import package
from support.browser import DESK, PHONE
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


@pytest.fixture(scope="module")
def matrix(site: Path) -> Tag:
    """The matrix of the real site."""
    html = BeautifulSoup((site / "backends" / "index.html").read_text(encoding="utf-8"), "lxml")
    found = html.select(".mb-matrix")
    assert len(found) == 1 and not found[0].find_parent(attrs={"data-backends": True}), "once, in every view"
    return found[0]


def signs(matrix: Tag) -> dict[str, dict[str, str]]:
    """Model to backend to the words of its cell."""
    backends = [head["data-column"] for head in matrix.select(".mb-models thead th")][2:]
    found = {}
    for row in matrix.select(".mb-models tbody tr"):
        labels = [cell.select_one("[aria-label]")["aria-label"] for cell in row.select("td[data-level]")]
        found[row.th.text] = dict(zip(backends, labels, strict=True))
    return found


def test_every_model_was_run(matrix: Tag) -> None:
    """The matrix has one row a model, which links to its card, and a cell in words for each backend and C."""
    stored = {backend: {path.stem for path in (STORE / backend / "models").glob("*.json")} for backend in BACKENDS}
    assert len({frozenset(names) for names in stored.values()}) == 1 and len(stored["numpy"]) > 140
    rows = {row.th.text: row for row in matrix.select(".mb-models tbody tr")}
    assert len(rows) == 153 == len(matrix.select(".mb-models tbody tr"))
    assert stored["numpy"] <= set(rows)
    for name, row in rows.items():
        assert row.th.a["href"].endswith(f"#mithril.models.{name}")
    for name, cells in signs(matrix).items():
        assert [*cells] == [*BACKENDS, "c"]
        for words in cells.values():
            assert words.startswith(f"{name} on "), words
            assert words.endswith(": not run") == (name not in stored["numpy"])


def test_the_counts_are_those_of_the_table(matrix: Tag) -> None:
    for link in matrix.select(".mb-signs a"):
        asked = parse_qs(urlsplit(link["href"]).query)
        column = [head["data-column"] for head in matrix.select(".mb-models thead th")].index(asked["on"][0])
        cells = [row.find_all(["th", "td"])[column] for row in matrix.select(".mb-models tbody tr")]
        assert sum(cell["data-level"] == asked["verdict"][0] for cell in cells) == int(link.text)
        assert link["aria-label"].startswith(f"{link.text} of 153 ")


def test_other_numbers_are_no_errors(matrix: Tag) -> None:
    """TsnePJoint runs on MLX and gives other numbers than NumPy; Unique does not run there."""
    found = signs(matrix)
    assert found["TsnePJoint"]["mlx"] == "TsnePJoint on MLX: other numbers"
    assert found["Unique"]["mlx"] == "Unique on MLX: does not run"
    assert found["Trapezoid"]["numpy"] == "Trapezoid on NumPy: works in part"
    assert found["Relu"]["jax"] == "Relu on JAX: works"
    for cell in matrix.select(".mb-models td[data-level]"):
        link = cell.a
        assert link or cell["data-level"] == "works", cell
        told = link and matrix.select_one(link["href"]).text
        assert (cell["data-level"] == "differs") == bool(told and "≠" in told)


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


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_page_of_a_backend_has_its_limits(site: Path, matrix: Tag, backend: str) -> None:
    """Each model that does not do everything there stands in it once, with words of the matrix's own."""
    shown = BeautifulSoup((site / "backends" / f"{backend}.html").read_text(), "lxml").select_one(".mb-limits")
    assert shown is not None
    named = [link.text for link in shown.select("tbody td:first-child a")]
    fine = (": works", ": not run")
    wanted = {name for name, cells in signs(matrix).items() if not cells[backend].endswith(fine)}
    assert set(named) == wanted and len(named) == len(wanted)
    assert all(row.select("p") for row in shown.select("tbody tr"))


def test_the_c_backend_ran_what_it_can(matrix: Tag) -> None:
    """Its library was built from the wheel's sources. What it computes is compared with NumPy, and may be wrong."""
    if shutil.which("cc") is None:
        pytest.fail("no compiler cc: apt-get install gcc")
    on_c = {name: cells["c"].partition(": ")[2] for name, cells in signs(matrix).items()}
    able = {name for name, words in on_c.items() if words not in ("does not run", "not run")}
    assert {"Add", "Multiply"} <= able and len(able) < 10
    assert {on_c[name] for name in able} <= {"other numbers", "works in part"}  # it has no jit
    for name in ("Relu", "MatrixMultiply"):
        link = matrix.select_one(f'a[aria-label="{name} on C: does not run"]')
        assert "undefined symbol" in matrix.select_one(link["href"]).text


# The cards.

#: What an option needs beside it before it can be left to be determined.
TOGETHER = {("Log", "cutoff"): "robust", ("Power", "threshold"): "robust", ("Sqrt", "cutoff"): "robust"}
#: Values of the types that the cards state where a signature does not.
VALUES = {"bool": [True, False], "float": [0.001, 2.5]}


@dataclasses.dataclass
class Option:
    """An option as a card shows it: the type and default beside its name, and what is said of it."""

    card: Card
    name: str
    told: str
    said: Tag

    def make(self, value: Any, **others: Any) -> Any:
        """The model that the card runs, with another value of the option."""
        offered = package.installed().models
        names = {"ml": package.installed(), **vars(offered), self.card.name: lambda *args, **kwargs: (args, kwargs)}
        args, kwargs = eval(self.card.build, names)
        bound = inspect.signature(package.models()[self.card.name]).bind(*args, **kwargs)
        bound.arguments |= {self.name: value, **others}
        return package.models()[self.card.name](*bound.args, **bound.kwargs)


@pytest.fixture(scope="module")
def options(site: Path) -> list[Option]:
    """Every option of every card that is run."""
    found = []
    for page in find_pages(ROOT / "docs"):
        run = [card for card in cards(page) if card.build]
        html = BeautifulSoup((site / f"{page.name}.html").read_text(encoding="utf-8"), "lxml") if run else None
        for card in run:
            section = html.find(id=f"mithril.models.{card.name}").find_parent("section")
            for term in section.select(".mb-options > dt"):
                told = term.select_one(".mb-type").text
                found.append(Option(card, term.code.text, told, term.find_next_sibling("dd")))
    return found


def test_every_option_has_a_sentence(options: list[Option]) -> None:
    shown = {(option.card.name, option.name.lstrip("*")) for option in options}
    ran = {option.card.name for option in options}
    for name, kind in package.models().items():
        if name in ran:
            assert {found for card, found in shown if card == name} == {*inspect.signature(kind).parameters}
    assert len(ran) > 70 and all(option.said.text.strip().endswith(".") for option in options)


def test_types_that_no_signature_states_are_accepted(options: list[Option]) -> None:
    """A model is made with values of each type that the cards state, and with each string that they name."""
    ours = [option for option in options if "(not annotated)" in option.told and option.name != "**kwargs"]
    assert len(ours) > 10
    made = 0
    for option in options:
        type_, *_ = option.told.partition(",")
        values = VALUES.get(type_.split(" (")[0], []) if option in ours else []
        if re.search(r"\bstr\b(?!\])", type_):
            values = [code.text[1:-1] for code in option.said.select("code") if re.fullmatch('".*"', code.text)]
        for value in values:
            assert option.make(value), (option.card.name, option.name, value)
            made += 1
    assert made > 40


def test_what_may_be_determined_later_becomes_an_input(options: list[Option]) -> None:
    later = [option for option in options if "ml.TBD" in option.told.partition(", default")[0]]
    assert len(later) > 60
    for option in later:
        needed = TOGETHER.get((option.card.name, option.name))
        model = option.make(package.installed().TBD, **({needed: True} if needed else {}))
        assert option.name in model.conns.input_keys, (option.card.name, option.name)


def test_no_note_stands_on_many_cards(site: Path) -> None:
    """What holds for most models is said once, with the matrix."""
    notes: Counter[str] = Counter()
    for file in sorted((site / "reference" / "models").glob("*.html")):
        html = BeautifulSoup(file.read_text(encoding="utf-8"), "lxml")
        notes.update(note.text for note in html.select(".mb-reference .mb-ran li"))
    assert notes and max(notes.values()) < 6, notes.most_common(3)


def test_the_search_finds_what_is_said_of_an_option(site: Path) -> None:
    texts = [file.read_text(encoding="utf-8") for file in (site / "_static" / "search").glob("*.js")]
    assert sum("The factor for negative numbers." in text for text in texts) == 1


@pytest.mark.takes(30)
def test_a_card_begins_with_formula_and_example(browser: Browser, address: str) -> None:
    """Both end within 900 pixels of the heading, and no graph is wider than its column, on a phone neither."""
    measured = """() => [...document.querySelectorAll("section:has(> dl.mb-card)")].map((card) => {
        const box = (found) => found.getBoundingClientRect();
        const example = [...card.querySelectorAll(".cell_input")].find((found) => box(found).height);
        const formulas = [...card.querySelectorAll("div.math")];
        const ends = [example, ...formulas].map((found) => box(found).bottom - box(card).top);
        const wide = [...card.querySelectorAll(".mb-graph")].map((graph) => box(graph).width - card.clientWidth);
        const order = [card.querySelector(".mb-card"), example, card.querySelector(".mb-reference")];
        return {
            name: card.querySelector("h2").firstChild.textContent,
            end: Math.max(ends[0], ends[1] ?? 0),
            wide: Math.max(...wide, 0),
            ordered: order.every((found, i) => !i || box(order[i - 1]).bottom <= box(found).top),
        };
    })"""
    found: dict[str, list[dict[str, Any]]] = {"desk": [], "phone": []}
    for size, viewport in (("desk", DESK), ("phone", PHONE)):
        context = browser.new_context(viewport=viewport, reduced_motion="reduce")
        page = context.new_page()
        for file in sorted((ROOT / "docs" / "reference" / "models").glob("*.md")):
            page.goto(f"{address}/reference/models/{file.stem}.html")
            found[size] += page.evaluate(measured)
        context.close()
    assert [len({card["name"] for card in every}) for every in found.values()] == [153, 153]
    assert [card["name"] for card in found["desk"] if card["end"] > 900] == []
    assert [card["name"] for every in found.values() for card in every if not card["ordered"] or card["wide"] > 1] == []


# The matrix in a browser.

Open = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Open]:
    """Open the matrix as a new visitor; the options are Playwright's for a context."""
    contexts = []

    def visit(query: str = "", **options: Any) -> Page:
        contexts.append(browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce"} | options))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.goto(f"{address}/backends/index.html{query}")
        return page

    yield visit
    for context in contexts:
        context.close()


def names(page: Page) -> list[str]:
    return page.locator(".mb-models tbody tr:visible th").all_inner_texts()


def column(page: Page, name: str) -> list[str]:
    return page.locator(f".mb-models tbody tr:visible td[data-level] [aria-label*=' on {name}:']").evaluate_all(
        "signs => signs.map(sign => sign.parentElement.dataset.level)"
    )


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_matrix_fits(visit: Open, size: Any) -> None:
    """Neither the page nor the table is wider than the screen, in any view."""
    page = visit(viewport=size)
    for radio in page.locator(".mb-switch input").all():
        radio.evaluate("radio => radio.click()")
        wide = page.evaluate("""() => [document.documentElement, ...document.querySelectorAll(
            ".mb-matrix, .mb-matrix table")].map((e) => Math.max(
            e.scrollWidth, Math.ceil(e.getBoundingClientRect().right)))""")
        assert max(wide) <= size["width"], wide
        inside = page.locator(".mb-models").evaluate("table => table.offsetWidth <= table.parentElement.clientWidth")
        assert inside
        assert len(names(page)) == 153 and page.locator(".mb-models").count() == 1
        assert page.locator(".mb-models thead th:visible").count() == (7 if size is DESK else 6)


def test_the_matrix_is_filtered(visit: Open) -> None:
    page = visit("?backend=jax")
    status = page.locator(".mb-filter [role=status]")
    assert status.inner_text() == "153 of 153 models"
    page.get_by_label("Name or reason").fill("auc_core keyerror")
    assert names(page) == ["AUC", "AUCCore"]
    assert status.inner_text() == "2 of 153 models"
    page.get_by_label("Name or reason").fill("")
    page.get_by_label("Family").select_option("Losses")
    losses = names(page)
    assert "SquaredError" in losses and "Relu" not in losses
    page.get_by_label("Verdict").select_option("≠ other numbers")
    differing = names(page)
    assert "KLDivergence" in differing and {*differing} <= {*losses}
    page.locator(".mb-filter").get_by_label("Backend").select_option("NumPy")
    assert {*names(page)} <= {*differing} and {*column(page, "NumPy")} <= {"differs"}
    assert page.locator(".mb-models thead th:visible").all_inner_texts() == ["Model", "Family", "NumPy"]
    assert {"backend=jax", "family=losses", "on=numpy", "verdict=differs"} == {*urlsplit(page.url).query.split("&")}
    page.get_by_role("button", name="Show all").click()
    assert len(names(page)) == 153 and urlsplit(page.url).query == "backend=jax"


def test_a_link_keeps_filters_and_order(visit: Open) -> None:
    page = visit()
    page.get_by_label("Family").select_option("Metrics")
    page.locator(".mb-filter").get_by_label("Backend").select_option("JAX")
    page.get_by_role("button", name="JAX", exact=True).click()
    page.get_by_role("button", name="JAX", exact=True).click()
    seen = names(page)
    other = visit("?" + urlsplit(page.url).query)
    assert names(other) == seen and 1 < len(seen) < 20
    assert other.locator(".mb-filter").get_by_label("Backend").input_value() == "jax"
    assert other.locator("th[aria-sort=descending]").inner_text() == "JAX"
    other.get_by_label("Name or reason").fill("model")
    other.wait_for_url("**find=model**")
    wrong = visit("?family=nonsense&on=nonsense&verdict=nonsense&sort=nonsense")
    assert len(names(wrong)) == 153 and wrong.get_by_label("Family").input_value() == ""


def test_a_link_leads_to_the_table(visit: Open) -> None:
    """The address that the filters write does, and one without the place in the page."""
    page = visit()
    page.get_by_label("Name or reason").fill("conv")
    assert urlsplit(page.url).fragment == "filter"
    for query in ("?find=conv&on=jax", "?sort=jax", f"?{urlsplit(page.url).query}#filter"):
        expect(visit(query).locator(".mb-filter")).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="Show all").click()
    assert urlsplit(page.url).fragment == ""
    assert visit("?backend=jax").evaluate("scrollY") == 0


def test_the_stripes_of_a_filtered_matrix_alternate(visit: Open) -> None:
    page = visit("?find=conv")
    colors = page.locator(".mb-models tbody tr:visible").evaluate_all(
        "rows => rows.map(row => getComputedStyle(row).backgroundColor)"
    )
    assert len(colors) > 3 and len({*colors}) == 2
    assert all(one != other for one, other in itertools.pairwise(colors))


@pytest.mark.parametrize("width", [320, 390])
def test_the_names_at_the_head_stand_apart(width: int, visit: Open) -> None:
    page = visit(viewport={"width": width, "height": 800})
    for table in (".mb-signs", ".mb-models"):
        heads = page.locator(f"{table} thead th:nth-child(n + 3):visible")
        spans = heads.evaluate_all("""heads => heads.map((head) => {
            const range = document.createRange();
            range.selectNodeContents(head);
            const { left, right } = range.getBoundingClientRect();
            return [left, right];
        })""")
        gaps = [b[0] - a[1] for a, b in itertools.pairwise(spans)]
        assert len(gaps) == 4 and min(gaps) >= 4, gaps


@pytest.mark.parametrize("name", ["reference/api/backends", "index"])
def test_the_narrowest_phone_shows_all(name: str, browser: Browser, address: str) -> None:
    """No page is wider than 320 px, and the switcher is whole."""
    with browser.new_context(viewport={"width": 320, "height": 700}) as context:
        page = context.new_page()
        page.goto(f"{address}/{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        assert page.locator(".mb-switch").evaluate("e => e.scrollWidth - e.clientWidth") <= 0


def test_the_matrix_is_sorted(visit: Open) -> None:
    page = visit()
    assert names(page) == sorted(names(page), key=str.lower)
    page.get_by_role("button", name="Model", exact=True).click()
    assert names(page) == sorted(names(page), key=str.lower, reverse=True)
    order = ["works", "partly", "differs", "fails", "nothing"]
    page.get_by_role("button", name="MLX", exact=True).click()
    found = column(page, "MLX")
    assert found == sorted(found, key=order.index) and len({*found}) == len(order)
    page.get_by_role("button", name="MLX", exact=True).press("Enter")
    assert column(page, "MLX") == found[::-1]
    page.get_by_role("button", name="Family").click()
    families = page.locator(".mb-models tbody td:nth-child(2)").all_inner_texts()
    assert families == sorted(families, key=str.lower)


def test_a_count_shows_its_models(visit: Open) -> None:
    page = visit()
    link = page.get_by_role("link", name="give other numbers on MLX")
    count = int(link.inner_text())
    href = link.get_attribute("href")
    link.click()
    assert {*column(page, "MLX")} == {"differs"} and len(names(page)) == count
    assert names(visit(href)) == names(page)


def test_the_keyboard_reaches_a_reason(visit: Open) -> None:
    """It opens on focus, is what the sign is described by, and closes with Escape."""
    page = visit("?find=Trapezoid")
    page.get_by_role("link", name="Trapezoid", exact=True).focus()
    page.keyboard.press("Tab")
    sign = page.get_by_role("link", name="Trapezoid on NumPy: works in part")
    expect(sign).to_be_focused()
    reason = page.get_by_role("tooltip")
    expect(reason).to_contain_text("gradient: NotImplementedError: Primitive trapezoid")
    expect(reason).to_be_in_viewport(ratio=1)
    assert sign.get_attribute("aria-describedby") == reason.get_attribute("id")
    page.keyboard.press("Escape")
    expect(reason).to_be_hidden()
    expect(sign).to_be_focused()
    page.keyboard.press("Tab")
    expect(reason).to_contain_text("Trapezoid on PyTorch: other numbers")
    page.get_by_label("Name or reason").focus()
    expect(reason).to_be_hidden()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_click_shows_a_reason(visit: Open, size: Any) -> None:
    page = visit(viewport=size)
    page.get_by_role("link", name="TupleConverter on JAX: other numbers").click()
    reason = page.get_by_role("tooltip")
    expect(reason).to_contain_text("jit: 'output' has shape (), not (2,)")
    expect(reason).to_be_in_viewport(ratio=1)
    assert urlsplit(page.url).fragment == ""
    page.locator(".bd-article h1").click()
    expect(reason).to_be_hidden()


def test_a_name_leads_to_the_card(visit: Open) -> None:
    page = visit()
    page.get_by_role("link", name="BinaryCrossEntropy", exact=True).click()
    page.wait_for_url("**/reference/models/losses.html#mithril.models.BinaryCrossEntropy")
    assert page.locator("dt:target").count() == 1


def test_without_a_script_the_matrix_is_whole(visit: Open) -> None:
    page = visit(java_script_enabled=False)
    assert len(names(page)) == 153
    expect(page.locator(".mb-filter")).to_be_hidden()
    page.get_by_role("link", name="Trapezoid on NumPy: works in part").click()
    expect(page.locator(".mb-reasons li:target")).to_contain_text("Primitive trapezoid")


def test_paper_shows_signs_and_reasons(visit: Open) -> None:
    page = visit()
    page.emulate_media(media="print")
    assert len(names(page)) == 153
    expect(page.locator(".mb-filter")).to_be_hidden()
    expect(page.locator(".mb-reasons li").first).to_be_visible()
