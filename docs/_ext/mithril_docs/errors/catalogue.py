"""The error catalogue: what pages explain, set against every place in the package that raises with a message.

An entry stands in a page as a directive that names the messages it explains, in the package's own words::

    :::{error} unknown-key-of-submodel
    KeyError: Given '{key}' key is not an input or output of the model '{model}'
    :::

``@ Model.extend`` behind a message confines it to those places; ``(from NumPy)`` says that it is not Mithril's. What no
user can reach is listed the same way, with the reason as the argument of ``:::{unreachable}``.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Iterator
from typing import Any

from mithril_docs.backends import BACKENDS
from mithril_docs.blocks import Entry, entries
from mithril_docs.build.records import Build
from mithril_docs.errors.raises import HOLE, Place, places, template
from mithril_docs.page import Cell
from mithril_docs.results import Raised

#: A message with fewer fixed letters could be anybody's.
TELLING = 12

_LINE = re.compile(r"(?P<words>.*?)(?: +\(from (?P<origin>[\w ]+)\))?(?: +@ +(?P<places>\S.*))?")
#: What the text of a SyntaxError ends in and Python does not print.
_SYNTAX_PLACE = re.compile(r" \([^()]*, line [^()]*\)$")


@dataclasses.dataclass(frozen=True)
class Message:
    """A message that an entry explains: its words, where alone it counts, and whose it is if not Mithril's."""

    words: str
    confined: tuple[str, ...]
    origin: str

    @property
    def kind(self) -> str:
        """The class of the exception."""
        return self.words.partition(":")[0]

    @functools.cached_property
    def fixed(self) -> tuple[str, ...]:
        """The words of the message around the values that are filled in."""
        if found := self.places():
            return found[0].fixed
        words = self.words.partition(":")[2].strip()
        return tuple(HOLE.split(_SYNTAX_PLACE.sub("", words)))

    @functools.cached_property
    def pattern(self) -> str:
        """A regular expression, for Python and JavaScript, of the message. White space may be any."""
        return r"[\s\S]*?".join(r"\s+".join(map(re.escape, re.split(r"\s+", words))) for words in self.fixed)

    @property
    def letters(self) -> int:
        """How many letters of it are fixed."""
        return sum(map(str.isalpha, "".join(self.fixed)))

    @property
    def telling(self) -> bool:
        """Whether its words alone say which error it is; another one is known by the place that raised it."""
        return self.letters >= TELLING

    @property
    def generic(self) -> bool:
        """Whether any Python program may meet it, so that it is Mithril's concern only in certain places."""
        return self.origin == "Python"

    @property
    def borrowed(self) -> bool:
        """Whether it is Mithril's own and another entry explains it; this one only shows it."""
        return self.origin == "Mithril" and template(self.words) in _by_template()

    def places(self) -> list[Place]:
        """The places of the package that raise it."""
        if self.origin:
            return []
        found = _by_template().get(template(self.words), ())
        return [place for place in found if not self.confined or any(map(place.is_named, self.confined))]


@dataclasses.dataclass(frozen=True)
class Explained:
    """An entry of the catalogue, or a list of what is out of reach.

    Attributes
    ----------
    name
        Its slug, or the reason.
    title
        The heading above it.
    page, line
        Where it stands.
    messages
        What it explains.
    cells
        The code cells from it to the next.
    options
        ``by: shell`` where lines for a shell provoke and mend it, which a test types.
    """

    name: str
    title: str
    page: str
    line: int
    messages: tuple[Message, ...]
    cells: tuple[Cell, ...]
    options: dict[str, str]

    @property
    def where(self) -> tuple[str, int]:
        """Its place, for a warning."""
        return self.page, self.line

    @property
    def anchor(self) -> str:
        """What a link to it ends in."""
        return f"error-{self.name}"

    @property
    def on(self) -> list[str]:
        """The backends whose views show a program that raises it; empty where all do."""
        raising = [cell for cell in self.cells if any(map(cell.raises, BACKENDS))]
        found = [name for name in BACKENDS if any(cell.runs_on(name) for cell in raising or self.cells)]
        return [] if len(found) == len(BACKENDS) else found


