"""Directives of the reference as they stand in a page's text: what each holds, and the code cells that belong to it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from mithril_docs.page import Cell, Page

_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_OPTION = re.compile(r"^:([\w-]+):[ ]*(.*)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A directive of the reference in a page.

    Attributes
    ----------
    argument, options, body
        What it holds.
    line
        Where it stands.
    title
        The heading above it.
    cells
        The code cells from it to the next of its kind.
    """

    argument: str
    options: dict[str, str]
    body: str
    line: int
    title: str
    cells: tuple[Cell, ...]


def entries(page: Page, directive: str) -> Iterator[Entry]:
    """The entries that a page makes with a directive, in order."""
    block = re.compile(
        rf"^(:{{3,}})\{{{directive}\}}[ ]+(.+?)[ ]*\n((?::[\w-]+:.*\n)*)((?:.*\n)*?)\1[ ]*$", re.MULTILINE
    )
    title = ""
    found: list[tuple[re.Match[str], int, str]] = []
    cells: list[list[Cell]] = []
    for cell in page.cells:
        if cell.code:
            if cells:
                cells[-1].append(cell)
            continue
        for match in block.finditer(cell.source):
            line = cell.line + cell.source.count("\n", 0, match.start())
            title = [title, *_HEADING.findall(cell.source, 0, match.start())][-1]
            found.append((match, line, title))
            cells.append([])
    for (match, line, title), own in zip(found, cells, strict=True):
        yield Entry(match[2], dict(_OPTION.findall(match[3])), match[4].strip("\n"), line, title, tuple(own))
