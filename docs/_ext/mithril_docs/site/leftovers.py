"""What earlier builds left in the site: pages that are gone, and downloads of theirs or of other backends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

from mithril_docs.build.assistants import markdown_path
from mithril_docs.build.downloads import FOLDER, download_path, has_script
from mithril_docs.site.state import build_of

#: Endings of the files that are made for a page; nothing else is looked at.
ENDINGS = (".html", ".md", ".ipynb", ".py")


def setup(app: Sphinx) -> None:
    app.connect("build-finished", _sweep, priority=100)  # before what reads all pages of the site


def _sweep(app: Sphinx, exception: Exception | None) -> None:
    """Remove what this build would not have made."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    wanted = set(_wanted(app))
    for path in sorted(out.rglob("*"), reverse=True):  # what is in a folder before the folder
        name = path.relative_to(out).as_posix()
        if name.startswith("_") and not name.startswith(f"{FOLDER}/"):
            continue
        if path.is_file() and path.suffix in ENDINGS and name not in wanted:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _wanted(app: Sphinx) -> Iterator[str]:
    """The files of the site that have one of the endings, from its root."""
    build = build_of(app)
    for name in app.env.found_docs:
        yield app.builder.get_target_uri(name)
        yield from (markdown_path(name, backend) for backend in ("", *build.environments))
    for record in build.records.values():
        for backend in record.shown:
            if record.runs[backend].result is not None:
                yield download_path(record.page.name, backend, "ipynb")
                if has_script(backend, record):
                    yield download_path(record.page.name, backend, "py")
    # What Sphinx makes of no page.
    indices = [f"{domain.name}-{index.name}" for domain in app.env.domains.sorted() for index in domain.indices]
    for name in ("genindex", "search", *indices, *app.config.html_additional_pages):
        yield app.builder.get_target_uri(name)
