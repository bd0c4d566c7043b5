"""A page: its front matter, its cells, and what each backend makes of them.

Nothing is run here. A page that breaks the contract of a page is still read: what is wrong with it stands in
:attr:`Page.problems`, and what does not fit :mod:`mithril_docs.schema` is left out of the rest.
"""

from __future__ import annotations

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
from typing import Any

from mithril_docs import schema
from mithril_docs.backends import BACKENDS, WRITTEN_CLASS
from mithril_docs.blocks import DEEPEST, Block, moved, read_blocks
from mithril_docs.strict_yaml import YamlError, read_yaml

#: Tags that change what a result means; others only change how it looks.
STEERING_TAGS = {"backend", "timing"}
#: Tags with a meaning here: one that is nearly one of them is a misspelling.
TAGS = (*sorted(STEERING_TAGS), "together", "site", "edge")
#: Seconds that a cell may take unless its page says otherwise.
DEFAULT_TIMEOUT = 120
#: Patterns of what is no page in the folder of the pages, for Sphinx: :func:`find_pages` knows it too.
NO_PAGES = [f"{where}{what}" for where in ("", "**/") for what in ("_*", ".*", "*.ipynb", "*.rst", "*.myst")]
#: Endings of files that are pages elsewhere, and would be in the way here.
STRAY = {".ipynb", ".rst", ".myst", ".md", ".markdown", ".mkd"}

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
        return self.front.get("unsupported", {})

    @property
    def roadmap(self) -> list[str]:
        return list(self.front.get("roadmap", ()))

    @property
    def files(self) -> list[Path]:
        """Local files that the page declares; its kernels find copies of them in their working folder."""
        return [self.path.parent / name for name in self.front.get("files", ())]

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
        content = json.dumps([steering, files, self.timeout], sort_keys=True)
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
        text = _text(path)
    except _CannotReadError as error:
        return Page(name, path, {}, (), ((error.line, str(error)),))
    page = dataclasses.replace((known or _Known(None)).parsed(name, text), path=path)
    return dataclasses.replace(page, problems=tuple(sorted({*page.problems, *_local_problems(page)})))


