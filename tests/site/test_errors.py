"""The real error catalogue: what it accounts for, the box that finds a pasted error, and the trees beside it."""

from __future__ import annotations

import ast
import json
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, ViewportSize, expect

from mithril_docs.backends import mithril_folder
from mithril_docs.build.records import collect
from mithril_docs.errors import catalogue
from mithril_docs.reference import package
from mithril_docs.store import Store
from support.browser import DESK, PHONE
from support.places import BACKENDS, ROOT, STORE

pytestmark = pytest.mark.xdist_group("error box")


def places() -> Iterator[tuple[str, int]]:
    """Every raise and assert with a message, counted here once more with nothing but ``ast``."""
    root = mithril_folder()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            raised = isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and bool(node.exc.args)
            if raised or (isinstance(node, ast.Assert) and node.msg is not None):
                yield path.relative_to(root).as_posix(), node.lineno


def test_every_place_is_accounted_for(record: dict) -> None:
    errors = record["coverage"]["errors"]
    assert errors["missing"] == []
    assert errors["total"] == errors["reproduced"] + errors["unreachable"] == len(list(places())) == 561
    assert errors["reproduced"] >= 0.6 * errors["total"]


@pytest.fixture(scope="module")
def found() -> catalogue.Catalogue:
    """The catalogue of the real pages."""
    return catalogue.read(collect(ROOT / "docs", Store(STORE), list(BACKENDS)))


@pytest.fixture(scope="module")
def box(browser: Browser, address: str) -> Page:
    """The page with the box."""
    page = browser.new_page()
    page.goto(f"{address}/reference/errors/index.html")
    return page


#: Pastes texts into the box, one after the other, and reads what it says of each: words, and the entries it links to.
PASTE = """texts => texts.map((text) => {
    const field = document.querySelector(".mb-paste textarea");
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    const answer = document.querySelector(".mb-paste [role=status]");
    return [answer.textContent, [...answer.querySelectorAll("a")].map((link) => link.hash)];
})"""


def paste(page: Page, text: str) -> list[str]:
    """Paste a text into the box as a reader does. The entries that it says the error is, by their anchors."""
    page.locator(".mb-paste textarea").fill(text)
    answer = page.locator(".mb-paste [role=status]")
    known = answer.inner_text().startswith("This is")
    links = [link.get_attribute("href") or "" for link in answer.locator("a").all()]
    return [link.partition("#")[2] for link in links] if known else []


def test_every_reproduced_error_is_found_by_pasting_it(found: catalogue.Catalogue, box: Page) -> None:
    """The traceback that Python printed on each backend leads to entries that explain it, and to no other."""
    cases = list({(backend, raised.traceback): raised for _, backend, raised in found.raised}.items())
    texts = [text.replace("…", "/home/me/.venv/lib/python3.12/site-packages") for (_, text), _ in cases]
    answers = box.evaluate(PASTE, texts)
    wrong, sure = [], 0
    for ((backend, text), raised), (words, links) in zip(cases, answers, strict=True):
        right = {f"#{entry.anchor}" for entry in found.explaining(raised)}
        known = words.startswith("This is")
        sure += known
        if "/mithril/" in text and right and not known:
            wrong.append((backend, raised.kind, raised.message[:80], "is not known", right))
        elif known and not set(links) <= right:
            wrong.append((backend, raised.kind, raised.message[:80], links, right))
        elif right and not right & set(links):  # not of Mithril by its traceback, yet the nearest
            wrong.append((backend, raised.kind, raised.message[:80], "is not the nearest", right))
    assert not wrong, "\n".join(map(str, wrong))
    assert sure > 2000


def test_the_last_line_alone_finds_it_too(box: Page) -> None:
    for text in ("Exception: Unsupported model type!", "  Unsupported model type!  "):
        assert len(paste(box, text)) == 1


