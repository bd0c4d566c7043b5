"""A page's resolved tree as plain Markdown, for readers without a browser: assistants, search tools, archives.

A tree is read once, whatever the number of backends: what holds no variants is written once and used again.
"""

from __future__ import annotations

import itertools
import posixpath
import re
import textwrap
from collections.abc import Iterable
from functools import singledispatchmethod

from docutils import nodes
from sphinx import addnodes
from sphinx_design.dropdown import dropdown_main, dropdown_title

from mithril_docs.site import private
from mithril_docs.site.panes import PageHead, Pane
from mithril_docs.site.pictures import Picture

#: What Pygments calls a language, and what a fence calls it; others keep their name.
LANGUAGES = {"ipython3": "python", "ipythontb": "text", "myst-ansi": "text", "default": "text", "none": "text"}
#: What has no words: Sphinx's own notes, and what a page shows in another way.
SILENT = (
    nodes.comment,
    nodes.meta,
    nodes.substitution_definition,
    nodes.system_message,
    addnodes.index,
    addnodes.tabular_col_spec,
    addnodes.toctree,
    PageHead,
)

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SPACE = re.compile(r"\s+")
#: What Markdown would take for markup: these anywhere, an underscore at the edge of a word, and what looks like a tag.
_MARKUP = re.compile(r"[\\`*\[\]]|(?<![^\W_])_|_(?![^\W_])|<(?=[\w/!])")
_LABEL = re.compile(r'aria-label="([^"]*)"')
_DRAWN = re.compile(r"<text[^>]*>([^<]*)</text>")


