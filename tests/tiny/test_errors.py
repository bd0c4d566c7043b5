"""The error catalogue on a tiny site: what an entry shows, and how the build names one that is wrong."""

from __future__ import annotations

import dataclasses
import json
import subprocess

import pytest

from mithril_docs.site.search import KINDS
from support.tiny import BACKEND, IMPORT, TinySite, cell

pytestmark = pytest.mark.xdist_group("errors")

RAISING = cell("ml.compile(42, backend, jit=False)", ':raises: {all: {Exception: "Unsupported model type!"}}')
MENDED = cell("print(backend.precision)")
CAUGHT = cell("try:\n    ml.compile(42, backend, jit=False)\nexcept Exception as error:\n    print(error)")
DIVIDING = cell("1 / 0", ":backends: [numpy]", ":raises: {numpy: {ZeroDivisionError: division by zero}}")
THERE = ":::{error} there\nZeroDivisionError: division by zero (from Python)\n:::\n"


def entry(name: str, words: str = "Unsupported model type!", directive: str = "error") -> str:
    return f":::{{{directive}}} {name}\nException: {words}\n:::\n"


#: Page to what stands on it behind its heading.
SOUND = {
    "errors": (entry("no-model"), RAISING, "Give it a model.\n", MENDED),
    "caught": (entry("caught"), CAUGHT, "Text.\n", MENDED),
    "somewhere": (THERE, DIVIDING, "Text.\n", MENDED),
}
WRONG = {
    "not_mended": ((entry("not-mended"), RAISING), "the error not-mended has no program that mends it"),
    "not_raised": ((entry("not-raised"), MENDED), "the error not-raised has no program that raises it"),
    "unknown": (
        (entry("unknown", "Unknown model type!"), RAISING, "Text.\n", MENDED),
        "the error unknown names 'Exception: Unknown model type!', which the package does not raise; "
        "nearest is 'Exception: Unsupported model type!' (__init__.py, line",
    ),
    "no_slug": ((entry("No model"), RAISING, "Text.\n", MENDED), "the error No model is no slug"),
    "twice": ((entry("no-model"), RAISING, "Text.\n", MENDED), "the error no-model is on errors too"),
    "reached": (
        (entry("Dead code.", directive="unreachable"),),
        "the list Dead code. lists 'Exception: Unsupported model type!' as out of reach, and a page reaches it",
    ),
}


@dataclasses.dataclass
class Built:
    """A site of sound entries, and what the build says of it where it holds wrong ones too."""

    tiny: TinySite
    sound: subprocess.CompletedProcess[str]
    wrong: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    tiny = TinySite(tmp_path_factory.mktemp("errors"))
    both = TinySite(tmp_path_factory.mktemp("wrong"))
    wrong = {name: body for name, (body, _) in WRONG.items()}
    for site, pages in ((tiny, SOUND), (both, SOUND | wrong)):
        for name, body in pages.items():
            site.page(name, IMPORT, BACKEND, "## No model\n", *body)
        assert site.execute().returncode == 0
    return Built(tiny, tiny.build(), both.build())


def test_an_entry_is_rendered_with_what_was_seen(built: Built) -> None:
    assert built.sound.returncode == 0, built.sound.stderr
    html = built.tiny.html("errors")
    box = html.select_one(".mb-error")
    assert box is not None
    section = html.select_one("section#no-model")
    assert section is not None and section.select_one(".mb-error") is box
    assert html.select_one("#error-no-model + h2")  # so that a link to it shows the heading
    assert "Exception: Unsupported model type!" in box.text
    assert "Raised by compile. Seen in this build on NumPy." in box.text


def test_the_box_is_given_every_entry(built: Built) -> None:
    index = (built.tiny.out / "_static" / "errors-index.js").read_text(encoding="utf-8")
    found = json.loads(index.removeprefix("window.mithrilErrors = ").removesuffix(";\n"))
    urls = ["caught.html#error-caught", "errors.html#error-no-model", "somewhere.html#error-there"]
    assert [entry["url"] for entry in found["entries"]] == urls
    # Where a program runs on some backends only, the box and the search lead to a view that shows it.
    assert [entry["on"] for entry in found["entries"]] == [[], [], ["numpy"]]
    search = (built.tiny.out / "_static" / "search-index.js").read_text(encoding="utf-8")
    rows = json.loads(search.partition("=")[2].rstrip(";\n"))["entries"]
    assert [row[4:] for row in rows if row[2] == KINDS.index("error")] == [[], [], [["numpy"]]]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_entry_is_named(built: Built, name: str) -> None:
    assert built.wrong.returncode != 0
    told = [row for row in built.wrong.stderr.splitlines() if f"{name}.md" in row and "[mithril.errors]" in row]
    assert len(told) == 1 and WRONG[name][-1] in told[0], built.wrong.stderr


def test_a_sound_entry_is_not_named(built: Built) -> None:
    """One whose error a cell catches is sound too; and those beside wrong ones."""
    assert not built.sound.stderr
    named = [row.partition(": ")[0] for row in built.wrong.stderr.splitlines()]
    assert not [place for place in named if "errors.md" in place or "caught.md" in place]
