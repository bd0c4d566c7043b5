"""What a page may say beside its prose and code: each name and its type, declared once and checked once.

The front matter, the options of cells and the directives of this package. What does not fit is told as a
:class:`Fault`: its place, and words that say what is wrong and what to do.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from mithril_docs.backends import BACKENDS
from mithril_docs.groups import page_groups
from mithril_docs.strict_yaml import Path


class Fault(NamedTuple):
    """A value that does not fit: its place from the top, and what is wrong with it."""

    path: Path
    words: str


class Kind(Protocol):
    """A kind of value."""

    @property
    def words(self) -> str:
        """What it takes, behind "takes"."""

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        """What of a value does not fit."""


def fitting(value: Mapping[str, Any], faults: Iterable[Fault]) -> dict[str, Any]:
    """A mapping without the entries that have faults."""
    wrong = {fault.path[:1] for fault in faults}
    return {name: inner for name, inner in value.items() if (str(name),) not in wrong}


def nearest(name: object, known: Iterable[str]) -> str:
    """Words that ask whether another name was meant, where one is near."""
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _shown(value: Any) -> str:
    """A value as a person wrote it."""
    if value is None:
        return "nothing"
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) < 60 else f"{text[:56]} …"


def _unfit(kind: Kind, value: Any, path: Path) -> Fault:
    name = ": ".join(str(part) for part in path if isinstance(part, str))
    return Fault(path, f"'{name}' takes {kind.words}, not {_shown(value)}")


@dataclasses.dataclass(frozen=True)
class Text:
    """Words, with something in them unless they may be ``empty``."""

    words: str
    empty: bool = False

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, str) or not (value.strip() or self.empty):
            fault = _unfit(self, value, path)
            # What YAML makes of a bare word or number.
            quoted = isinstance(value, str) or value is None or isinstance(value, list | dict)
            yield fault if quoted else Fault(path, f"{fault.words}; put quotes around a text")


@dataclasses.dataclass(frozen=True)
class Flag:
    """True or false."""

    words: str = "true or false"

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, bool):
            yield _unfit(self, value, path)


@dataclasses.dataclass(frozen=True)
class Number:
    """A number within limits."""

    words: str
    least: float
    most: float
    whole: bool = False

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        number = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        if not number or not self.least <= value <= self.most:
            yield _unfit(self, value, path)


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of some words; ``of`` is what they are."""

    of: str
    names: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"one of {', '.join(self.names)}" if len(self.names) > 1 else f"'{self.names[0]}'"

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, str) or value not in self.names:
            where = ": ".join(str(part) for part in path if isinstance(part, str))
            name = _shown(value)
            near = nearest(value, self.names) or f"; there are {', '.join(self.names[:9])}"
            yield Fault(path, f"unknown {self.of} {name} in '{where}'{near}")


@dataclasses.dataclass(frozen=True)
class Either:
    """A value of one of two kinds."""

    first: Kind
    second: Kind

    @property
    def words(self) -> str:
        return f"{self.first.words}, or {self.second.words}"

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        if all(any(kind.faults(value, path)) for kind in (self.first, self.second)):
            yield _unfit(self, value, path)


@dataclasses.dataclass(frozen=True)
class Many:
    """A list of values of one kind, each once."""

    words: str
    kind: Kind
    empty: bool = True

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, list) or not (value or self.empty):
            yield _unfit(self, value, path)
            return
        for place, inner in enumerate(value):
            yield from self.kind.faults(inner, (*path, place))
            if inner in value[:place]:
                yield Fault((*path, place), f"'{path[-1]}' names {_shown(inner)} twice; keep one")


@dataclasses.dataclass(frozen=True)
class Named:
    """A mapping from names of one kind to values of another, as many as ``most``."""

    words: str
    names: Kind
    kind: Kind
    most: int = 1000

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, dict) or not 0 < len(value) <= self.most:
            yield _unfit(self, value, path)
            return
        for name, inner in value.items():
            inside = (*path, str(name))
            wrong = [Fault(inside, fault.words) for fault in self.names.faults(name, path)]
            yield from wrong or self.kind.faults(inner, inside)


@dataclasses.dataclass(frozen=True)
class Table:
    """A mapping with a kind of its own for each name; ``of`` is what an entry of it is called."""

    words: str
    of: str
    kinds: Mapping[str, Kind]

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield _unfit(self, value, path)
            return
        for name, inner in value.items():
            if isinstance(name, str) and name in self.kinds:
                yield from self.kinds[name].faults(inner, (*path, name))
            else:
                yield Fault((*path, str(name)), f"unknown {self.of} '{name}'{nearest(name, self.kinds)}")


@dataclasses.dataclass(frozen=True)
class Plain:
    """A mapping that JSON can hold, with names as its names."""

    words: str

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, dict) or not _is_plain(value):
            yield _unfit(self, value, path)


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_plain(inner) for name, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


