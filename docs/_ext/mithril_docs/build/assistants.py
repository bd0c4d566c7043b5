"""What assistants and other readers without a browser are given beside the Markdown of the pages: ``llms.txt``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from mithril_docs.backends import BACKENDS
from mithril_docs.build.downloads import install_line
from mithril_docs.build.records import Build, Record


@dataclasses.dataclass(frozen=True)
class Entry:
    """A page as the list of all pages names it."""

    name: str
    title: str
    description: str


def markdown_path(page: str, backend: str = "") -> str:
    """Where the Markdown of a page lies, relative to the site's root; that of its first backend where none is named."""
    return f"{page}.{backend}.md" if backend else f"{page}.md"


def mithril_version(build: Build) -> str:
    """The version of Mithril that the pages ran with; empty where none ran."""
    found = (environment.versions.get("mithril", "") for environment in build.environments.values())
    return next(filter(None, found), "")


def page_files(record: Record, build: Build, texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The Markdown files of a page: path and content, the first backend's first.

    Parameters
    ----------
    texts
        The page by backend, in the order that the page has them; by an empty word where it has none.
    """
    first, *others = texts
    own = [first, *(name for name in others if texts[name] != texts[first])]
    for name in own:
        title, _, rest = texts[name].partition("\n")
        path = markdown_path(record.page.name, name if name != first else "")
        yield path, f"{title}\n\n{_head(record, build, name, own)}\n{rest}"


def _head(record: Record, build: Build, backend: str, own: list[str]) -> str:
    """What stands under the title: where the text comes from, where the page ran, and how to run it."""
    base = record.page.name.rpartition("/")[2]
    version = f" {found}" if (found := mithril_version(build)) else ""
    rows = [f"Part of the documentation of Mithril{version}; [this page on the web]({base}.html)."]
    if backend:
        ran = ", ".join(_version(name, build) for name in record.shown if record.runs[name].status == "ok")
        rows.append(f"Executed on {ran}." if ran else "Not executed.")
    links = [f"[{BACKENDS[name].title}]({markdown_path(base, name if name != own[0] else '')})" for name in own
             if name != backend]  # fmt: skip
    if links:
        rows.append(f"Code and outputs below are those of {BACKENDS[backend].title}; also for {', '.join(links)}.")
    for name, run in record.runs.items():
        if run.status == "unsupported":
            rows.append(f"Not on {BACKENDS[name].title}: {run.failures[0].cause}")
    if backend and record.runs[backend].result is not None:
        rows.append(f"Install: `{install_line(backend, record, build)}`")
    return "\n".join(f"- {row}" for row in rows)


def _version(backend: str, build: Build) -> str:
    row = BACKENDS[backend]
    return f"{row.title} {build.environments[backend].versions.get(row.framework or 'numpy', '')}".strip()


def llms_txt(
    summary: str, version: str, sections: list[tuple[str, list[Entry]]], base: str, more: list[tuple[str, str, str]]
) -> str:
    """The list of all pages in the form of llmstxt.org.

    Parameters
    ----------
    summary, version
        What the site is about, and which Mithril it documents.
    sections
        The sidebar: captions and pages.
    base
        The address of the site; empty where it is not known, which makes all links relative.
    more
        What else there is: name, path and what it holds.
    """
    backends = ", ".join(row.title for row in BACKENDS.values())
    notes = (
        f"This is the documentation of Mithril {version}. Every program on its pages was executed on each backend that "
        f"the page names ({backends}), and the outputs shown are what came out. A page's Markdown has the code and the "
        "outputs of its first backend; for another backend, put its name before the ending (`page.torch.md`, "
        "`page.jax.md`, `page.mlx.md`); there is no such file where nothing differs. For the page that people read, "
        "put `.html` in the place of `.md`; the part behind `#` is the same in both."
    )
    parts = ["# Mithril", f"> {summary}", notes]
    for caption, entries in sections:
        rows = [_row(entry.title, base + markdown_path(entry.name), entry.description) for entry in entries]
        parts += [f"## {caption}", "\n".join(rows)]
    if more:
        rows = [_row(title, base + path, words) for title, path, words in more]
        parts += ["## Optional", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _row(title: str, address: str, words: str) -> str:
    return f"- [{title}]({address}): {words}" if words else f"- [{title}]({address})"
