"""Writes the Markdown beside each page, and the lists of all pages for assistants at the site's root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from mithril_docs.build.assistants import Entry, llms_txt, markdown_path, mithril_version, page_files
from mithril_docs.build.files import write
from mithril_docs.site.address import base_address
from mithril_docs.site.markdown import Writer
from mithril_docs.site.navigation import sections
from mithril_docs.site.state import build_of
from mithril_docs.site.verification import FILE as RECORD

LIST, ALL = "llms.txt", "llms-full.txt"
#: More than this, in bytes, no assistant reads in one piece.
LIMIT = 4_000_000


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", _write_page)
    app.connect("build-finished", _write_lists)


def _write_page(app: Sphinx, docname: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Write a page's Markdown when the page is written, and tell its template where that is."""
    build = build_of(app)
    record = build.records.get(docname)
    if record is None or not doctree:  # made by Sphinx
        return
    writer = Writer(doctree, docname, build.records, app.builder.images)
    texts = {name: writer.text(name) for name in record.shown or [""]}
    made = dict(page_files(record, build, texts))
    for path, text in made.items():
        write(Path(app.outdir, path), text)
    for name in build.environments:
        if (path := markdown_path(docname, name)) not in made:
            Path(app.outdir, path).unlink(missing_ok=True)
    context["markdown_file"] = f"{docname.rpartition('/')[2]}.md"


def _write_lists(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.format != "html":
        return
    build = build_of(app)
    root = app.config.root_doc
    described = {name: str(record.page.front.get("description") or "") for name, record in build.records.items()}
    listed = [
        (section.title, [Entry(row.page, row.title, described.get(row.page, "")) for row in section.below if row.page])
        for section in sections(app.env)
    ]
    names = dict.fromkeys([root, *(entry.name for _, entries in listed for entry in entries)])
    files = [Path(app.outdir, markdown_path(name)) for name in names]
    text = "\n".join(f"<!-- {name}.md -->\n\n{file.read_text(encoding='utf-8')}" for name, file in
                     zip(names, files, strict=True) if file.is_file())  # fmt: skip
    more = [("The first page of the site", markdown_path(root), "an example in full, and where to go next.")]
    more += [("The record of the build", RECORD, "which page ran on which backend, with which versions, as JSON.")]
    if len(text.encode()) <= LIMIT:
        write(Path(app.outdir, ALL), text)
        size = f"all of these pages in one file of {len(text.encode()) / 1e6:.1f} MB."
        more += [("All pages", ALL, size)]
    else:
        Path(app.outdir, ALL).unlink(missing_ok=True)
    made = llms_txt(described.get(root, ""), mithril_version(build), listed, base_address(app), more)
    write(Path(app.outdir, LIST), made)
