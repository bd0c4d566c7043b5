"""What a site says of itself: its address, the picture beside a link, and how old it is."""

from __future__ import annotations

import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.tiny import TinySite

pytestmark = [pytest.mark.xdist_group("published"), pytest.mark.takes(10)]

ADDRESS = "https://docs.example.org/mithril"


def build(tiny: TinySite, *options: str) -> None:
    done = tiny.build("numpy", options=options)
    assert done.returncode == 0, done.stderr


def times(tiny: TinySite, pattern: str) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in tiny.out.rglob(pattern)}


def test_a_site_with_an_address(tiny: TinySite) -> None:
    tiny.page("part/page", "Words.\n")
    build(tiny, "-D", f"html_baseurl={ADDRESS}")
    html = tiny.html("part/page")
    assert [link["href"] for link in html.select("link[rel=canonical]")] == [f"{ADDRESS}/part/page.html"]
    said = {tag.get("property") or tag.get("name"): tag["content"] for tag in html.select("meta[content]")}
    assert said["og:url"] == f"{ADDRESS}/part/page.html" and said["og:image"] == f"{ADDRESS}/_static/social.png"
    assert said["og:title"] == "part/page" and said["og:type"] == "article"
    assert said["og:description"] == said["description"] == "A page of a test."
    picture = (tiny.out / "_static/social.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n") and struct.unpack(">II", picture[16:24]) == (1200, 630)
    found = ElementTree.parse(tiny.out / "sitemap.xml").getroot().iterfind("{*}url/{*}loc")
    assert [row.text for row in found] == [f"{ADDRESS}/index.html", f"{ADDRESS}/part/page.html"]
    assert f"]({ADDRESS}/part/page.md): " in (tiny.out / "llms.txt").read_text()

    tiny.page("second", "Words.\n")  # a build that writes some pages lists all of them
    build(tiny, "-D", f"html_baseurl={ADDRESS}")
    assert (tiny.out / "sitemap.xml").read_text().count("<loc>") == 3


def test_a_site_without_an_address(tiny: TinySite) -> None:
    tiny.page("part/page", "Words.\n")
    build(tiny, "-D", "html_baseurl=")
    html = tiny.html("part/page")
    assert not html.select("link[rel=canonical]") and not html.select("meta[property='og:url']")
    assert html.select_one("meta[property='og:image']")["content"] == "../_static/social.png"
    assert not (tiny.out / "sitemap.xml").exists()


def test_a_new_date_writes_no_page_anew(tiny: TinySite, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is put into the pages as they are; where nothing changed, no file is touched."""
    tiny.page("page", "Words.\n")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    build(tiny)
    before = tiny.html("page").select_one(".mb-built time")
    assert before.text == before["datetime"] == "2023-11-14"
    tree = (tiny.folder / "build/doctrees/page.doctree").stat().st_mtime_ns
    first = times(tiny, "*.html")

    build(tiny)
    assert {path for path, time in times(tiny, "*.html").items() if time != first[path]} <= {
        tiny.out / "genindex.html", tiny.out / "search.html"}  # fmt: skip

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    texts = {path: path.read_text() for path in first}
    build(tiny)
    assert (tiny.folder / "build/doctrees/page.doctree").stat().st_mtime_ns == tree
    for path, text in texts.items():
        assert path.read_text() == text.replace("2023-11-14", "2027-01-15"), path


def test_the_date_is_that_of_the_last_commit(tiny: TinySite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    tiny.page("page", "Words.\n")
    monkeypatch.setenv("PATH", str(tiny.folder))  # no Git
    build(tiny)
    assert tiny.html("page").select_one(".mb-built time") is None
