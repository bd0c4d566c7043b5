"""MyST as blocks: what a text is made of, as MyST's own parser finds it. All that reads a page's Markdown asks here."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.ruler import RuleOptionsType
    from markdown_it.token import Token

    from mithril_docs.page import Cell, Page

#: Directives whose body is no Markdown.
LITERAL = {
    "button-link", "button-ref", "code", "code-block", "code-cell", "csv-table", "error", "eval-rst", "highlight",
    "image", "include", "index", "literalinclude", "math", "parsed-literal", "raw", "raw-cell", "sourcecode", "toctree",
    "unreachable",
}  # fmt: skip
#: Directives may stand in one another this deep.
DEEPEST = 20


@dataclasses.dataclass(frozen=True)
class Block:
    """A part of a text that is more than words.

    Attributes
    ----------
    kind
        ``directive``, ``code``, ``heading``, or markdown-it's own name for what is none of these.
    name
        The directive, the language of code as it is written, the words of a heading.
    line, end
        Its first line in the text, from 0, and the line behind its last.
    argument, head, body
        What stands behind the name, the options as one YAML text, and the rest.
    head_line, body_line
        The lines on which these begin.
    fence
        What opens it, such as a row of backticks.
    level
        In how many lists, quotes and the like it stands; 0 at the margin.
    closed
        Whether its end is there.
    deep
        Whether more stands in it than is read.
    blocks
        What is in its body, where that is Markdown.
    """

    kind: str
    name: str
    line: int
    end: int
    argument: str = ""
    head: str = ""
    body: str = ""
    head_line: int = 0
    body_line: int = 0
    fence: str = ""
    level: int = 0
    closed: bool = True
    deep: bool = False
    blocks: tuple[Block, ...] = ()

    @property
    def is_cell(self) -> bool:
        """Whether notebooks take it for a code cell."""
        return self.level == 0 and self.name == "code-cell" and self.kind == "directive" and self.fence[0] in "`~"

    @property
    def options(self) -> dict[str, str]:
        """The options as they are written, a line each."""
        rows = (row.partition(":") for row in self.head.split("\n") if row.strip())
        return {name.strip(): value.strip() for name, _, value in rows}

    def walk(self) -> Iterator[Block]:
        """It and all that is in it."""
        yield self
        for block in self.blocks:
            yield from block.walk()


def new_parser() -> MarkdownIt:
    """A parser like the one that MyST makes for this site; see ``myst_enable_extensions`` in ``conf.py``."""
    # Imported here: pages that are known need none of it.
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import make_fence_rule
    from mdit_py_plugins.deflist import deflist_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.field_list import fieldlist_plugin
    from mdit_py_plugins.footnote import footnote_plugin
    from mdit_py_plugins.front_matter import front_matter_plugin
    from mdit_py_plugins.myst_blocks import myst_block_plugin
    from mdit_py_plugins.myst_role import myst_role_plugin

    made = MarkdownIt("commonmark").enable("table")
    for plugin in (front_matter_plugin, myst_block_plugin, myst_role_plugin, dollarmath_plugin):
        made.use(plugin)
    made.use(footnote_plugin, inline=False, move_to_end=False, always_match_refs=True)
    colons = make_fence_rule(markers=(":",), token_type="colon_fence")
    ends: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list", "footnote_def"]}
    made.block.ruler.before("fence", "colon_fence", colons, ends)
    return made.use(deflist_plugin).use(fieldlist_plugin)


@functools.cache
def _outline() -> MarkdownIt:
    """The parser, for blocks alone."""
    return new_parser().disable("inline", True)


def read_blocks(text: str, deep: int = 0) -> tuple[Block, ...]:
    """The blocks of a text, in order: those in lists and quotes too, those in directives inside them.

    Lines are those between line feeds. Paragraphs and what else is words alone is no block.
    """
    rows = text.split("\n")
    found = []
    tokens = _outline().parse(f"{text}\n")
    for place, token in enumerate(tokens):
        if token.map is None:
            continue
        if token.type in ("fence", "colon_fence"):
            found.append(_fenced(token, rows, deep))
        elif token.type == "code_block":
            found.append(_made("code", "", token, body=token.content, body_line=token.map[0]))
        elif token.type == "heading_open":
            found.append(_made("heading", tokens[place + 1].content, token, fence=token.tag))
        elif token.type in ("front_matter", "html_block", "myst_block_break", "myst_line_comment", "myst_target"):
            found.append(_made(token.type, "", token, body=token.content, body_line=token.map[0] + 1))
    return tuple(found)


def split_front(text: str) -> tuple[str, str]:
    """The front matter of a text with its lines of dashes, empty where there is none, and the rest."""
    head = next((block for block in read_blocks(text) if block.kind == "front_matter"), None)
    rows = text.split("\n")
    end = head.end if head else 0
    return "".join(f"{row}\n" for row in rows[:end]), "\n".join(rows[end:])


def _made(kind: str, name: str, token: Token, **more: Any) -> Block:
    assert token.map is not None
    return Block(kind, name, token.map[0], token.map[1], level=token.level, **more)


def _fenced(token: Token, rows: list[str], deep: int) -> Block:
    assert token.map is not None
    first, end = token.map
    words = token.info.split(maxsplit=1) or [""]
    argument = words[1].strip() if len(words) > 1 else ""
    last = rows[end - 1].strip(" \t>") if first < end - 1 < len(rows) else ""
    closed = len(last) >= len(token.markup) and not last.strip(token.markup[0])
    name = words[0][1:-1] if words[0][:1] == "{" and words[0][-1:] == "}" else ""
    shared: dict[str, Any] = {"argument": argument, "fence": token.markup, "closed": closed}
    if not name and token.type == "fence":
        return _made("code", words[0], token, body=token.content, body_line=first + 1, **shared)
    head = _split_options(token.content) if name else _Head("", 0, 0)
    body = "\n".join(token.content.split("\n")[head.before :])
    inner: tuple[Block, ...] = ()
    if name not in LITERAL and deep < DEEPEST:
        inner = tuple(moved(block, first + 1 + head.before) for block in read_blocks(body, deep + 1))
    shared |= {"head_line": first + 1 + head.line, "body_line": first + 1 + head.before}
    return _made("directive", name, token, head=head.text, body=body, blocks=inner, deep=deep >= DEEPEST, **shared)


class _Head(NamedTuple):
    """The options at the head of a directive: their text, its first line, and how many lines stand before the body."""

    text: str
    line: int
    before: int


def _split_options(content: str) -> _Head:
    rows = content.split("\n")
    if content.startswith("---"):
        end = next((n for n, row in enumerate(rows[1:], 1) if row.startswith("---")), len(rows) - 1)
        return _with_blank(rows, _Head("\n".join(rows[1:end]), 1, end + 1))
    count = 0
    while count < len(rows) and rows[count].lstrip().startswith(":") and not rows[count].lstrip().startswith(":::"):
        count += 1
    return _with_blank(rows, _Head("\n".join(row.lstrip()[1:] for row in rows[:count]), 0, count))


def _with_blank(rows: list[str], head: _Head) -> _Head:
    """Count a blank line before the body as one of those before it."""
    blank = head.before < len(rows) - 1 and not rows[head.before].strip()
    return head._replace(before=head.before + blank)


def moved(block: Block, lines: int) -> Block:
    """A block as it stands in a text that has lines before it."""
    inner = tuple(moved(inside, lines) for inside in block.blocks)
    places = {name: getattr(block, name) + lines for name in ("line", "end", "head_line", "body_line")}
    return dataclasses.replace(block, blocks=inner, **places)


def rows_of_words(text: str) -> list[tuple[int, int]]:
    """The lines of each paragraph, heading and row of a table: the first, and the one behind the last."""
    found = {tuple(token.map) for token in _outline().parse(f"{text}\n") if token.type == "inline" and token.map}
    return sorted(found)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Span:
    """A role, a link or code within a line: markdown-it's name of it, and where in the text it begins and ends."""

    kind: str
    start: int
    end: int


