"""Every page of the real site in a browser, and axe-core in full on pages that have every kind of element."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser

from support.places import PROVE, SITE
from support.survey import Visit, full_pass, in_browsers, pages_of, smallest_cover, visit

PAGES = pages_of(SITE) if SITE.exists() else []

pytestmark = pytest.mark.xdist_group("survey")


@pytest.fixture(scope="module")
def visits(address: str) -> dict[str, Visit]:
    """What a visit to each page found."""

    def visit_one(found: Browser, name: str) -> Visit:
        return visit(found, address, name)

    return in_browsers(PAGES, visit_one)


@pytest.mark.takes(110)
def test_every_page_is_looked_at(visits: dict[str, Visit], record: dict) -> None:
    assert {"index", "verification", "search", "genindex", *record["pages"]} <= set(visits)


@pytest.mark.takes(109)
@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(name: str, visits: dict[str, Visit]) -> None:
    """Nothing from elsewhere, nothing failing, light, described, accessible, no wider than a phone in any view."""
    assert not visits[name].problems, "\n".join(visits[name].problems)


@pytest.mark.takes(108)
def test_every_kind_of_element_is_accessible(
    visits: dict[str, Visit], address: str, record_property: Callable[[str, object], None]
) -> None:
    """axe-core finds nothing on the pages that have every kind of element, in any view and theme, desk and phone.

    With MITHRIL_DOCS_PROVE set, as ``nox -s prove`` does, on every page, and in every view on the phone too.
    """
    kinds = {name: found.kinds for name, found in visits.items()}
    every = set().union(*kinds.values())
    chosen = PAGES if PROVE else smallest_cover(visits)
    words = f"{len(chosen)} of {len(PAGES)} pages, which have all {len(every)} kinds of element: {', '.join(chosen)}"
    record_property("said", f"axe-core in full on {words}")
    assert set().union(*(kinds[name] for name in chosen)) == every

    def look(found: Browser, name: str) -> list[str]:
        return full_pass(found, address, name, whole=PROVE)

    problems = [f"{name}, {words}" for name, some in in_browsers(chosen, look).items() for words in some]
    assert not problems, "\n".join(problems)