#: Programs that fail for reasons of their own, each in a line.
UNRELATED = """
1 / 0
[][1]
{}["weights"]
int("x")
float("nan?")
open("/no/such/file")
import no_such_module
None.shape
"a" + 1
len(5)
print(undefined_name)
(1).no_such_attribute
[1, 2].index(3)
{1}.remove(2)
set().pop()
{}.popitem()
next(iter([]))
[].pop()
list(zip([1], [1, 2], strict=True))
"%d" % "x"
"{missing}".format()
bytes([300])
"é".encode("ascii")
b"\\xff".decode("utf-8")
max([])
range(1.5)
sorted([1, "a"])
int("1" * 5000)
(lambda x: x)()
(lambda x: x)(1, 2)
dict(a=1, **{"a": 2})
[1][slice(0, 1)].no_such_method()
__import__("json").loads("{")
__import__("decimal").Decimal("x")
__import__("datetime").date(2026, 13, 1)
__import__("fractions").Fraction(1, 0)
__import__("re").compile("(")
__import__("struct").unpack("i", b"")
__import__("ast").parse("def")
__import__("importlib").import_module("no.such.module")
__import__("subprocess").run(["false"], check=True)
__import__("queue").Queue().get_nowait()
__import__("collections").deque().pop()
__import__("random").choice([])
__import__("numpy").ones((2, 3)) @ __import__("numpy").ones((2, 3))
__import__("numpy").ones(3).reshape(5)
__import__("numpy").ones((2, 3)) + __import__("numpy").ones(4)
__import__("numpy").linalg.inv(__import__("numpy").zeros((2, 2)))
__import__("numpy").linalg.cholesky(-__import__("numpy").eye(2))
__import__("numpy").concatenate([__import__("numpy").ones((2, 2)), __import__("numpy").ones((3, 3))])
__import__("numpy").ones(3)[5]
__import__("numpy").arange(4).reshape(2, 2).transpose(0, 1, 2)
__import__("numpy").array([1.0, "x"], dtype=float)
__import__("numpy").random.default_rng(-1)
__import__("scipy.linalg").linalg.solve([[0.0]], [1.0])
__import__("scipy.optimize").optimize.brentq(lambda x: 1.0, 0, 1)
__import__("scipy.interpolate").interpolate.interp1d([0, 1], [0, 1])(2)
__import__("yaml").safe_load("a: [")
__import__("nbformat").reads("x", as_version=4)
raise ValueError("the batch size must be positive")
raise RuntimeError("model and optimizer do not fit together")
raise KeyError("learning_rate")
""".strip().splitlines()

#: The same, with Mithril on the way: the fault is the user's own.
THROUGH_MITHRIL = """
ml.NumpyBackend().array(type("Own", (), {"__array__": lambda self, *_, **__: open("/no/such/file")})())
Model().set_shapes(type("Own", (dict,), {"items": lambda self: int("seven")})(a=[1]))
ml.compile(type("Own", (Model,), {"jittable": property(lambda self: 1 / 0)})(), ml.NumpyBackend())
""".strip().splitlines()


def test_an_unrelated_error_is_said_to_be_unknown(box: Page) -> None:
    names = {"ml": package.installed(), "Model": package.installed().models.Model}
    assert len(UNRELATED) >= 50
    wrong = []
    for program in (*UNRELATED, *THROUGH_MITHRIL):
        try:
            exec(compile(program, "/home/learner/program.py", "exec"), dict(names))
        except Exception:
            text = traceback.format_exc()
            last = text.strip().splitlines()[-1]
            # As a user's terminal shows it, without the frame of this test.
            if answer := paste(box, text.replace(__file__, "/home/learner/main.py")):
                wrong.append((program, last, answer))
        else:
            pytest.fail(f"{program} raised nothing")
    assert not wrong
    assert "does not know" in box.locator(".mb-paste [role=status]").inner_text()