_SPANS = {"backticks": "code", "myst_role": "role", "link": "link", "image": "image"}


@functools.cache
def _lines_parser() -> tuple[MarkdownIt, list[Span]]:
    """The parser, with a list that its rules for what stands in a line add to."""
    made = new_parser()
    found: list[Span] = []

    def noting(rule, kind):  # type: ignore[no-untyped-def]
        def noted(state, silent):  # type: ignore[no-untyped-def]
            start, source = state.pos, state.src
            matched = rule(state, silent)
            if matched and not silent and source[start : state.pos]:
                found.append(Span(kind, start, state.pos))
            return matched

        return noted

    rules = {rule.name: rule.fn for rule in made.inline.ruler.__rules__}
    for name, kind in _SPANS.items():
        made.inline.ruler.at(name, noting(rules[name], kind))
    return made, found


def spans(text: str) -> list[Span]:
    """The roles, links and code within lines, the outer before the inner ones."""
    made, found = _lines_parser()
    found.clear()
    made.parseInline(text)
    return sorted(found, key=lambda span: (span.start, -span.end))


_ROLE = re.compile(r"\{([^{}\s]+)\}(`+)(.*)\2", re.DOTALL)


def role(text: str) -> tuple[str, str]:
    """The name and the content of a role as it is written."""
    found = _ROLE.fullmatch(text)
    assert found is not None
    return found[1], found[3]


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
    """The entries that a page makes with a directive, in order; one without an argument is none."""
    title = ""
    found: list[tuple[Block, int, str]] = []
    cells: list[list[Cell]] = []
    for cell in page.cells:
        if cell.code and cells:
            cells[-1].append(cell)
        for block in (block for outer in cell.blocks for block in outer.walk()):
            if block.kind == "heading":
                title = block.name
            elif block.kind == "directive" and block.name == directive and block.argument:
                found.append((block, cell.line + block.line, title))
                cells.append([])
    for (block, line, title), own in zip(found, cells, strict=True):
        yield Entry(block.argument, block.options, block.body.strip("\n"), line, title, tuple(own))
