"""What a site says of itself: its address, the picture beside a link, and how old it is."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.places import ROOT, run
from support.tiny import INDEX, TinySite

pytestmark = [pytest.mark.xdist_group("published"), pytest.mark.takes(10)]

ADDRESS = "https://docs.example.org/mithril"


def build(tiny: TinySite) -> None:
    done = tiny.build("numpy")
    assert done.returncode == 0, done.stderr


def times(tiny: TinySite, pattern: str) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in tiny.out.rglob(pattern)}


def test_a_site_with_an_address(tiny: TinySite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITHRIL_DOCS_URL", ADDRESS)
    tiny.page("part/page", "Words.\n")
    build(tiny)
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
    build(tiny)
    assert (tiny.out / "sitemap.xml").read_text().count("<loc>") == 3


def test_a_site_without_an_address(tiny: TinySite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MITHRIL_DOCS_URL", raising=False)
    tiny.page("part/page", "Words.\n")
    build(tiny)
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


def test_a_render_knows_what_pages_say_of_the_site(tiny: TinySite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command does nothing where nothing changed; a new date and a new address are changes."""
    tiny.page("page", "Words.\n")
    (tiny.docs / "index.md").write_text(INDEX)
    places = ["--docs", tiny.docs, "--store", tiny.store, "--out", tiny.out, "--doctrees", tiny.folder / "build/trees"]
    command = [sys.executable, "-m", "mithril_docs", "render", "numpy", "--root", ROOT, *places]

    def render() -> tuple[bool, str, bool]:
        done = run([str(word) for word in command])
        assert done.returncode == 0, done.stderr
        date = tiny.html("page").select_one(".mb-built time").text
        return "nothing changed" in done.stdout, date, (tiny.out / "sitemap.xml").exists()

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("MITHRIL_DOCS_URL", "")
    assert render() == (False, "2023-11-14", False)
    assert render() == (True, "2023-11-14", False)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    assert render() == (False, "2027-01-15", False)
    monkeypatch.setenv("MITHRIL_DOCS_URL", ADDRESS)
    assert render() == (False, "2027-01-15", True)
