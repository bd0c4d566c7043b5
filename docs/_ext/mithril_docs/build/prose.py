"""A page's prose for any Jupyter: passages of other backends left out, directives and roles made plain Markdown."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from mithril_docs.blocks import DEEPEST, Block, read_blocks, role, rows_of_words, spans
from mithril_docs.build.measured import NOT_MEASURED, Figures, phrase
from mithril_docs.text import read_text

#: Directives that a notebook has no use for, with all that is in them.
LEFT_OUT = {
    "literalinclude",  # of a file that the notebook writes
    "toctree",
    "verification",
    "index",
    "button-ref",
    "facts",
    "measured",
    "gpu",
    "ran",
    "raw",
    "eval-rst",
    "matrix",
    "model",
}
#: Directives of which only the content counts; a div has no name.
PLAIN = {"backends", "install", "div", "tab-set", "tab-item", ""}
#: Directives that show text as it is.
SHOWN = {"code", "code-block", "sourcecode", "error", "parsed-literal", "unreachable"}
#: Of these the argument is a language, and no words.
CODE = {"code", "code-block", "sourcecode"}

_FIELD = re.compile(r"^:([^:]+):[ ]*", re.MULTILINE)
_ADDRESS = re.compile(r"[a-z][a-z+.-]*:", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Reader:
    """Who reads prose: a backend's reader, with the line that installs it and the figures of the build.

    ``folder`` is where the files that the prose includes are looked for; without one it includes none.
    """

    backend: str
    install: str
    figures: Figures
    folder: Path | None = None

    def prose(self, text: str) -> str:
        """Prose as this reader sees it."""
        rows = text.split("\n")
        made: list[str] = []
        done = 0
        for block in read_blocks(text, DEEPEST):  # what is in them is read when its turn comes
            if block.line < done or block.kind in ("heading", "html_block", "front_matter", "myst_block_break"):
                continue
            made += self._words(rows[done : block.line])
            made += self._block(block, rows[block.line : block.end])
            done = block.end
        return "\n".join([*made, *self._words(rows[done:])]).strip("\n")

    def _block(self, block: Block, rows: list[str]) -> list[str]:
        if block.kind == "code":
            return rows
        if block.kind != "directive":
            return []  # a comment or a target
        first = rows[0].partition(block.fence)[0]
        made = self._directive(block, rows)
        # What stands before it in a list or a quote stands before each of its lines.
        following = re.sub(r"[^>\s]", " ", first)
        return [f"{following if place else first}{row}".rstrip() for place, row in enumerate(made)]

    def _directive(self, block: Block, rows: list[str]) -> list[str]:
        name, words = block.name, block.argument.split()
        if name in LEFT_OUT or (name == "backends" and self.backend not in words):
            return []
        if name == "install":
            return ["```shell", self.install, "```"] if words in ([], [self.backend]) else []
        if name == "math":
            return ["$$", *_rows(block.body), "$$"]
        if name == "options":
            return self.prose(_FIELD.sub(_item, "\n".join(rows[1:-1]))).split("\n")
        if name == "include":
            return self._included(block.argument)
        if name in PLAIN:
            return self.prose(block.body).split("\n")
        inner = ["```" + (block.argument if name in CODE else "text"), *_rows(block.body), "```"]
        if name in CODE:
            return inner
        title = self._line(block.argument) or name.capitalize()
        shown = inner if name in SHOWN else self.prose(block.body).split("\n")
        return [f"> **{title}**", *([">", *(f"> {row}".rstrip() for row in shown)] if any(shown) else [])]

    def _included(self, name: str) -> list[str]:
        if self.folder is None:
            return []
        path = self.folder / name
        return dataclasses.replace(self, folder=path.parent).prose(read_text(path)).split("\n")

    def _words(self, rows: list[str]) -> list[str]:
        """Rows without directives."""
        made = list(rows)
        for first, end in reversed(rows_of_words("\n".join(rows))):
            made[first:end] = self._line("\n".join(rows[first:end])).split("\n")
        return made

    def _line(self, text: str) -> str:
        """Words with roles as what they say, and links as their words where they lead nowhere from here."""
        made, done = [], 0
        for span in spans(text):
            if span.start < done:
                continue
            made += [text[done : span.start], self._span(span.kind, text[span.start : span.end])]
            done = span.end
        return "".join([*made, text[done:]])

    def _span(self, kind: str, text: str) -> str:
        if kind == "role":
            name, content = role(text)
            if name == "measured":
                return self._figure(content)
            return re.sub(r"\s*<[^<>]*>$", "", content) or content
        if kind == "link" and "](" in text:
            words, _, target = text[1:-1].rpartition("](")
            if not _ADDRESS.match(target):
                return self._line(words) or re.sub(r".*/|\.md|^#", "", target)
            return f"[{self._line(words)}]({target})"
        return text

    def _figure(self, words: str) -> str:
        try:
            return phrase(words, self.figures)
        except ValueError:  # the page itself says so
            return NOT_MEASURED


def _item(field: re.Match[str]) -> str:
    """The head of an argument's field as that of an item of a list."""
    kind, _, name = field[1].rpartition(" ")
    return f"- `{name}`{kind and f' ({kind})'}: "


def _rows(body: str) -> list[str]:
    return body.removesuffix("\n").split("\n")
