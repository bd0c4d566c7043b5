"""Where the site is published: the list of its pages for search engines. Sphinx puts the address into each page."""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

from mithril_docs.build.files import write
from mithril_docs.build.sitemap import sitemap

FILE = "sitemap.xml"


def setup(app: Sphinx) -> None:
    app.connect("build-finished", _write)


def base_address(app: Sphinx) -> str:
    """The address of the site's root, with a slash at its end; empty where it is not known."""
    address: str = app.config.html_baseurl
    return f"{address.rstrip('/')}/" if address else ""


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    file, base = Path(app.outdir, FILE), base_address(app)
    if base:
        write(file, sitemap(base + app.builder.get_target_uri(name) for name in sorted(app.env.found_docs)))
    else:
        file.unlink(missing_ok=True)