@dataclasses.dataclass
class Catalogue:
    """All entries with what the build knows of them.

    Attributes
    ----------
    errors, unreachable
        What pages explain, and what they list as out of reach.
    places
        Each place of the package that raises to the entry that explains it, if one does.
    reproduced
        Place to the backends on which a page's program raised there.
    raised
        Every error that reached a page's code: the page, the backend, the error.
    complete
        Whether every backend ran, so that what was not raised cannot be.
    """

    errors: list[Explained]
    unreachable: list[Explained]
    places: dict[Place, Explained | None]
    reproduced: dict[Place, list[str]]
    raised: list[tuple[str, str, Raised]]
    complete: bool
    _by_words: dict[Any, list[Explained]] = dataclasses.field(default_factory=dict)
    _seen: dict[tuple[str, int], set[str]] = dataclasses.field(default_factory=dict)

    def explaining(self, raised: Raised) -> list[Explained]:
        """The entries that explain an error: by its place in Mithril, else by its words."""
        place = _place(raised)
        if place is not None:
            return [entry] if (entry := self.places[place]) else []
        words = raised.kind, raised.message, raised.inside
        if words not in self._by_words:
            self._by_words[words] = [error for error in self.errors if self._explains(error, raised)]
        return self._by_words[words]

    def _explains(self, error: Explained, raised: Raised) -> bool:
        alike = [m for m in error.messages if m.origin and not m.borrowed and _is(m, raised)]
        here = (raised.inside or ())[:2]
        return any(
            (m.telling and not (m.generic and here)) or here in {frame[:2] for frame in self.passed(error, m)}
            for m in alike
        )

    def passed(self, error: Explained, message: Message) -> set[tuple[str, str, int]]:
        """The innermost frames of Mithril's that an entry's errors with a message passed through."""
        return {raised.inside for raised in self.raised_by(error, message) if raised.inside}

    def seen(self, error: Explained) -> set[str]:
        """The backends on which a page's program raised what an entry explains."""
        if not self._seen:
            for _, backend, raised in self.raised:
                for entry in self.explaining(raised):
                    self._seen.setdefault(entry.where, set()).add(backend)
        return self._seen.get(error.where, set())

    def problems(self) -> Iterator[tuple[Explained, str]]:
        """What is wrong with an entry."""
        seen: dict[str, Explained] = {}
        for error in self.errors:
            if error.name in seen:
                yield error, f"is on {seen[error.name].page} too"
            seen[error.name] = error
            if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", error.name):
                yield error, "is no slug: lower-case words joined by hyphens"
            yield from ((error, words) for words in self._lacks(error))
        for listed in (*self.errors, *self.unreachable):
            for message in listed.messages:
                if not message.origin and not message.places():
                    yield listed, f"names '{message.words}', which the package does not raise{_nearest(message)}"
        for listed in self.unreachable:
            for message in listed.messages:
                found = message.places()
                if found and all(place in self.reproduced for place in found):
                    yield listed, f"lists '{message.words}' as out of reach, and a page reaches it"

    def raised_by(self, error: Explained, message: Message | None = None) -> list[Raised]:
        """What the programs of an entry raised, with a certain message or with any."""
        numbers = {cell.number for cell in error.cells}
        own = [raised for page, _, raised in self.raised if page == error.page and raised.cell in numbers]
        return [raised for raised in own if message is None or _is(message, raised)]

    def _lacks(self, error: Explained) -> Iterator[str]:
        if error.options.get("by") == "shell":
            return
        failing = {raised.cell for raised in self.raised_by(error)}
        elsewhere = any(cell.metadata.get("raises") or "backends" in cell.metadata for cell in error.cells)
        if not failing and (self.complete or not elsewhere):
            yield "has no program that raises it"
        elif failing and not any(c.number > min(failing) and c.number not in failing for c in error.cells):
            yield "has no program that mends it"
        if self.complete:
            for message in error.messages:
                if message.origin and not self.raised_by(error, message):
                    yield f"names '{message.words}', which none of its programs raised"

    def out_of_reach(self) -> set[Place]:
        """Places that pages list as out of reach, and that no program reached."""
        listed = {place for entry in self.unreachable for message in entry.messages for place in message.places()}
        return listed - self.reproduced.keys()

    def missing(self) -> list[str]:
        """Places that are accounted for nowhere, in a line each."""
        out = self.out_of_reach()
        lines = []
        for place, entry in self.places.items():
            name = f"'{place.kind}: {' '.join(place.text.split())}' ({place.path}, line {place.line}, {place.scope})"
            if place in self.reproduced and entry is None:
                lines.append(f"{name} has no entry")
            elif self.complete and place not in self.reproduced and place not in out:
                lines.append(f"{name} is neither reproduced nor listed as out of reach")
        return lines