class Writer:
    """Writes a page for one backend after the other.

    Parameters
    ----------
    document
        The page's tree as the HTML builder wrote it.
    docname
        The page.
    pages
        All pages that have a Markdown file.
    images
        The file of each picture under ``_images``, by its address in the tree.
    """

    def __init__(self, document: nodes.document, docname: str, pages: Iterable[str], images: dict[str, str]) -> None:
        self._document = document
        self._folder = posixpath.dirname(docname)
        self._pages = set(pages)
        self._images = images
        self._backend = ""
        self._level = 0
        self._fields = 0  # how many fields of a signature stand around
        self._written: dict[int, str] = {}
        #: Elements that hold variants, by identity: what they come to depends on the backend.
        self._vary: set[int] = set()
        for pane in document.findall(Pane):
            node: nodes.Element | None = pane.parent
            while node is not None and id(node) not in self._vary:
                self._vary.add(id(node))
                node = node.parent

    def text(self, backend: str) -> str:
        """The page as the reader of a backend sees it."""
        self._backend = backend
        return self._blocks(self._document.children) + "\n"

    # Blocks: each comes to lines without an empty one before or behind.

    def _blocks(self, children: Iterable[nodes.Node]) -> str:
        """The blocks that have words, with an empty line between each two."""
        return "\n\n".join(filter(None, map(self._block_once, children)))

    def _block_once(self, node: nodes.Node) -> str:
        if isinstance(node, Pane) and self._backend not in node["backends"]:
            return ""
        if id(node) in self._vary:
            return self._block(node)
        if id(node) not in self._written:
            self._written[id(node)] = self._block(node)
        return self._written[id(node)]

    @singledispatchmethod
    def _block(self, node: nodes.Node) -> str:
        if isinstance(node, SILENT):
            return ""
        if isinstance(node, nodes.TextElement | nodes.Text | nodes.Inline):
            return self._inline(node).strip()
        return self._blocks(node.children)

    @_block.register
    def _(self, node: nodes.section) -> str:
        self._level += 1
        made = self._blocks(node.children)
        self._level -= 1
        return made

    @_block.register
    def _(self, node: nodes.title) -> str:
        return f"{'#' * self._level} {self._line(node)}" if self._level else f"**{self._line(node)}**"

    @_block.register
    def _(self, node: nodes.rubric) -> str:
        return f"**{self._line(node)}**"

    @_block.register
    def _(self, node: Picture) -> str:
        return f"*Picture: {self._inline(nodes.Text(node['alt']))}*" if node["alt"] else ""

    @_block.register
    def _(self, node: dropdown_main) -> str:
        """What opens on a click, with all that is in it, as an item of a list."""
        titles = [self._line(child) for child in node.children if isinstance(child, dropdown_title)]
        own = [child for child in node.children if not isinstance(child, dropdown_title)]
        return _item("- ", f"**{' '.join(titles)}**\n\n{self._blocks(own)}")

    @_block.register
    def _(self, node: nodes.container) -> str:
        made = self._blocks(node.children)
        # Where a page has one view, its outputs have no label.
        if made and private.OUTPUT_CLASS in node["classes"] and not _label(node):
            return f"Output:\n\n{made}"
        return made

    @_block.register
    def _(self, node: nodes.paragraph) -> str:
        if "mb-label" in node["classes"]:
            return "Output:" if "mb-same" in node["classes"] else f"Output on {node.astext()}:"
        if "mb-caption" in node["classes"]:
            return f"**{self._line(node)}**"
        return self._line(node)

    @_block.register
    def _(self, node: nodes.literal_block) -> str:
        language = node.get("language", "text")
        return _fenced(_ANSI.sub("", node.astext()), LANGUAGES.get(language, language))

    @_block.register
    def _(self, node: nodes.doctest_block) -> str:
        return _fenced(node.astext(), "pycon")

    @_block.register
    def _(self, node: nodes.math_block) -> str:
        return f"$$\n{node.astext().strip()}\n$$"

    @_block.register
    def _(self, node: nodes.transition) -> str:
        return "---"

    @_block.register
    def _(self, node: nodes.block_quote) -> str:
        return _quoted(self._blocks(node.children))

    @_block.register(nodes.Admonition)
    def _(self, node: nodes.Element) -> str:
        own = [child for child in node.children if not isinstance(child, nodes.title)]
        titles = [self._line(child) for child in node.children if isinstance(child, nodes.title)]
        title = "".join(titles) or type(node).__name__.capitalize()
        return _quoted(f"**{title}**\n\n{self._blocks(own)}")

    @_block.register
    def _(self, node: nodes.bullet_list) -> str:
        return "\n".join(_item("- ", self._blocks(item.children)) for item in node.children)

    @_block.register
    def _(self, node: nodes.enumerated_list) -> str:
        numbers = range(node.get("start", 1), node.get("start", 1) + len(node))
        rows = zip(numbers, node.children, strict=True)
        return "\n".join(_item(f"{number}. ", self._blocks(item.children)) for number, item in rows)

    @_block.register
    def _(self, node: nodes.definition_list_item) -> str:
        terms = [self._line(child) for child in node.children if isinstance(child, nodes.term)]
        meaning = self._blocks(child for child in node.children if isinstance(child, nodes.definition))
        return _item("- ", f"**{', '.join(terms)}**: {meaning}")

    @_block.register
    def _(self, node: nodes.definition_list) -> str:
        return "\n".join(self._block_once(item) for item in node.children)

    @_block.register
    def _(self, node: nodes.field_list) -> str:
        return "\n".join(self._block_once(field) for field in node.children)

    @_block.register
    def _(self, node: nodes.field) -> str:
        name, body = node.children
        self._fields += 1
        made = _types(self._blocks(body.children))
        self._fields -= 1
        between = "\n\n" if made.startswith(("- ", "```")) else " "
        return _item("- ", f"**{self._line(name)}:**{between}{made}".rstrip())

    @_block.register
    def _(self, node: addnodes.desc) -> str:
        self._level += 1
        made = self._blocks(node.children)
        self._level -= 1
        return made

    @_block.register
    def _(self, node: addnodes.desc_signature) -> str:
        return f"{'#' * self._level} {_code(node.astext())}"

    @_block.register
    def _(self, node: nodes.table) -> str:
        rows = [[self._cell(entry) for entry in row.children] for row in node.findall(nodes.row)]
        if not any(True for _ in node.findall(nodes.thead)):
            rows.insert(0, [""] * len(rows[0]))
        rows.insert(1, ["---"] * len(rows[0]))
        titles = [self._block(child) for child in node.children if isinstance(child, nodes.title)]
        return "\n\n".join([*titles, "\n".join(f"| {' | '.join(row)} |" for row in rows)])

    def _cell(self, entry: nodes.Node) -> str:
        return _SPACE.sub(" ", self._blocks(entry.children)).replace("|", "\\|")

    @_block.register
    def _(self, node: nodes.target) -> str:
        names = [node["refid"]] if "refid" in node else node["ids"]
        return "".join(f'<a id="{name}"></a>' for name in names)

    @_block.register
    def _(self, node: nodes.raw) -> str:
        """A drawn picture: its label, and the words in it. What else is raw is for browsers alone."""
        drawn, label = node.astext(), _LABEL.search(node.astext().partition("<svg")[2])
        return f"*{label[1]}: {', '.join(_DRAWN.findall(drawn))}.*" if label else ""

    # What stands in a line.

    def _line(self, node: nodes.Node) -> str:
        """The words of an element, in one line."""
        return _SPACE.sub(" ", self._words(node)).strip()

    def _words(self, node: nodes.Node) -> str:
        parts: list[str] = []
        for cut, group in itertools.groupby(node.children, _is_of_type):
            some = list(group)
            parts += [_code("".join(child.astext() for child in some))] if cut else map(self._inline, some)
        return "".join(parts)

    @singledispatchmethod
    def _inline(self, node: nodes.Node) -> str:
        if isinstance(node, (*SILENT, nodes.raw, nodes.target)):
            return ""
        return self._words(node)

    @_inline.register
    def _(self, node: nodes.Text) -> str:
        return _MARKUP.sub(r"\\\g<0>", node.astext())

    @_inline.register
    def _(self, node: nodes.emphasis) -> str:
        return _around("*", self._words(node))

    @_inline.register(nodes.strong)
    @_inline.register(addnodes.literal_strong)
    def _(self, node: nodes.Element) -> str:
        return _around("**", self._words(node))

    @_inline.register
    def _(self, node: nodes.literal) -> str:
        return _code(node.astext())

    @_inline.register
    def _(self, node: nodes.math) -> str:
        return f"${node.astext()}$"

    @_inline.register
    def _(self, node: nodes.image) -> str:
        file = self._images.get(node["uri"])
        address = self._file(f"_images/{file}") if file else node["uri"]
        return f"![{self._inline(nodes.Text(node.get('alt', '')))}]({address})"

    @_inline.register
    def _(self, node: nodes.reference) -> str:
        words = self._words(node)
        # A picture that is shown smaller leads to itself; and most types of a signature lead to other projects.
        if not words or self._fields or isinstance(node.children[0], nodes.image):
            return words
        return f"[{words}]({self._address(node['refuri']) if 'refuri' in node else '#' + node['refid']})"

    def _file(self, path: str) -> str:
        """A file of the site, seen from the page."""
        return posixpath.relpath(path, self._folder or ".")

    def _address(self, address: str) -> str:
        """Where a link leads: to the Markdown of a page of this site."""
        path, mark, place = address.partition("#")
        page = posixpath.normpath(posixpath.join(self._folder, path)).removesuffix(".html")
        if path.endswith(".html") and page in self._pages:
            path = path.removesuffix(".html") + ".md"
        return path + mark + place


