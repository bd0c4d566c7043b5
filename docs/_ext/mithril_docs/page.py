"""A page: its front matter, its cells, and what each backend makes of them.

Reads MyST notebooks with jupytext and runs nothing. A page that breaks the contract of a page is still read; what
is wrong with it stands in :attr:`Page.problems`.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import os
import pickle
import re
import tokenize
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mithril_docs.backends import BACKENDS, WRITTEN_CLASS

if TYPE_CHECKING:
    from nbformat import NotebookNode

#: Front matter that a page may have; anything else is a misspelling.
FRONT_MATTER = {
    "file_format", "kernelspec", "description", "roadmap", "unsupported", "timeout", "files",
    "orphan", "myst", "tocdepth", "html_theme.sidebar_secondary.remove",
}  # fmt: skip
#: Cell options of ours; the others (``mystnb``, ``tags``) belong to myst-nb.
CELL_OPTIONS = {"tags", "mystnb", "backends", "raises", "parity"}
#: Tags that change what a result means; others only change how it looks.
STEERING_TAGS = {"backend", "timing"}
#: Seconds that a cell may take unless its page says otherwise.
DEFAULT_TIMEOUT = 120

_ROADMAP = Path(__file__).with_name("roadmap.toml")


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
    """

    index: int
    number: int
    line: int
    code: bool
    source: str
    metadata: dict[str, Any]

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

    def source_for(self, backend: str) -> str:
        """The code as the reader of that backend sees it: in the ``backend`` cell the class is swapped."""
        if "backend" not in self.tags:
            return self.source
        return swap_class(self.source, WRITTEN_CLASS, BACKENDS[backend].cls)


def swap_class(source: str, old: str, new: str) -> str:
    """Code with another backend class wherever it names one as ``ml.NumpyBackend``; strings and comments stay.

    Of code that is no Python, what stands before the first fault is swapped.
    """
    lines = source.split("\n")
    for row, start in reversed(_named(source, old)):
        lines[row] = lines[row][:start] + new + lines[row][start + len(old) :]
    return "\n".join(lines)


def backend_classes(source: str) -> list[str]:
    """The backend classes that the code names as ``ml.NumpyBackend``, each as often as it does."""
    return [row.cls for row in BACKENDS.values() for _ in _named(source, row.cls)]