#: The two forms in which people quote a message: what is left of it, given all its words.
FORMS: dict[str, Callable[[list[str]], list[str]]] = {
    "without its first word": lambda words: words[1:],
    "the last half of it": lambda words: words[len(words) // 2 :],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_message_is_found_by_a_part(
    form: str, found: catalogue.Catalogue, box: Page, record_property: Callable[[str, object], None]
) -> None:
    """Its entry is the first that the box names; where messages have the same part, an entry of one of them is."""
    right: dict[str, set[str]] = {}
    texts: dict[str, str] = {}
    for _, _, raised in found.raised:
        anchors = {f"#{entry.anchor}" for entry in found.explaining(raised)}
        lines = raised.message.strip().splitlines()
        text = " ".join(FORMS[form](lines[0].split())) if lines else ""
        if anchors and len(re.findall("[A-Za-z]{2,}", text)) >= 2:  # a value alone is no part of a message
            same = re.sub(r"\d+", "0", text)
            right.setdefault(same, set()).update(anchors)
            texts[same] = text
    answers = box.evaluate(PASTE, list(texts.values()))
    first = {same: links[:1] for same, (_, links) in zip(texts, answers, strict=True)}
    met = [same for same in texts if set(first[same]) & right[same]]
    record_property("said", f"{len(met)} of {len(texts)} messages found by {form}")
    wrong = [(texts[same], first[same], right[same]) for same in texts if same not in met]
    assert len(texts) > 500
    assert len(met) >= 0.9 * len(texts), "\n".join(map(str, wrong))


@pytest.mark.parametrize(
    ("text", "anchor"),
    [
        ("shapes cannot be multiplied", "error-inner-sizes-differ"),
        ("is not found in connections", "error-unknown-key"),
        ("not be extended by a non-jittable model", "error-part-that-cannot-be-jitted"),
    ],
)
def test_words_from_the_middle_may_be_it(text: str, anchor: str, box: Page) -> None:
    words, links = box.evaluate(PASTE, [text])[0]
    assert words.startswith("This may be: ") and links[0] == f"#{anchor}"


@pytest.mark.parametrize(
    ("question", "anchor"),
    [
        ("loss is nan", "the-loss-is-nan-or-does-not-fall"),
        ("gradient is None", "a-gradient-is-missing-or-zero"),
        ("my loss becomes nan", "the-loss-is-nan-or-does-not-fall"),
        ("training is too slow", "the-program-is-slow"),
        ("out of memory", "the-program-runs-out-of-memory"),
        ("shapes do not match", "shapes-do-not-match"),
    ],
)
def test_a_question_leads_to_its_tree(question: str, anchor: str, box: Page) -> None:
    words, links = box.evaluate(PASTE, [question])[0]
    assert words.startswith("See in Troubleshooting: ") and links[0] == f"#{anchor}"


def test_every_question_has_its_section(site: Path) -> None:
    text = (site / "_static" / "errors-index.js").read_text(encoding="utf-8")
    asked = json.loads(text.partition("=")[2].rstrip(";\n"))["questions"]
    html = BeautifulSoup((site / "reference" / "troubleshooting.html").read_text(encoding="utf-8"), "lxml")
    ids = {element["id"] for element in html.select("section[id]")}
    assert len(asked) >= 30
    assert {question["url"].partition("#")[2] for question in asked} <= ids


def test_a_line_that_calls_mithril_is_of_mithril(box: Page) -> None:
    """Python raises in the reader's own line, and nothing in the message tells of Mithril."""
    frame = 'Traceback (most recent call last):\n  File "/home/me/train.py", line 7, in <module>\n    {line}\n{error}'
    error = "TypeError: compile() missing 1 required positional argument: 'backend'"
    assert paste(box, frame.format(line="compiled = ml.compile(model)", error=error))
    assert not paste(box, frame.format(line="code = compile(text)", error=error))


#: Pages whose entries are opened one after the other.
LED_TO = ("reference/errors/frameworks", "reference/errors/connecting", "reference/errors/installation")


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", LED_TO)
def test_a_link_to_an_error_shows_its_heading(
    name: str, viewport: ViewportSize, found: catalogue.Catalogue, browser: Browser, address: str
) -> None:
    """The heading rests below the bar and on the screen, and nothing lies on it."""
    page = browser.new_page(viewport=viewport, reduced_motion="reduce")
    wrong = {}
    entries = [entry for entry in found.errors if entry.page == name]
    page.goto(f"{address}/{name}.html")
    for entry in entries:
        page.evaluate("anchor => { location.hash = anchor; }", entry.anchor)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        top, seen = page.evaluate(
            """anchor => {
                const heading = document.getElementById(anchor).closest("section").querySelector("h1, h2, h3");
                const { left, top, bottom } = heading.getBoundingClientRect();
                const at = document.elementFromPoint(left + 8, (top + bottom) / 2);
                return [top, at === heading || heading.contains(at)];
            }""",
            entry.anchor,
        )
        last = entry in entries[-2:]  # the end of the page may keep the last ones from the top
        if not seen or (top > viewport["height"] / 3 and not last):
            wrong[entry.anchor] = top
    page.close()
    assert entries and not wrong


def test_the_nearest_is_given_for_an_unknown_one(box: Page) -> None:
    assert paste(box, "ValueError: Shape mismatch in something, axis is unknown") == []
    assert box.locator(".mb-paste [role=status] a").count() == 3


def test_the_search_finds_errors(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/search.html?q=Exception%3A+Unsupported+model+type%21")
    page.locator(".mb-paste [role=status] a").click()
    assert "/reference/errors/" in page.url and "#error-" in page.url


def test_box_and_search_lead_to_a_view_that_shows_the_program(
    found: catalogue.Catalogue, browser: Browser, address: str
) -> None:
    """The program of the entry runs on PyTorch and JAX. A view that shows it is not left, and Compare shows all."""
    entry = next(
        entry
        for entry in found.errors
        if entry.on == ["torch", "jax"] and "{" not in entry.messages[0].words and len(entry.messages[0].words) > 30
    )
    anchor, words = f"#{entry.anchor}", entry.messages[0].words
    for kept, asked in ((None, "torch"), ("mlx", "torch"), ("jax", None), ("all", None)):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{address}/search.html")
            if kept:
                page.evaluate("name => localStorage.setItem('mithril-backend', name)", kept)
            page.goto(f"{address}/search.html?q={quote(words)}")
            expect(page.get_by_role("option").first).to_be_visible()
            title = page.get_by_role("option").filter(has_text=entry.title).first
            for link in (page.locator(f".mb-paste [role=status] a[href$='{anchor}']"), title):
                query = urlsplit(link.get_attribute("href") or "").query
                assert query == (f"backend={asked}" if asked else ""), (kept, query)
            title.click()
            page.wait_for_url("**/reference/errors/**")
            program = page.locator(f"section:has(> [id='{entry.anchor}']) .cell_input").first
            expect(program).to_be_visible()


def test_without_a_script_nothing_is_said_of_the_box(browser: Browser, address: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{address}/reference/errors/index.html")
    expect(page.get_by_text("Paste the error")).to_be_hidden()
    expect(page.get_by_text("Each entry begins with the message")).to_be_visible()


def test_the_box_works_from_a_disk(browser: Browser, site: Path) -> None:
    page = browser.new_page()
    page.goto(f"file://{site}/reference/errors/index.html")
    assert paste(page, "Exception: Unsupported model type!")


def test_every_leaf_of_a_tree_leads_to_a_remedy(site: Path) -> None:
    """An executed program beneath the trees, an entry of the catalogue, lines that a test types, or a measurement."""
    place = site / "reference" / "troubleshooting.html"
    html = BeautifulSoup(place.read_text(encoding="utf-8"), "lxml")
    leaves = [tree for tree in html.select("details.sd-dropdown") if not tree.select("details")]
    assert len(leaves) >= 40
    for leaf in leaves:
        links = [link["href"] for link in leaf.select("a.reference")]
        assert links, leaf.text
        places = ("errors/", "installation_troubleshooting", "backends/index")
        remedies = [href for href in links if any(place in href for place in places)]
        own = [html.select_one(f'[id="{href[1:]}"]') for href in links if href.startswith("#")]
        assert remedies or any(section is not None and section.select(".cell") for section in own), leaf.text


def test_trees_open_by_keyboard_and_without_scripts(browser: Browser, address: str) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{address}/reference/troubleshooting.html")
    tree = page.locator("details.sd-dropdown:has(details)").first
    inner = tree.locator("details").first
    assert not inner.is_visible()
    tree.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert inner.is_visible() and not inner.locator("a").first.is_visible()
    inner.locator("summary").click()
    assert inner.locator("a").first.is_visible()
