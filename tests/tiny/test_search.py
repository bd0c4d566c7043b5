"""What the search knows of a site: its sections, the words in them, and what is said where it cannot be made."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from mithril_docs.build import npm
from mithril_docs.commands import render
from mithril_docs.site.search import FILE, KINDS, STEMMER, TEXTS, WORDS
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


#: Node: the lists of an index on standard input, read as the browser reads them.
UNPACK = """
for (const file of process.argv.slice(1)) require("vm").runInThisContext(require("fs").readFileSync(file, "utf8"));
const fields = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(fields.map((lists) => lists.split(" ").map(mithrilWords.unpack))));
"""


def read(tiny: TinySite) -> dict[str, Any]:
    """The index of a site, and for each section what the search would find it by: the words of its fields."""
    static = tiny.out / "_static"
    text = (static / FILE).read_text("utf-8")
    index = json.loads(text.partition("=")[2].rstrip(";\n"))
    command = [npm.node()[0], "-e", UNPACK, str(static / STEMMER), str(static / WORDS)]
    done = subprocess.run(command, input=json.dumps(index["fields"]), capture_output=True, text=True, check=True)
    lists = json.loads(done.stdout)
    terms = index["terms"].split(" ")

    def words(section: int, field: int) -> set[str]:
        return {term for term, held in zip(terms, lists[field], strict=True) if section in held}

    rows = {}
    for section, (page, anchor, kind, titles) in enumerate(index["entries"]):
        found = (words(section, field) for field in range(len(lists)))
        rows[index["pages"][page][0], " > ".join(titles), anchor] = (KINDS[kind], *found)
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
