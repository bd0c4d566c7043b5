"""What a page promises, beyond that each name fits its type: what breaks it is a line each."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mithril_docs import schema
from mithril_docs.backends import WRITTEN_CLASS
from mithril_docs.blocks import DEEPEST, Block, read_blocks
from mithril_docs.groups import group_of
from mithril_docs.swap import backend_classes
from mithril_docs.text import CannotReadError, read_text

if TYPE_CHECKING:
    from mithril_docs.page import Page

#: The promises of the site.
ROADMAP = Path(__file__).with_name("roadmap.toml")
#: Tags with a meaning here: one that is nearly one of them is a misspelling.
TAGS = ("backend", "timing", "together", "site", "edge")
#: What is wrong with a page: the line and words.
Problem = tuple[int, str]


@functools.cache
def roadmap() -> dict[str, dict[str, str]]:
    """The promises of the site, by id, from ``roadmap.toml`` beside this file."""
    import tomllib

    return tomllib.loads(ROADMAP.read_text(encoding="utf-8"))


def front_problems(page: Page, lines: dict[str, int]) -> Iterator[Problem]:
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


def code_problems(page: Page) -> Iterator[Problem]:
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


def package_problems(page: Page) -> Iterator[Problem]:
    """Where a page imports what belongs to a group of packages that it does not name."""
    told = set(page.groups)
    for cell in page.cells:
        for module in sorted(cell.imported) if cell.code else ():
            group = group_of(module)
            if group and group not in told:
                told.add(group)
                words = f"'{module}' belongs to the packages of the group '{group}'"
                yield cell.line, f"cell {cell.number}: {words}; add 'groups: [{group}]' to the front matter"


#: What a block's language, or the argument of a directive for code, is called where it is Python.
PYTHON = {"python", "python2", "python3", "py", "py2", "py3", "pyi", "ipython", "ipython2", "ipython3", "pycon",
          "python-console", "doctest", "sage", "numpy", "testcode", "testsetup"}  # fmt: skip
_CODE = {"code", "code-block", "sourcecode", "highlight", "parsed-literal"}
_NOT_EXECUTED = "a Python block that is not executed: make it a code-cell at the top level"
#: What no label says, and is Python all the same.
_LOOKS_LIKE_PYTHON = re.compile(r"^(>>> |import \w|from [\w.]+ import |def \w+\(|class \w+[(:]|@\w+)", re.MULTILINE)
_RST_CODE = re.compile(
    r"\.\. (code|code-block|sourcecode|highlight|literalinclude|include|doctest|parsed-literal)::|>>> |[^:\s]*::[ ]*$",
    re.MULTILINE,
)


def prose_problems(outer: Block, before: int) -> Iterator[Problem]:
    """Python that no build executes, and directives of ours that are wrong, in a block behind so many lines."""
    told = -1  # the last line of a block that is not closed: those in it need not be told of
    for block in outer.walk():
        line = before + block.line
        if not block.closed and block.line > told:
            fence = block.fence if len(block.fence) < 10 else f"a row of {len(block.fence)} '{block.fence[0]}'"
            yield line, f"the block that {fence} opens here is not closed; end it with a line {fence}"
            told = block.end
        if block.deep:
            yield line, f"directives stand in one another more than {DEEPEST} deep; write them side by side"
        yield from ((line, words) for words in _unexecuted(block))
        if block.kind == "directive" and block.name in schema.DIRECTIVES:
            yield from _directive_problems(block, before)


def _unexecuted(block: Block) -> Iterator[str]:
    """Why a block holds Python that no build executes."""
    word = (block.name if block.kind == "code" else block.argument).split(",")[0]
    language = word.strip("{}.").casefold()
    shows_code = block.kind == "code" or (block.kind == "directive" and block.name in _CODE)
    if shows_code and (language in PYTHON or (not language and _LOOKS_LIKE_PYTHON.search(block.body))):
        yield _NOT_EXECUTED
    elif block.kind == "code" and language == "code-cell":
        yield "a code-cell is opened with ```{code-cell} ipython3; else it is not executed"
    elif block.kind != "directive" or shows_code:
        return
    elif block.name == "code-cell":
        yield "a code-cell inside another block is not executed: a passage holds no cells, and it opens with backticks"
    elif schema.nearest(block.name.replace("_", "-"), ["code-cell"]):
        yield f"'{{{block.name}}}' is not executed; did you mean '{{code-cell}}'?"
    elif block.name.strip(".").casefold() in PYTHON:
        yield _NOT_EXECUTED
    elif block.name == "include" and _is_python(block):
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


def file_problems(page: Page) -> Iterator[Problem]:
    """What is wrong with files that a page names."""
    names = page.front.get("files", ())
    project = page.path.resolve().parents[len(Path(page.name).parts)]  # the folder that holds that of the pages
    for name, path in zip(names, page.files, strict=True):
        if Path(name).is_absolute() or not path.resolve().is_relative_to(project):
            yield 1, f"file '{name}', named in 'files', must stand in the page's folder or elsewhere in this project"
        elif not path.is_file():
            yield 1, f"file '{name}', named in 'files', does not exist"
    if len(page.copies) < len(names):
        yield 1, "two of 'files' would be copied to one place; rename one"
    for cell in page.cells:
        for block in cell.blocks:
            yield from _included_problems(page, block, cell.line, page.path, (page.path.resolve(),))


def _shown_problems(page: Page, block: Block, path: Path) -> Iterator[str]:
    """What is wrong with a file that a block shows: Python is shown where the page has the file and uses it."""
    if block.kind != "directive" or block.name != "literalinclude" or not _is_python(block):
        return
    target = (path.parent / block.argument).resolve()
    used = any(target.stem in cell.source for cell in page.cells if cell.code)
    if not used or target not in (file.resolve() for file in page.files):
        yield "{literalinclude} shows Python that is not executed: name the file in 'files' and use it in a cell"


def _included_problems(
    page: Page, outer: Block, before: int, path: Path, including: tuple[Path, ...]
) -> Iterator[Problem]:
    """What is wrong with the files that a block includes, and that these include; at the line of the first of them."""
    for block in outer.walk():
        yield from ((before + block.line, words) for words in _shown_problems(page, block, path))
        if block.kind != "directive" or block.name != "include" or not block.argument:
            continue
        target = (path.parent / block.argument).resolve()
        line, name = before + block.line, block.argument
        if target in including:
            yield line, f"'{name}' includes itself; take one {{include}} out"
            continue
        try:
            inner = read_blocks(read_text(target))
        except CannotReadError as error:
            yield line, f"{{include}} of '{name}': {error}"
            continue
        except Exception as error:
            yield line, f"{{include}} of '{name}': {not_parsed(error)}"
            continue
        for found, words in (problem for part in inner for problem in prose_problems(part, 1)):
            yield line, f"{{include}} of '{name}', its line {found}: {words}"
        for part in inner:
            for _, words in _included_problems(page, part, 1, target, (*including, target)):
                yield line, words


def not_parsed(error: Exception) -> str:
    """What to say of a text that makes the parser of Markdown itself fail."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return f"the Markdown cannot be parsed ({words:.200}); halve the text until you find what it is"
