"""Every link of the real site, looked up in its files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import lxml.html

from support.survey import pages_of


def test_every_link_resolves(site: Path) -> None:
    """Each link, anchor and asset of the site's own leads to what is there."""
    anchors: dict[str, set[str]] = {}
    links: dict[str, set[str]] = {}
    for name in pages_of(site):
        path = f"/{name}.html"
        tree = lxml.html.parse(site / f"{name}.html")
        anchors[path] = {*tree.xpath("//@id"), *tree.xpath("//@name")}
        links[path] = {*tree.xpath("//@href"), *tree.xpath("//@src")}
    assert len(links) > 60
    dead = []
    for path, found in links.items():
        for link in sorted(found):
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            target, fragment = urldefrag(urljoin(path, link))
            target = unquote(urlsplit(target).path)
            if not (site / target[1:]).is_file():
                dead.append(f"{path}: {link}")
            elif fragment and fragment != "top" and unquote(fragment) not in anchors.get(target, ()):
                dead.append(f"{path}: {link} (no such anchor)")
    assert not dead, "\n".join(dead)
