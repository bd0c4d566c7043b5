"""The reference: the cards of tiny sites, what running their models gives, and how a wrong card is told."""

from __future__ import annotations

import dataclasses
import posixpath
import re
import shutil
import subprocess

import pytest
from sphinx.util.inventory import InventoryFile

from support.tiny import BACKEND, IMPORT, TinySite, cell

pytestmark = pytest.mark.takes(20)

MODELS = cell("from mithril.models import *", "")


def head(name: str, *options: str) -> str:
    return "\n".join([f"## {name}", "", f":::{{model}} {name}", *options, ":::", ""]) + "\n"


def rest(name: str, *sentences: str) -> str:
    return "\n".join([f":::{{options}} {name}", *sentences, ":::", ""]) + "\n"


def card(name: str, *options: str) -> str:
    """A card of a model without options, all in one place."""
    return head(name, *options) + rest(name)


RELU = card("Relu", ":build: Relu()", ":inputs: input=normal(2, 3)", ":harmless: it takes anything.")
LINEAR = head("Linear", ":build: Linear(dimension=2)", ":inputs: input=normal(4, 3), w=normal(3, 2), b=normal(2)")
SAID = rest("Linear", ":dimension: How many `features` to return.", ":bool use_bias: Whether to add `b`.")
WRONG = cell("open = Linear()", ":tags: [edge]")
TWO = (
    IMPORT, MODELS, BACKEND, ":::{matrix}\n:::\n",
    RELU, cell("relu = Relu()"), LINEAR, cell("linear = Linear()"), SAID, WRONG,
)  # fmt: skip


@dataclasses.dataclass
class Reference:
    """A page with two cards, with what was said on the way from its models' first run to its site.

    The page lies outside ``reference``, so it is not asked to cover the package.
    """

    tiny: TinySite
    before: subprocess.CompletedProcess[str]
    runs: list[str]
    after: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    tiny = TinySite(tmp_path_factory.mktemp("reference"))
    page = tiny.page("models", *TWO)
    for backend in ("numpy", "jax"):
        assert tiny.execute(backend).returncode == 0
    before = tiny.build("numpy", "jax")
    runs = []
    for backend in ("numpy", "jax", "numpy"):
        done = tiny.run_models(backend)
        assert done.returncode == 0, done.stderr
        runs.append(done.stdout)
    after = tiny.build("numpy", "jax")
    page.write_text(page.read_text().replace("input=normal(2, 3)", "input=normal(3, 3)"))
    return Reference(tiny, before, [*runs, tiny.run_models("numpy").stdout], after)


@pytest.mark.xdist_group("reference")
def test_a_card_shows_what_ran(reference: Reference) -> None:
    assert reference.after.returncode == 0, reference.after.stderr
    html = reference.tiny.html("models")
    assert html.select_one("dt#mithril\\.models\\.Linear")
    terminals, verdicts = html.select_one("#linear").select(".mb-reference table")
    rows = {row.td.text.strip(): row.text.split() for row in terminals.select("tbody tr")}
    assert set(rows) == {"input", "w", "b", "output"}
    assert rows["w"][-1] == "trainable" and rows["input"][-1] == "data"
    assert len(verdicts.select("tbody tr")) == 2
    for row in verdicts.select("tbody tr"):
        assert [mark.text for mark in row.select(".mb-yes")][:3] == ["yes"] * 3, row.text
    assert html.select_one("#linear svg[role=img]")
    with (reference.tiny.out / "objects.inv").open("rb") as file:
        assert {"mithril.models.Relu", "mithril.models.Linear"} <= set(
            InventoryFile.load(file, "", posixpath.join)["py:class"]
        )


@pytest.mark.xdist_group("reference")
def test_a_card_reads_in_order(reference: Reference) -> None:
    """The signature, the example, the options with the types that the signature lacks, and what the build measured."""
    section = reference.tiny.html("models").select_one("#linear")
    parts = [section.select_one(found) for found in ("dt.sig", ".cell", "dl.mb-options", "svg.mb-graph", ".tag_edge")]
    assert parts == sorted(parts, key=[*section.descendants].index)
    options = parts[2]
    assert section.select_one("dt.sig").text.strip().startswith("mithril.models.Linear(dimension=None, use_bias=True)")
    assert [" ".join(term.text.split()) for term in options.select("dt")] == [
        "dimension int | None, default None",
        "use_bias bool (not annotated), default True",
    ]
    assert [meaning.text.strip() for meaning in options.select("dd")] == [
        "How many features to return.",
        "Whether to add b.",
    ]
    captions = [caption.text.strip() for caption in section.select(".mb-caption")]
    ran = "On each backend, with these options: Linear(dimension=2)"
    named = ["Options", "Terminals of Linear(dimension=2)", "Made of 2 models", ran]
    assert captions == [*named, "Edge cases and limits"]


