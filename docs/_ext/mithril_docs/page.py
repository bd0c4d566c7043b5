"""A page: its front matter, its cells, and what each backend makes of them.

Nothing is run here. A page that breaks the contract of a page is still read: what is wrong with it stands in
:attr:`Page.problems`, and what does not fit :mod:`mithril_docs.schema` is left out of the rest.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pickle
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mithril_docs import contract, schema
from mithril_docs.backends import BACKENDS, WRITTEN_CLASS
from mithril_docs.blocks import Block, moved, read_blocks
from mithril_docs.contract import Problem
from mithril_docs.groups import PROJECT
from mithril_docs.strict_yaml import YamlError, read_yaml
from mithril_docs.swap import swap_class
from mithril_docs.text import CannotReadError, read_text

#: Tags that change what a result means; others only change how it looks.
STEERING_TAGS = {"backend", "timing"}
#: Seconds that a cell may take unless its page says otherwise.
DEFAULT_TIMEOUT = 120
#: Patterns of what is no page in the folder of the pages, for Sphinx: :func:`find_pages` knows it too.
NO_PAGES = [f"{where}{what}" for where in ("", "**/") for what in ("_*", ".*", "*.ipynb", "*.rst", "*.myst")]
#: Endings of files that are pages elsewhere, and would be in the way here.
STRAY = {".ipynb", ".rst", ".myst", ".md", ".markdown", ".mkd"}


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a page.

    Attributes
    ----------
    index, number
        Its place among all cells, from 0, and among the code cells, from 1 (0 for prose).
    line
        Where it begins in the file.
    code
        Whether it is code.
    source, metadata
        What it holds, and its options.
    blocks
        What prose is made of; lines are those of the cell, from 0.
    """

    index: int
    number: int
    line: int
    code: bool
    source: str
    metadata: dict[str, Any]
    blocks: tuple[Block, ...] = ()

    @property
    def tags(self) -> list[str]:
        return list(self.metadata.get("tags", ()))

    def runs_on(self, backend: str) -> bool:
        """Whether the cell belongs to the backend's view of the page."""
        return backend in self.metadata.get("backends", BACKENDS)

    def raises(self, backend: str) -> dict[str, str]:
        """The failure declared for the backend, exception to words; empty where the cell must pass."""
        declared = self.metadata.get("raises", {})
        return declared.get(backend, declared.get("all", {}))

    @property
    def imported(self) -> set[str]:
        """The top-level modules that its code imports; none where Python alone cannot read it."""
        modules: set[str] = set()
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            for node in ast.walk(ast.parse(self.source)):
                if isinstance(node, ast.Import):
                    modules |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    modules.add(node.module.partition(".")[0])
        return modules

    def source_for(self, backend: str) -> str:
        """The code as the reader of that backend sees it: in the ``backend`` cell the class is swapped."""
        if "backend" not in self.tags:
            return self.source
        return swap_class(self.source, WRITTEN_CLASS, BACKENDS[backend].cls)