@dataclasses.dataclass(frozen=True)
class Python:
    """Python: an expression, or with ``around`` what stands in the place of ``{}`` in it."""

    words: str
    around: str = "({})"

    def faults(self, value: Any, path: Path) -> Iterator[Fault]:
        if not isinstance(value, str) or not value.strip():
            yield _unfit(self, value, path)
        elif words := syntax_error(self.around.format(value), "eval"):
            yield Fault(path, f"'{path[-1]}' takes {self.words}, not {_shown(value)}: {words}")


def syntax_error(code: str, mode: str = "exec") -> str:
    """Why code is no Python; empty where it is."""
    try:
        with warnings.catch_warnings(action="ignore"):  # they are shown where the code runs
            ast.parse(code, mode=mode)
    except SyntaxError as error:
        where = f" (line {error.lineno} of the cell)" if mode == "exec" else ""
        return f"{type(error).__name__}: {error.msg}{where}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{type(error).__name__}: {error}; make it simpler"
    return ""


_BACKEND = Choice("backend", tuple(BACKENDS))
_SENTENCE = Text("a sentence")

#: The front matter, but for the ids of ``roadmap``, which stand in a file.
FRONT_MATTER = Table(
    "a name and a value in each line, such as 'timeout: 300'",
    "front matter",
    {
        "file_format": Choice("format", ("mystnb",)),
        "kernelspec": Table(
            "name and display_name, such as {name: python3, display_name: Python 3}",
            "name in 'kernelspec':",
            {"name": Choice("kernel", ("python3",)), "display_name": Text("a title"), "language": Text("python")},
        ),
        "description": Text("one sentence for search engines"),
        "roadmap": Many("a list of roadmap ids, such as [R3.1a]", Text("a roadmap id")),
        "unsupported": Named(
            'backends with a reason each, such as {mlx: "why"}', _BACKEND, Text("a reason, as a sentence")
        ),
        "timeout": Number("the seconds that a cell may take as a number, such as 300", 0.1, 3600),
        "groups": Many(
            "a list of groups of packages, such as [graphs]", Choice("group of packages", tuple(page_groups()))
        ),
        "files": Many("a list of files beside the page, such as [data.csv]", Text("the name of a file")),
        "orphan": Flag(),
        "tocdepth": Number("a whole number of levels", 0, 9, whole=True),
        "html_theme.sidebar_secondary.remove": Flag(),
        "myst": Table(
            "settings of MyST, such as {html_meta: {keywords: words}}",
            "name in 'myst':",
            {"html_meta": Named("names with words each", Text("a name"), Text("words"))},
        ),
    },
)

#: The options of a code cell.
CODE_CELL = Table(
    "an option in each line, such as ':tags: [timing]'",
    "option",
    {
        "tags": Many("a list of tags, such as [timing]", Text("a tag")),
        "mystnb": Table(
            'what MyST-NB shows, such as {image: {alt: "words"}}',
            "name in 'mystnb':",
            {
                "image": Plain('what its picture is shown with, such as {alt: "words"}'),
                "figure": Plain('what its figure is shown with, such as {caption: "words"}'),
            }
            | dict.fromkeys(
                ("remove_code_source", "remove_code_outputs", "number_source_lines", "scroll_outputs"), Flag()
            ),
        ),
        "backends": Many("a list of backends, such as [torch, jax]", _BACKEND, empty=False),
        "raises": Named(
            'a backend or all, each with one exception and its words, such as {all: {ValueError: "words"}}',
            Choice("backend", (*BACKENDS, "all")),
            Named(
                'one exception and words of its message, such as {ValueError: "words"}',
                Text("an exception"),
                Text("words of the message", empty=True),
                most=1,
            ),
        ),
        "parity": Named(
            "names with how far backends may be apart, such as {loss: 1.0e-4}",
            Python("the name of a value, or an expression"),
            Either(Number("how far backends may be apart, such as 1.0e-4", 0, 1e9), Choice("word", ("measured",))),
        ),
    },
)

#: What a block break says of the prose behind it.
PROSE = Table(
    'JSON, such as {"tags": ["site"]}', "name", {"tags": Many('a list of tags, such as ["site"]', Text("a tag"))}
)


@dataclasses.dataclass(frozen=True)
class Directive:
    """A directive of this package: whether it has an argument, what its words are, and its options."""

    argument: bool
    word: Kind | None = None
    options: Table | None = None


def _options(**kinds: Kind) -> Table:
    return Table("options", "option", {name.replace("_", "-"): kind for name, kind in kinds.items()})


#: The directives of this package that say something of what is executed.
DIRECTIVES = {
    "backends": Directive(True, _BACKEND),
    "install": Directive(False, _BACKEND),
    "model": Directive(
        True,
        options=_options(
            build=Python("Python that makes the model"),
            inputs=Python("arguments with their names, in Python", "dict({})"),
            data=Text("names of inputs"),
            abstract=_SENTENCE,
            harmless=_SENTENCE,
        ),
    ),
    "setting": Directive(
        True, options=_options(cost=_SENTENCE, free=_SENTENCE, same_as=Text("an option"), values=_SENTENCE)
    ),
    "error": Directive(True, options=_options(by=Choice("way", ("shell",)))),
    "unreachable": Directive(True),
}