@pytest.mark.xdist_group("reference")
def test_the_matrix_has_the_backends_of_the_build(reference: Reference) -> None:
    html = reference.tiny.html("models")
    table = html.select_one(".mb-models")
    assert [head.text for head in table.select("thead th")] == ["Model", "Family", "NumPy", "JAX"]
    for name, row in zip(("Linear", "Relu"), table.select("tbody tr"), strict=True):
        assert html.find(id=row.th.a["href"].partition("#")[2]), name
        labels = [sign["aria-label"] for sign in row.select("[role=img]")]
        assert labels == [f"{name} on NumPy: works", f"{name} on JAX: works"]
    assert [link["aria-label"] for link in html.select(".mb-signs a")] == [
        "2 of 2 run and agree on NumPy",
        "2 of 2 run and agree on JAX",
    ]


@pytest.mark.xdist_group("reference")
def test_a_model_that_was_not_run_is_named(reference: Reference) -> None:
    assert reference.before.returncode != 0
    for title, name in (("NumPy", "numpy"), ("JAX", "jax")):
        for model in ("Relu", "Linear"):
            words = rf'models\.md:\d+.* {model} was not run on {title}; run nox -s "execute\({name}\)"'
            assert re.search(words, reference.before.stderr), reference.before.stderr


@pytest.mark.xdist_group("reference")
def test_results_are_kept_a_model_at_a_time(reference: Reference) -> None:
    found = [re.search(r"(\d+) models run in .* (\d+) reused", run) for run in reference.runs]
    counts = [match and match.groups() for match in found]
    assert counts == [("2", "0"), ("2", "0"), ("0", "2"), ("1", "1")]


def test_two_renders_give_the_same(tiny: TinySite) -> None:
    """Pictures and tables do not depend on where the objects lie in memory."""
    build = ":build: OneToMany(cell_type=RNNCell(), max_sequence_length=3)"
    said = rest("OneToMany", *(f":{name}: x" for name in ("cell_type", "max_sequence_length", "teacher_forcing")))
    made = cell("OneToMany(cell_type=RNNCell(), max_sequence_length=3)\nTensorToList();")
    cards = [
        head("OneToMany", build, ":harmless: x"),
        made,
        said,
        card("TensorToList", ":build: TensorToList()"),
        WRONG,
    ]
    tiny.page("models", IMPORT, MODELS, BACKEND, *cards)
    assert tiny.execute().returncode == 0
    seen = set()
    for _ in range(3):
        tiny.build()
        seen.add((tiny.out / "models.html").read_text())
        shutil.rmtree(tiny.folder / "build" / "doctrees")
        shutil.rmtree(tiny.out)
    assert len(seen) == 1 and "mb-graph" in seen.pop()


NAMED = {
    "removed": (
        (card("Nothing", ":build: Nothing()"), cell("Nothing = 0")),
        "mithril.models has no class Nothing",
    ),
    "no_example": ((RELU,), "the card of Relu has no executed example"),
    "no_edge": (
        (card("Square", ":build: Square()"), cell("square = Square()")),
        "the card of Square needs an edge case",
    ),
    "no_rest": (
        (head("Cosine", ":build: Cosine()", ":harmless: x"), cell("cosine = Cosine()")),
        "the card of Cosine needs ':::{options} Cosine'",
    ),
    "elsewhere": ((RELU, cell("relu = Relu()"), rest("Sine")), "the options of Sine do not stand behind"),
    "no_sentence": (
        (card("Softmax", ":build: Softmax()", ":harmless: x"), cell("softmax = Softmax()")),
        "the option axis of Softmax has no sentence",
    ),
    "no_argument": (
        (head("Tanh", ":build: Tanh()", ":harmless: x"), cell("tanh = Tanh()"), rest("Tanh", ":slope: x")),
        "Tanh has no option slope",
    ),
    "no_type": (
        (LINEAR, cell("linear = Linear()"), SAID.replace("bool use_bias", "use_bias"), WRONG),
        "the signature of Linear states no type of use_bias",
    ),
    "stated_type": (
        (head("Size", ":build: Size()", ":harmless: x"), cell("size = Size()"), rest("Size", ":int dim: x")),
        "the signature of Size states the type of dim",
    ),
    "no_option": ((":::{setting} compile.fast\n:::\n",), "the package has no option compile.fast"),
    "cannot_be_made": (
        (card("Gelu", ":build: Gelu(size=2)", ":harmless: x"), cell("gelu = Gelu()")),
        "the card of Gelu cannot be made: TypeError",
    ),
}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What the build says of a page for each kind of mistake, and of one without."""
    tiny = TinySite(tmp_path_factory.mktemp("wrong"))
    tiny.page("good", IMPORT, MODELS, BACKEND, card("Sine", ":build: Sine()", ":harmless: x"), cell("sine = Sine()"))
    for name, (body, _) in NAMED.items():
        tiny.page(name, IMPORT, MODELS, BACKEND, *body)
    assert tiny.execute().returncode == 0
    tiny.run_models("numpy")
    return tiny.build()


@pytest.mark.xdist_group("wrong cards")
@pytest.mark.parametrize("name", NAMED)
def test_what_is_wrong_is_named(wrong: subprocess.CompletedProcess[str], name: str) -> None:
    assert wrong.returncode != 0
    told = [row for row in wrong.stderr.splitlines() if f"{name}.md" in row and NAMED[name][-1] in row]
    assert len(told) == 1, wrong.stderr
    assert "good.md" not in wrong.stderr
