"""What the search knows of a site: its sections, the words in them, and what is said where it cannot be made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mithril_docs.build import npm
from mithril_docs.commands import render
from mithril_docs.site.search import FILE, KINDS, TEXTS
from support.tiny import TinySite

pytestmark = pytest.mark.xdist_group("search")

PAGE = """\
---
description: x
roadmap: []
---
# Cooking pasta

```{index} spaghetti, boil noodles
```

Water boils at a hundred degrees.

## Salt_water

Add `sea_salt`, says LayerNorm.

```text
from kitchen import Pot
pot.heat_up(water)
print(pot)
```

$$x^{unfindable}$$

## Twice

Once.

## Twice

Again.
"""


def read(tiny: TinySite) -> dict[str, Any]:
    """The index of a site, and for each section what the search would find it by: the words of its fields."""
    text = (tiny.out / "_static" / FILE).read_text("utf-8")
    index = json.loads(text.partition("=")[2].rstrip(";\n"))
    terms = index["terms"].split(" ")

    def words(bag: list[int]) -> set[str]:
        number, found = -1, set()
        for step in bag:
            number += max(step, 0)
            found.add(terms[number])
        return found

    rows = {}
    for (page, anchor, kind, titles), bags in zip(index["entries"], index["bags"], strict=True):
        rows[index["pages"][page][0], " > ".join(titles), anchor] = (KINDS[kind], *map(words, bags))
    return index | {"rows": rows}


@pytest.fixture
def pasta(tiny: TinySite) -> TinySite:
    tiny.docs.mkdir(parents=True)
    (tiny.docs / "pasta.md").write_text(PAGE)
    (tiny.docs / "rice.md").write_text("---\ndescription: x\nroadmap: []\n---\n# Rice\n\nGrains.\n")
    return tiny


def test_sections_and_their_words(pasta: TinySite) -> None:
    built = pasta.build()
    assert built.returncode == 0, built.stderr
    index = read(pasta)
    rows = {key: row for key, row in index["rows"].items() if key[0] == "pasta.html"}
    assert list(rows) == [
        ("pasta.html", "", ""),
        ("pasta.html", "Salt_water", 0),  # 0: the anchor is what the heading gives
        ("pasta.html", "Twice", 0),
        ("pasta.html", "Twice", "id1"),
    ]
    kind, _, text, asked, _ = rows["pasta.html", "", ""]
    assert kind == "page"
    assert {"water", "boil", "degre"} <= text, "stems of the words of the text"
    assert asked == {"spaghetti", "boil", "noodl"}
    kind, _, text, asked, code = rows["pasta.html", "Salt_water", 0]
    assert kind == "section" and not asked
    assert {"seasalt", "sea", "salt", "layernorm", "layer", "norm"} <= text, "names whole and in parts"
    assert {"pot", "heatup", "heat"} <= code
    assert not any("unfind" in word for bag in (text, code) for word in bag)
    number = [address for address, *_ in index["pages"]].index("pasta.html")
    texts = json.loads((pasta.out / f"_static/{TEXTS}/{number}.js").read_text("utf-8").partition("=")[2].rstrip(";\n"))
    assert texts[1] == "Add sea_salt, says LayerNorm."
    links = [link["href"] for link in pasta.html("genindex").select("a") if link.text == "spaghetti"]
    assert links == ["pasta.html#cooking-pasta"]

    (pasta.docs / "rice.md").write_text("---\ndescription: x\nroadmap: []\n---\n# Risotto\n\nParmesan.\n")
    assert pasta.build().returncode == 0
    again = read(pasta)["rows"]
    assert {key: row[:3] for key, row in again.items() if key[0] == "pasta.html"} == {
        key: row[:3] for key, row in rows.items()
    }, "pages that were not read again are kept"
    assert "parmesan" in again["rice.html", "", ""][2]


def test_a_missing_engine_is_one_clear_line(
    pasta: TinySite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(npm, "FOLDER", npm.ROOT / "build" / "nowhere")
    places = ["--root", str(npm.ROOT), "--docs", str(pasta.docs), "--store", str(pasta.store), "--out", str(pasta.out)]
    assert render.main(["numpy", *places, "--doctrees", str(pasta.folder / "doctrees")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "minisearch" in line and "build/nowhere" in line and "nox -s site" in line
