"""The foot of every page: which Mithril it documents, and the day of the last change of the sources.

That day changes with every commit. Pages that are not written anew get it put into their files, which takes no time.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from mithril_docs.build.assistants import mithril_version
from mithril_docs.build.provenance import commit_date
from mithril_docs.site.state import build_of, state_of

#: The words at the foot of a page, as ``docs/_templates/built.html`` writes them.
_FOOT = re.compile(rb'(?<=<p class="mb-built">).*?(?=</p>)', re.DOTALL)


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _date, priority=510)  # behind the pages
    app.connect("html-page-context", _put)
    app.connect("build-finished", _renew)


def _date(app: Sphinx) -> None:
    state_of(app).date = commit_date(Path(app.confdir))


def _words(app: Sphinx) -> str:
    version, date = mithril_version(build_of(app)), state_of(app).date
    words = [f"For Mithril {escape(version)}."] if version else []
    words += [f'Last changed <time datetime="{date}">{date}</time>.'] if date else []
    return " ".join(words)


def _put(app: Sphinx, docname: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    context["built"] = _words(app)


def _renew(app: Sphinx, exception: Exception | None) -> None:
    """Put the words into pages of earlier builds."""
    if exception or app.builder.format != "html":
        return
    words = _words(app).encode()
    for file in Path(app.outdir).rglob("*.html"):
        text = file.read_bytes()
        found = _FOOT.search(text)
        if found and found[0] != words:
            file.write_bytes(text[: found.start()] + words + text[found.end() :])
