"""The glossary: terms linked by the build where a page first uses them, and only there."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from support.tiny import BACKEND, IMPORT, TinySite

pytestmark = pytest.mark.xdist_group("glossary")

FRONT = "---\ndescription: x\nroadmap: []\n---\n# Glossary\n\n"
GLOSSARY = (
    FRONT + "```{glossary}\nlogical model\n  What is composed.\n\nkey\n  A name.\n\nnever used\n  A phrase.\n```\n"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BeautifulSoup]:
    """A glossary and a page that uses two of its three terms; and the page again after one term was changed."""
    tiny = TinySite(tmp_path_factory.mktemp("glossary"))
    path = tiny.docs / "concepts" / "glossary.md"
    path.parent.mkdir(parents=True)
    path.write_text(GLOSSARY)
    passage = ":::{backends} numpy\nThe keyed key here is for some.\n:::\n"
    words = "Monkeys. Two *logical\nmodels* and a `key`, another logical model.\n"
    words += "\n## A key to all\n\nKeys, and a [key](other).\n"
    tiny.page("page", IMPORT, BACKEND, passage, words)
    tiny.page("other")
    assert tiny.execute().returncode == 0
    first = tiny.build()
    assert first.returncode == 0, first.stderr
    found = {"page": tiny.html("page"), "glossary": tiny.html("concepts/glossary")}
    path.write_text(path.read_text().replace("never used\n", "monkey\n"))
    second = tiny.build()
    assert second.returncode == 0, second.stderr
    return found | {"page, with another term": tiny.html("page")}


def links(html: BeautifulSoup) -> dict[str, str]:
    """What the links to the glossary say, and where they lead."""
    return {link.text: link["href"] for link in html.select('.bd-article a[href*="glossary.html#term-"]')}


def test_the_first_use_of_a_term_is_a_link(built: dict[str, BeautifulSoup]) -> None:
    assert links(built["page"]) == {
        "logical\nmodels": "concepts/glossary.html#term-logical-model",
        "Keys": "concepts/glossary.html#term-key",
    }
    assert not links(built["glossary"])


def test_a_new_term_reaches_pages_that_did_not_change(built: dict[str, BeautifulSoup]) -> None:
    assert links(built["page, with another term"])["Monkeys"] == "concepts/glossary.html#term-monkey"
