"""What the real site says of itself: its address, the picture beside a link, and how old it is."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from urllib.parse import urljoin
from xml.etree import ElementTree

import lxml.html

from support.survey import pages_of

MADE = {"genindex", "search"}


def meta(tree: lxml.html.HtmlElement, name: str) -> str:
    (value,) = tree.xpath(f"//meta[@property='{name}' or @name='{name}']/@content")
    return str(value)


def test_every_page_tells_services_what_it_is(site: Path) -> None:
    for name in set(pages_of(site)) - MADE:
        tree = lxml.html.parse(site / f"{name}.html").getroot()
        assert meta(tree, "og:title") == tree.xpath("//h1")[0].text_content().rstrip("#"), name
        assert meta(tree, "og:description") == meta(tree, "description"), name
        assert meta(tree, "og:site_name") == "Mithril docs" and meta(tree, "twitter:card") == "summary_large_image"
        address = str(next(iter(tree.xpath("//link[@rel='canonical']/@href")), f"/{name}.html"))
        picture = site / urljoin(address, meta(tree, "og:image")).removeprefix(address.removesuffix(f"{name}.html"))
        width, height = struct.unpack(">II", picture.read_bytes()[16:24])
        assert picture.read_bytes().startswith(b"\x89PNG\r\n") and (width, height) == (1200, 630), name
        assert meta(tree, "og:image:width") == "1200" and meta(tree, "og:image:height") == "630"


def test_every_page_is_listed_at_its_address(site: Path) -> None:
    """Or none, where the address was not known when the site was built."""
    canonical = {}
    for name in pages_of(site):
        tree = lxml.html.parse(site / f"{name}.html").getroot()
        canonical[name] = [*map(str, tree.xpath("//link[@rel='canonical']/@href"))]
    base = "".join(canonical["index"]).removesuffix("index.html")
    assert canonical == {name: [f"{base}{name}.html"] if base else [] for name in canonical}
    if base:
        found = ElementTree.parse(site / "sitemap.xml").getroot().iterfind("{*}url/{*}loc")
        assert [row.text for row in found] == [f"{base}{name}.html" for name in sorted(set(canonical) - MADE)]
    else:
        assert not (site / "sitemap.xml").exists()


def test_every_page_says_what_it_documents_and_how_old_it_is(site: Path, record: dict) -> None:
    words = set()
    for name in pages_of(site):
        (foot,) = lxml.html.parse(site / f"{name}.html").xpath("//p[@class='mb-built']")
        words.add(foot.text_content())
    assert len(words) == 1
    version, date = re.escape(record["mithril"]), r"( Last changed \d{4}-\d{2}-\d{2}\.)?"
    assert re.fullmatch(rf"For Mithril {version}\.{date}", *words)