@dataclasses.dataclass(frozen=True)
class Page:
    """A page of the site: a MyST notebook, or prose alone where it has no code cell.

    Attributes
    ----------
    name
        Sphinx's name of the document, such as ``getting_started/hello_world``.
    path
        The file.
    front
        The front matter.
    cells
        Prose and code in order.
    problems
        What breaks the contract of a page, ``(line, words)``; such a page is not executed.
    """

    name: str
    path: Path
    front: dict[str, Any]
    cells: tuple[Cell, ...]
    problems: tuple[tuple[int, str], ...]

    def walk(self) -> Iterator[tuple[Cell, Block]]:
        """Every block of the page, those in other blocks too, each with the cell that it is in."""
        for cell in self.cells:
            for block in cell.blocks:
                yield from ((cell, inner) for inner in block.walk())

    @property
    def runs(self) -> bool:
        """Whether there is anything in the page to execute."""
        return any(cell.code for cell in self.cells)

    @property
    def backends(self) -> list[str]:
        """The backends that the page runs on, in the order of the table; none where it is prose alone."""
        return [name for name in BACKENDS if name not in self.unsupported] if self.runs else []

    @property
    def unsupported(self) -> dict[str, str]:
        """Backend to reason, for those that the page does not run on."""
        return self.front.get("unsupported", {})

    @property
    def roadmap(self) -> list[str]:
        return list(self.front.get("roadmap", ()))

    @property
    def groups(self) -> list[str]:
        """The groups of packages that the page needs beyond those of every page."""
        return list(self.front.get("groups", ()))

    @property
    def files(self) -> list[Path]:
        """Local files that the page declares; its kernels find copies of them in their working folder."""
        return [self.path.parent / name for name in self.front.get("files", ())]

    @property
    def copies(self) -> dict[str, Path]:
        """Where the page finds its files, in the folder where it runs: one of elsewhere stands at its top."""
        names = self.front.get("files", ())
        return {Path(name).name if ".." in Path(name).parts else name: self.path.parent / name for name in names}

    @property
    def timeout(self) -> float:
        return float(self.front.get("timeout", DEFAULT_TIMEOUT))

    def view(self, backend: str) -> Iterator[Cell]:
        """The code cells of the page on a backend, as its reader sees them."""
        for cell in self.cells:
            if cell.code and cell.runs_on(backend):
                yield dataclasses.replace(cell, source=cell.source_for(backend))

    def digest(self, backend: str) -> str:
        """A digest of all in the page that can change its result on the backend; prose is not."""
        steering = [
            [
                cell.number,  # outputs are kept by it, and a cell for other backends moves it
                cell.source,
                sorted(STEERING_TAGS.intersection(cell.tags)),
                cell.raises(backend),
                sorted(cell.metadata.get("parity", ())),
            ]
            for cell in self.view(backend)
        ]
        named = zip(self.front.get("files", ()), self.files, strict=True)
        files = [[name, hashlib.sha256(path.read_bytes()).hexdigest()] for name, path in named]
        content = json.dumps([steering, files, self.timeout, self.groups], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def find_pages(docs: Path, cache: Path | None = None) -> list[Page]:
    """Read every page under a folder, sorted by name. What is hidden or begins with an underscore holds no pages.

    Parameters
    ----------
    docs
        The folder.
    cache
        A file that keeps what pages came to, by their text, so that none is parsed twice.
    """
    known = _Known(cache)
    paths = [path for path in _shown(docs) if path.suffix == ".md"]
    pages = sorted((read_page(path, docs, known) for path in paths), key=lambda page: page.name)
    known.keep()
    return pages


class NoPageError(Exception):
    """A page that was asked for and is not there; the message says which, and what is near."""


def choose(pages: list[Page], names: list[str] | None) -> list[Page]:
    """The pages that are named; all where none is. Raises :class:`NoPageError`."""
    known = [page.name for page in pages]
    for name in names or ():
        if name not in known:
            raise NoPageError(f"no page {name}{schema.nearest(name.removesuffix('.md'), known)}")
    return [page for page in pages if not names or page.name in names]


def find_strays(docs: Path) -> list[tuple[Path, str]]:
    """Files in the folder of the pages that are written as none of them is, with a line each on what to do."""
    strays = [path for path in _shown(docs) if path.suffix != ".md" and path.suffix.lower() in STRAY]
    words = "this is no page: write it as MyST, '{}.md', or move it out of the folder of the pages"
    return [(path, words.format(path.stem)) for path in sorted(strays)]


def _shown(docs: Path) -> Iterator[Path]:
    for path in docs.rglob("*.*"):
        hidden = any(part.startswith(("_", ".")) for part in path.relative_to(docs).parts)
        if not hidden and not path.is_dir():
            yield path


def read_page(path: Path, docs: Path, known: _Known | None = None) -> Page:
    """Read one page. What is wrong with it is collected, not raised."""
    name = path.relative_to(docs).with_suffix("").as_posix()
    try:
        text = read_text(path)
    except CannotReadError as error:
        return Page(name, path, {}, (), ((error.line, str(error)),))
    page = dataclasses.replace((known or _Known(None)).parsed(name, text), path=path)
    return dataclasses.replace(page, problems=tuple(sorted({*page.problems, *contract.file_problems(page)})))


class _Known:
    """Pages by a digest of their text and of the code that parses them, kept in a file where one is named."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._kept: dict[str, Page] = {}
        self._used: dict[str, Page] = {}
        if file and file.is_file():
            # A file that is cut off or of another making only means that the pages are parsed.
            with contextlib.suppress(Exception):
                self._kept = pickle.loads(file.read_bytes())

    def parsed(self, name: str, text: str) -> Page:
        key = hashlib.sha256(f"{_parser_digest()} {name} {text}".encode()).hexdigest()
        self._used[key] = page = self._kept.get(key) or _page(name, text)
        return page

    def keep(self) -> None:
        if self._file is None or self._used.keys() == self._kept.keys():
            return
        with contextlib.suppress(OSError):  # a full disk: the next build parses again, and has more to say of it
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._file.with_name(f".{self._file.name}-{os.getpid()}")
            temporary.write_bytes(pickle.dumps(self._used))
            temporary.replace(self._file)


@functools.cache
def _parser_digest() -> str:
    files = [*sorted(Path(__file__).parent.glob("*.py")), contract.ROADMAP, PROJECT]
    versions = [version(name).encode() for name in ("markdown-it-py", "mdit-py-plugins", "PyYAML")]
    return hashlib.sha256(b"".join([*versions, *(file.read_bytes() for file in files)])).hexdigest()


def _page(name: str, text: str) -> Page:
    problems: list[Problem] = []
    try:
        blocks = read_blocks(text)
    except Exception as error:  # a parser is not proof against every text
        return Page(name, Path(), {}, (), ((1, contract.not_parsed(error)),))
    front, lines = _front(text, blocks, problems)
    if not lines and text.lstrip().startswith("---"):  # where the cells begin is not known
        return Page(name, Path(), front, (), tuple(problems))
    cells = tuple(_cells(text, blocks, problems))
    page = Page(name, Path(), front, cells, ())
    problems += contract.front_problems(page, lines)
    problems += contract.code_problems(page)
    problems += contract.package_problems(page)
    problems += (
        found for cell in cells for block in cell.blocks for found in contract.prose_problems(block, cell.line)
    )
    if any(inner.deep for block in blocks for inner in block.walk()):  # Sphinx would not come to an end of it
        page = dataclasses.replace(page, cells=())
    return dataclasses.replace(page, problems=tuple(dict.fromkeys(problems)))


def _front(text: str, blocks: tuple[Block, ...], problems: list[Problem]) -> tuple[dict[str, Any], dict[str, int]]:
    """The front matter as far as it fits, and the line of each name in it and of itself; none where it is not read."""
    head = next((block for block in blocks if block.kind == "front_matter"), None)
    if head is None:
        opened = text.lstrip().startswith("---")
        words = "the front matter is not closed; end it with a line ---" if opened else "the page has no front matter"
        remedy = "" if opened else "; begin the file with a line ---, its names and values, and a line ---"
        problems.append((1, words + remedy))
        return {}, {}
    try:
        read = read_yaml(head.body)
    except YamlError as error:
        problems.append((error.line + 2, f"front matter: {error}"))
        return {}, {}
    value = {} if read.value is None else read.value
    faults = list(schema.FRONT_MATTER.faults(value, ()))
    if not isinstance(value, dict):
        problems.append((1, f"the front matter takes {schema.FRONT_MATTER.words}"))
        return {}, {}
    problems += ((read.line(fault.path) + 2, fault.words) for fault in faults)
    lines = {str(path[0]): line + 2 for path, line in read.lines.items() if len(path) == 1}
    return schema.fitting(value, faults), {"": 1} | lines


def _cells(text: str, blocks: tuple[Block, ...], problems: list[Problem]) -> Iterator[Cell]:
    """The cells of a text, as notebooks have them; what is wrong with their options becomes a problem."""
    rows = text.split("\n")
    index = number = start = 0
    metadata: dict[str, Any] = {}
    if blocks and blocks[0].kind == "front_matter":
        start = blocks[0].end
    cuts = [block for block in blocks if block.is_cell or (block.kind == "myst_block_break" and not block.level)]
    for cut in [*cuts, None]:
        first, last = start, cut.line if cut else len(rows)
        while first < last and not rows[first].strip():
            first += 1
        while last > first and not rows[last - 1].strip():
            last -= 1
        if first < last:
            source = "\n".join(rows[first:last]).rstrip()
            own = tuple(moved(block, -first) for block in blocks if first <= block.line < last)
            yield Cell(index, 0, first + 1, False, source, metadata, own)
            index += 1
        if cut is None:
            return
        start, metadata = cut.end, {}
        if cut.is_cell:
            number += 1
            metadata = _code(cut, f"cell {number}", problems)
            if not cut.closed:
                problems.append((cut.line + 1, f"cell {number} is not closed; end it with a line {cut.fence}"))
            yield Cell(index, number, cut.line + 2, True, cut.body.removesuffix("\n"), metadata)
            index += 1
            metadata = {}
        else:
            metadata = _break(cut, problems)


def _code(block: Block, where: str, problems: list[Problem]) -> dict[str, Any]:
    """The options of a code cell, as far as they fit."""
    try:
        read = read_yaml(block.head)
    except YamlError as error:
        problems.append((block.head_line + error.line + 1, f"{where}: options: {error}"))
        return {}
    value = {} if read.value is None else read.value
    faults = list(schema.CODE_CELL.faults(value, ()))
    if not isinstance(value, dict):
        problems.append((block.head_line + 1, f"{where}: options are {schema.CODE_CELL.words}"))
        return {}
    problems += ((block.head_line + read.line(fault.path) + 1, f"{where}: {fault.words}") for fault in faults)
    return schema.fitting(value, faults)


def _break(block: Block, problems: list[Problem]) -> dict[str, Any]:
    """What a block break says of the prose behind it, as far as it fits."""
    if not block.body:
        return {}
    try:
        value = json.loads(block.body)
    except ValueError as error:
        problems.append((block.line + 1, f"a block break takes {schema.PROSE.words}: {error}"))
        return {}
    faults = list(schema.PROSE.faults(value, ()))
    problems += ((block.line + 1, f"block break: {fault.words}") for fault in faults)
    return schema.fitting(value, faults) if isinstance(value, dict) else {}