def _is_of_type(node: nodes.Node) -> bool:
    """Whether a node is a part of a type: Sphinx cuts ``list[int] | None`` into its words, some of them links."""
    inside = bool(node.children) and all(map(_is_of_type, node.children))
    return isinstance(node, addnodes.literal_emphasis) or inside


def _label(output: nodes.Element) -> bool:
    return any("mb-label" in child["classes"] for child in output.children if isinstance(child, nodes.Element))


def _item(mark: str, text: str) -> str:
    """A block as an item of a list."""
    return mark + textwrap.indent(text, " " * len(mark))[len(mark) :]


def _quoted(text: str) -> str:
    return "\n".join(f"> {row}".rstrip() for row in text.splitlines())


def _fenced(text: str, language: str) -> str:
    """Text in a fence that is longer than any within it."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`{3,}", text)), 0)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _code(text: str) -> str:
    """Words as code within a line; one with backticks in it needs more of them around it."""
    text = _SPACE.sub(" ", text)
    marks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    edge = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{marks}{edge}{text}{edge}{marks}"


def _types(text: str) -> str:
    """Types whose words are code one by one, each as one piece of code: ``list[int] | None``."""
    text = text.replace("`\\[`", "[").replace("` | `", " | ")
    while "`\\]" in text:
        text = text.replace("`\\]", "]`")
    return text.replace("` | `", " | ").replace("`, `", ", ")


def _around(mark: str, words: str) -> str:
    """Words in marks of emphasis, which must stand beside a letter."""
    inner = words.strip()
    return words.replace(inner, f"{mark}{inner}{mark}", 1) if inner else words