def _is(message: Message, raised: Raised) -> bool:
    words = _SYNTAX_PLACE.sub("", raised.message.strip())
    return message.kind == raised.kind and _compiled(message.pattern).fullmatch(words) is not None


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def read(build: Build) -> Catalogue:
    """The catalogue of a build's pages."""
    errors: list[Explained] = []
    unreachable: list[Explained] = []
    raised: list[tuple[str, str, Raised]] = []
    for name, record in build.records.items():
        errors += [_explained(name, entry) for entry in entries(record.page, "error")]
        unreachable += [_explained(name, entry) for entry in entries(record.page, "unreachable")]
        for backend, run in record.runs.items():
            raised += [(name, backend, error) for error in run.result.raised] if run.result else []
    explained: dict[Place, Explained | None] = dict.fromkeys(places()) if errors else {}
    for confined in (False, True):  # a message that is confined to places wins over one that is not
        for error in errors:
            for message in error.messages:
                if bool(message.confined) == confined:
                    explained |= dict.fromkeys(message.places(), error)
    reproduced: dict[Place, list[str]] = {}
    if errors or unreachable:
        for _, backend, noted in raised:
            place = _place(noted)
            if place is not None and backend not in reproduced.setdefault(place, []):
                reproduced[place].append(backend)
    complete = not any(build.environments[name].error for name in build.environments) and set(
        build.environments
    ) == set(BACKENDS)
    return Catalogue(errors, unreachable, explained, reproduced, raised, complete)


def _explained(page: str, entry: Entry) -> Explained:
    return Explained(
        entry.argument, entry.title, page, entry.line, tuple(read_messages(entry)), entry.cells, entry.options
    )


def read_messages(entry: Entry) -> list[Message]:
    """The messages that an entry names."""
    return [_message(row) for row in entry.body.splitlines() if row.strip()]


def _message(row: str) -> Message:
    found = _LINE.fullmatch(row.strip())
    assert found is not None
    confined = re.split(r", *", found["places"]) if found["places"] else ()
    return Message(found["words"], tuple(confined), found["origin"] or "")


def _place(raised: Raised) -> Place | None:
    return _by_line().get(raised.site) if raised.site else None


@functools.cache
def _by_line() -> dict[tuple[str, int], Place]:
    return {(place.path, line): place for place in places() for line in range(place.line, place.end + 1)}


@functools.cache
def _by_template() -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for place in places():
        found.setdefault(place.template, []).append(place)
    return found


def _nearest(message: Message) -> str:
    known = {place.template: place for place in places()}
    close = difflib.get_close_matches(template(message.words), known, 1)
    if not close:
        return ""
    place = known[close[0]]
    return f"; nearest is '{place.kind}: {' '.join(place.text.split())}' ({place.path}, line {place.line})"
