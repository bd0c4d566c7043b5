"""Writes what a learner takes home beside each page: a notebook and a script for each backend."""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

from mithril_docs.build.downloads import download_path, has_script, notebook, notebook_text, script
from mithril_docs.site.state import build_of


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", _write)


def _write(app: Sphinx, docname: str, *_: object) -> None:
    """Write a page's downloads when the page is written."""
    build = build_of(app)
    if docname not in build.records:  # made by Sphinx
        return
    record = build.records[docname]
    for name in record.shown:
        if record.runs[name].result is not None:
            made = notebook(name, record, build)
            _write_file(Path(app.outdir, download_path(docname, name, "ipynb")), notebook_text(made))
            if has_script(name, record):
                _write_file(Path(app.outdir, download_path(docname, name, "py")), script(made))


def _write_file(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
