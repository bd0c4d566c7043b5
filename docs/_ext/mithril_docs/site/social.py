"""What services show of a link to a page: its title and description, and one picture for the whole site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

from mithril_docs.backends import BACKENDS
from mithril_docs.site.address import base_address
from mithril_docs.site.state import build_of, titles
from mithril_docs.store import code_digest, digest_of

FILE = "_static/social.png"
SENTENCE = "Compose a machine-learning model once, and compile it for the framework that you use."


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", _put)
    app.connect("build-finished", _draw)


def _put(app: Sphinx, docname: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give a page's template what it says of itself. A picture's address must be whole, where it can be."""
    record = build_of(app).records.get(docname)
    if record is None:
        return
    place = base_address(app) + FILE if base_address(app) else relative_uri(app.builder.get_target_uri(docname), FILE)
    context["social"] = {
        "description": str(record.page.front.get("description") or ""),
        "picture": place,
        "alt": f"{app.config.project}: {SENTENCE}",
    }


def _draw(app: Sphinx, exception: Exception | None) -> None:
    """Draw the picture, unless there is one that was made from the same."""
    if exception or app.builder.format != "html":
        return
    file = Path(app.outdir, FILE)
    key = digest_of(code_digest("build", "site"), app.config.project, SENTENCE, titles(list(BACKENDS)))
    if file.is_file() and key.encode() in file.read_bytes():
        return
    from mithril_docs.build.picture import picture  # Pillow takes time to import, and most builds draw nothing

    labels = [row.title for row in BACKENDS.values()]
    file.write_bytes(picture(app.config.project, SENTENCE, labels, key))
