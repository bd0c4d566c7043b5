"""The glossary: terms linked by the build where a page first uses them, and only there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from conftest import BACKEND, IMPORT, ROOT, TinySite
from mithril_docs.glossary import terms

FRONT = "---\ndescription: x\nroadmap: []\n---\n# Glossary\n\n"
GLOSSARY = (
    FRONT + "```{glossary}\nlogical model\n  What is composed.\n\nkey\n  A name.\n\nnever used\n  A phrase.\n```\n"
)


@pytest.fixture
def glossary(tiny: TinySite) -> TinySite:
    """A site of a glossary and a page that uses two of its three terms."""
    path = tiny.folder / "docs" / "concepts" / "glossary.md"
    path.parent.mkdir(parents=True)
    path.write_text(GLOSSARY)
    passage = ":::{backends} numpy\nThe keyed key here is for some.\n:::\n"
    words = "Monkeys. Two *logical\nmodels* and a `key`, another logical model.\n"
    words += "\n## A key to all\n\nKeys, and a [key](other).\n"
    tiny.page("page", IMPORT, BACKEND, passage, words)
    tiny.page("other")
    return tiny


def links(html: BeautifulSoup) -> dict[str, str]:
    """What the links to the glossary say, and where they lead."""
    return {link.text: link["href"] for link in html.select('.bd-article a[href*="glossary.html#term-"]')}


def test_the_first_use_of_a_term_is_a_link(glossary: TinySite) -> None:
    assert glossary.execute().returncode == 0
    built = glossary.build()
    assert built.returncode == 0, built.stderr
    found = links(glossary.html("page"))
    assert found == {
        "logical\nmodels": "concepts/glossary.html#term-logical-model",
        "Keys": "concepts/glossary.html#term-key",
    }
    assert not links(glossary.html("concepts/glossary"))


def test_a_new_term_reaches_pages_that_did_not_change(glossary: TinySite) -> None:
    assert glossary.execute().returncode == 0
    assert glossary.build().returncode == 0
    path = glossary.folder / "docs" / "concepts" / "glossary.md"
    path.write_text(path.read_text().replace("never used\n", "monkey\n"))
    assert glossary.build().returncode == 0
    assert links(glossary.html("page"))["Monkeys"] == "concepts/glossary.html#term-monkey"


def test_every_term_is_defined_and_used(site: Path) -> None:
    """Each term of the real glossary has a definition, and a page that links to it."""
    html = BeautifulSoup((site / "concepts" / "glossary.html").read_text(encoding="utf-8"), "html.parser")
    defined = {dt["id"]: dt.find_next_sibling("dd") for dt in html.select("dl.glossary > dt")}
    assert len(defined) == len(terms(ROOT / "docs" / "concepts" / "glossary.md")) >= 30
    assert all(definition and len(definition.text.split()) >= 5 for definition in defined.values())
    pages = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.html") if path.name != "genindex.html")
    used = set(re.findall(r'href="[^"]*glossary\.html#(term-[^"]+)"', pages))
    assert set(defined) == used
    assert not re.search(r'<p class="mb-label[^>]*>[^<]*<a ', pages), "what the build says of an output is no prose"