class _CannotReadError(Exception):
    """A file that holds no text; the message says why and what to do."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(words)
        self.line = line


def _text(path: Path) -> str:
    """What a file holds, with line feeds between its lines. Raises :class:`_CannotReadError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _CannotReadError(1, f"the file cannot be read: {error.strerror}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        words = f"the file is not in UTF-8: byte 0x{content[error.start]:02x} is no part of it; save it as UTF-8"
        raise _CannotReadError(line, words) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _CannotReadError(line, "the file holds a null character; save it as text in UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _local_problems(page: Page) -> Iterator[tuple[int, str]]:
    """What is wrong with files that a page names."""
    for name, path in zip(page.front.get("files", ()), page.files, strict=True):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            yield 1, f"file '{name}', named in 'files', must stand in the page's folder or below it"
        elif not path.is_file():
            yield 1, f"file '{name}', named in 'files', does not exist"
    for cell in page.cells:
        for block in cell.blocks:
            yield from _included_problems(block, cell.line, page.path, (page.path,))


def _included_problems(
    outer: Block, before: int, path: Path, including: tuple[Path, ...]
) -> Iterator[tuple[int, str]]:
    """What is wrong with the files that a block includes, and that these include; at the line of the first of them."""
    for block in outer.walk():
        if block.kind != "directive" or block.name != "include" or not block.argument:
            continue
        target = (path.parent / block.argument).resolve()
        line, name = before + block.line, block.argument
        if target in including:
            yield line, f"'{name}' includes itself; take one {{include}} out"
            continue
        try:
            inner = read_blocks(_text(target))
        except _CannotReadError as error:
            yield line, f"{{include}} of '{name}': {error}"
            continue
        except Exception as error:
            yield line, f"{{include}} of '{name}': {_not_parsed(error)}"
            continue
        for found, words in (problem for part in inner for problem in _prose_problems(part, 1)):
            yield line, f"{{include}} of '{name}', its line {found}: {words}"
        for part in inner:
            for _, words in _included_problems(part, 1, target, (*including, target)):
                yield line, words


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
    files = [*sorted(Path(__file__).parent.glob("*.py")), _ROADMAP]
    versions = [version(name).encode() for name in ("markdown-it-py", "mdit-py-plugins", "PyYAML")]
    return hashlib.sha256(b"".join([*versions, *(file.read_bytes() for file in files)])).hexdigest()


#: What is wrong with a page: the line and words.
Problem = tuple[int, str]


def _not_parsed(error: Exception) -> str:
    """What to say of a text that makes the parser of Markdown itself fail."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return f"the Markdown cannot be parsed ({words:.200}); halve the text until you find what it is"


def _page(name: str, text: str) -> Page:
    problems: list[Problem] = []
    try:
        blocks = read_blocks(text)
    except Exception as error:  # a parser is not proof against every text
        return Page(name, Path(), {}, (), ((1, _not_parsed(error)),))
    front, lines = _front(text, blocks, problems)
    if not lines and text.lstrip().startswith("---"):  # where the cells begin is not known
        return Page(name, Path(), front, (), tuple(problems))
    cells = tuple(_cells(text, blocks, problems))
    page = Page(name, Path(), front, cells, ())
    problems += _front_problems(page, lines)
    problems += _code_problems(page)
    problems += (found for cell in cells for block in cell.blocks for found in _prose_problems(block, cell.line))
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


def _front_problems(page: Page, lines: dict[str, int]) -> Iterator[Problem]:
    """What in the front matter breaks the contract of a page, though each value fits."""
    if not lines:
        return  # it could not be read, and that is told
    if "roadmap" not in lines:
        yield 1, "front matter lacks 'roadmap', the list of roadmap ids that the page serves"
    for identifier in page.roadmap:
        if identifier not in roadmap():
            near = schema.nearest(identifier, roadmap())
            yield lines["roadmap"], f"roadmap id '{identifier}' does not exist in roadmap.toml{near}"
    if "description" not in lines:
        yield 1, "front matter lacks 'description', one sentence for search engines"
    if page.runs and not page.backends:
        yield lines.get("unsupported", 1), "'unsupported' leaves no backend to run the page on; leave one out of it"


def _code_problems(page: Page) -> Iterator[Problem]:
    """What in the code cells breaks the contract of a page."""
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
    recorded: dict[str, int] = {}
    for cell in code:
        where = f"cell {cell.number}"
        if words := schema.syntax_error(cell.source):
            yield cell.line, f"{where}: {words}"
        if page.backends and not any(map(cell.runs_on, page.backends)):
            yield cell.line, f"{where}: runs nowhere, because the page is unsupported on all of its 'backends'"
        for tag in cell.tags:
            if tag not in TAGS and (near := schema.nearest(tag, TAGS)):
                yield cell.line, f"{where}: unknown tag '{tag}'{near}"
        for name in cell.metadata.get("parity", ()):
            if name in recorded:
                yield cell.line, f"{where}: '{name}' is recorded by cell {recorded[name]} too; give one another name"
            recorded.setdefault(name, cell.number)


#: What a block's language, or the argument of a directive for code, is called where it is Python.
PYTHON = {"python", "python2", "python3", "py", "py2", "py3", "pyi", "ipython", "ipython2", "ipython3", "pycon",
          "python-console", "doctest", "sage", "numpy"}  # fmt: skip
_CODE = {"code", "code-block", "sourcecode", "highlight", "python", "ipython", "doctest", "testcode", "testsetup"}
_NOT_EXECUTED = "a Python block that is not executed: make it a code-cell at the top level"
#: What no label says, and is Python all the same.
_LOOKS_LIKE_PYTHON = re.compile(r"^(>>> |import \w|from [\w.]+ import |def \w+\(|class \w+[(:]|@\w+)", re.MULTILINE)
_RST_CODE = re.compile(r"\.\. (code|code-block|sourcecode|highlight|literalinclude|include|doctest)::|>>> |::\s*$")


def _prose_problems(outer: Block, before: int) -> Iterator[Problem]:
    """Python that no build executes, and directives of ours that are wrong, in a block behind so many lines."""
    for block in outer.walk():
        line = before + block.line
        if not block.closed:
            yield line, f"the block that {block.fence} opens here is not closed; end it with a line {block.fence}"
        if block.deep:
            yield line, f"directives stand in one another more than {DEEPEST} deep; write them side by side"
        yield from ((line, words) for words in _unexecuted(block))
        if block.kind == "directive" and block.name in schema.DIRECTIVES:
            yield from _directive_problems(block, before)


def _unexecuted(block: Block) -> Iterator[str]:
    """Why a block holds Python that no build executes."""
    language = (block.name if block.kind == "code" else block.argument).split(",")[0].strip("{}.").casefold()
    if block.kind == "code":
        if language in PYTHON or (not language and _LOOKS_LIKE_PYTHON.search(block.body)):
            yield _NOT_EXECUTED
        elif language == "code-cell":
            yield "a code-cell is opened with ```{code-cell} ipython3; else it is not executed"
    elif block.kind != "directive":
        return
    elif block.name == "code-cell":
        yield "a code-cell inside another block is not executed: a passage holds no cells, and it opens with backticks"
    elif schema.nearest(block.name.replace("_", "-"), ["code-cell"]) and block.name not in _CODE:
        yield f"'{{{block.name}}}' is not executed; did you mean '{{code-cell}}'?"
    elif block.name.strip(".").casefold() in PYTHON or (block.name in _CODE and language in PYTHON):
        yield _NOT_EXECUTED
    elif block.name in _CODE and not language and _LOOKS_LIKE_PYTHON.search(block.body):
        yield _NOT_EXECUTED
    elif block.name in ("literalinclude", "include") and _is_python(block):
        yield f"{{{block.name}}} shows Python that is not executed: make it a code-cell at the top level"
    elif block.name == "eval-rst" and (row := _RST_CODE.search(block.body)):
        yield f"'{row[0].strip()}' in {{eval-rst}} may show Python that is not executed: write it as MyST"


def _is_python(block: Block) -> bool:
    languages = {block.options.get(name, "").casefold() for name in ("language", "code")}
    return bool(languages & PYTHON) or block.argument.casefold().endswith((".py", ".pyi", ".ipynb"))


def _directive_problems(block: Block, before: int) -> Iterator[Problem]:
    """What does not fit the schema in a directive of ours."""
    line, told = before + block.line, schema.DIRECTIVES[block.name]
    words = block.argument.split()
    if told.argument and not words:
        yield line, f"{{{block.name}}} lacks its argument; name what it is for behind it"
    if told.word:
        for word in words:
            yield from ((line, fault.words) for fault in told.word.faults(word, (f"{{{block.name}}}",)))
    if told.options:
        names = [row.partition(":")[0].strip() for row in block.head.split("\n") if row.strip()]
        for fault in told.options.faults(block.options, ()):
            yield before + block.head_line, f"{{{block.name}}}: {fault.words}"
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield before + block.head_line, f"{{{block.name}}}: the option '{name}' stands here twice; keep one"


@functools.cache
def roadmap() -> dict[str, dict[str, str]]:
    """The promises of the site, by id, from ``roadmap.toml`` beside this file."""
    import tomllib

    return tomllib.loads(_ROADMAP.read_text(encoding="utf-8"))