def _named(source: str, name: str) -> list[tuple[int, int]]:
    """Where code has a name behind a dot: rows and columns, from 0."""
    found: list[tuple[int, int]] = []
    dot = False
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if dot and token.type == tokenize.NAME and token.string == name:
                found.append((token.start[0] - 1, token.start[1]))
            dot = token.type == tokenize.OP and token.string == "."
    return found


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
        declared = self.front.get("unsupported") or {}
        return declared if isinstance(declared, dict) else {}

    @property
    def roadmap(self) -> list[str]:
        return list(self.front.get("roadmap") or ())

    @property
    def files(self) -> list[Path]:
        """Local files that the page declares; its kernels find copies of them in their working folder."""
        return [self.path.parent / name for name in self.front.get("files") or ()]

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
        files = [[path.name, hashlib.sha256(path.read_bytes()).hexdigest()] for path in self.files]
        content = json.dumps([steering, files, self.timeout], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def find_pages(docs: Path, cache: Path | None = None) -> list[Page]:
    """Read every page under a folder, sorted by name. Hidden folders and those with an underscore hold no pages.

    Parameters
    ----------
    docs
        The folder.
    cache
        A file that keeps what pages came to, by their text, so that none is parsed twice.
    """
    paths = [path.relative_to(docs) for path in docs.rglob("*.md")]
    shown = [path for path in paths if not any(part.startswith(("_", ".")) for part in path.parts)]
    known = _Known(cache)
    pages = sorted((read_page(docs / path, docs, known) for path in shown), key=lambda page: page.name)
    known.keep()
    return pages


def read_page(path: Path, docs: Path, known: _Known | None = None) -> Page:
    """Read one page. What is wrong with it is collected, not raised."""
    name = path.relative_to(docs).with_suffix("").as_posix()
    text = path.read_text(encoding="utf-8", errors="replace")
    page = (known or _Known(None)).parsed(name, text)
    missing = [(1, f"file '{file}', named in 'files', does not exist") for file in page.front.get("files") or ()
               if not (path.parent / file).is_file()]  # fmt: skip
    return dataclasses.replace(page, path=path, problems=(*page.problems, *missing))


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
    files = [Path(__file__), Path(__file__).with_name("backends.py"), _ROADMAP]
    content = [version("jupytext").encode(), *(file.read_bytes() for file in files)]
    return hashlib.sha256(b"".join(content)).hexdigest()


def _page(name: str, text: str) -> Page:
    nowhere = Path()
    try:
        front, notebook = _parse(text)
    except Exception as error:  # jupytext and PyYAML raise many kinds on a malformed page
        words = f"cannot be read as a MyST notebook: {' '.join(str(error).split())}"
        return Page(name, nowhere, {}, (), ((1, words),))
    cells = []
    number = 0
    for index, (cell, line) in enumerate(zip(notebook.cells, notebook.metadata.source_map, strict=True)):
        code = cell.cell_type == "code"
        number += code
        metadata = json.loads(json.dumps(cell.metadata))
        cells.append(Cell(index, number if code else 0, line + 1, code, cell.source, metadata))
    page = Page(name, nowhere, front, tuple(cells), ())
    return dataclasses.replace(page, problems=tuple(_problems(page)))


def _parse(text: str) -> tuple[dict[str, Any], NotebookNode]:
    import jupytext  # takes a third of a second, and a page that is known needs none of it
    import yaml

    # jupytext takes broken front matter for prose, and adds keys of its own to a good one.
    front = yaml.safe_load(text.split("\n---", 1)[0].removeprefix("---")) if text.startswith("---") else {}
    return front, jupytext.myst.myst_to_notebook(text, add_source_map=True)


def _problems(page: Page) -> Iterator[tuple[int, str]]:
    """What breaks the contract of a page, line and words."""
    for key in sorted(set(page.front) - FRONT_MATTER):
        yield 1, f"unknown front matter '{key}'"
    if "roadmap" not in page.front:
        yield 1, "front matter lacks 'roadmap', the list of roadmap ids that the page serves"
    for identifier in page.roadmap:
        if identifier not in roadmap():
            yield 1, f"roadmap id '{identifier}' does not exist in roadmap.toml"
    if not page.front.get("description"):
        yield 1, "front matter lacks 'description', one sentence for search engines"
    if not isinstance(page.front.get("unsupported") or {}, dict) or not all(page.unsupported.values()):
        yield 1, "'unsupported' maps each backend to a reason"
    yield from ((1, f"unknown backend '{name}' in 'unsupported'") for name in _unknown(page.unsupported))

    code = [cell for cell in page.cells if cell.code]
    tagged = [cell for cell in code if "backend" in cell.tags]
    if code and page.front.get("file_format") != "mystnb":
        yield 1, "a page with code cells says 'file_format: mystnb' in its front matter"
    if code and len(tagged) != 1:
        yield 1, f"needs exactly one cell tagged 'backend', has {len(tagged)}"
    for cell in tagged:
        if backend_classes(cell.source) != [WRITTEN_CLASS] or "backends" in cell.metadata:
            words = f"the 'backend' cell creates ml.{WRITTEN_CLASS}() once, for all backends, and names no other"
            yield cell.line, f"cell {cell.number}: {words}"
    for cell in code:
        where = f"cell {cell.number}"
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            yield cell.line, f"{where}: SyntaxError: {error.msg} (line {error.lineno} of the cell)"
        for key in sorted(set(cell.metadata) - CELL_OPTIONS):
            yield cell.line, f"{where}: unknown option '{key}'"
        for key, extra in (("backends", ()), ("raises", ("all",))):
            for name in _unknown(cell.metadata.get(key, ()), extra):
                yield cell.line, f"{where}: unknown backend '{name}' in '{key}'"
        if not all(isinstance(words, dict) and len(words) == 1 for words in cell.metadata.get("raises", {}).values()):
            yield cell.line, f"{where}: 'raises' maps a backend (or all) to one exception and its words"
    for cell in page.cells:
        if not cell.code:
            yield from _prose_problems(cell)


def _unknown(names: Any, extra: tuple[str, ...] = ()) -> list[str]:
    return sorted(str(name) for name in names if name not in BACKENDS and name not in extra)


_PYTHON_BLOCK = re.compile(
    r"^[>\s]*(?:`{3,}|~{3,})\s*(?:\{(?:code|code-block|sourcecode)\}\s*)?\{?i?py(?:thon|con)?\d?\b"
)
_NESTED_CELL = re.compile(r"^[>\s]*(?:`{3,}|~{3,}|:{3,})\{code-cell\}")
_PASSAGE = re.compile(r"^(:{3,})(?:\{([\w-]+)\}(.*))?$")


def _prose_problems(cell: Cell) -> Iterator[tuple[int, str]]:
    """Python that no build executes, passages for unknown backends, and passages that a cell cuts in two."""
    opened: list[str] = []
    for line, row in enumerate(cell.source.splitlines(), cell.line):
        if _PYTHON_BLOCK.match(row):
            yield line, "a Python block that is not executed: make it a code-cell at the top level"
        elif _NESTED_CELL.match(row):
            yield line, "a code-cell inside another block is not executed"
        elif passage := _PASSAGE.match(row.rstrip()):
            fence, name, argument = passage.groups()
            if not name:
                if not opened or opened.pop() != fence:
                    yield line, "this ends a passage that does not begin here: a passage holds no cells"
                continue
            opened.append(fence)
            if name == "backends":
                yield from ((line, f"unknown backend '{word}' in a passage") for word in _unknown(argument.split()))
                if not argument.split():
                    yield line, "a passage names the backends that it is for"
    if opened:
        yield cell.line, "a passage is not closed before the next cell: a passage holds no cells"


@functools.cache
def roadmap() -> dict[str, dict[str, str]]:
    """The promises of the site, by id, from ``roadmap.toml`` beside this file."""
    import tomllib

    return tomllib.loads(_ROADMAP.read_text(encoding="utf-8"))
