"""The glossary of the real site."""

from __future__ import annotations

import re
from pathlib import Path

from bs4 import BeautifulSoup

from mithril_docs.page import read_page
from mithril_docs.site.glossary import terms
from support.places import ROOT


def test_every_term_is_defined_and_used(site: Path) -> None:
    """Each term of the real glossary has a definition, and a page that links to it."""
    html = BeautifulSoup((site / "concepts" / "glossary.html").read_text(encoding="utf-8"), "lxml")
    defined = {dt["id"]: dt.find_next_sibling("dd") for dt in html.select("dl.glossary > dt")}
    assert len(defined) == len(terms(read_page(ROOT / "docs" / "concepts" / "glossary.md", ROOT / "docs"))) >= 30
    assert all(definition and len(definition.text.split()) >= 5 for definition in defined.values())
    pages = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.html") if path.name != "genindex.html")
    used = set(re.findall(r'href="[^"]*glossary\.html#(term-[^"]+)"', pages))
    assert set(defined) == used
    assert not re.search(r'<p class="mb-label[^>]*>[^<]*<a ', pages), "what the build says of an output is no prose"
