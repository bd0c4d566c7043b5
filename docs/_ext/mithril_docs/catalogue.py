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
from mithril_docs.cards import Entry, entries
from mithril_docs.merge import Build
from mithril_docs.page import Cell
from mithril_docs.sites import HOLE, Site, sites, template
from mithril_docs.store import Raised

#: A message with fewer fixed letters could be anybody's.
TELLING = 12

_LINE = re.compile(r"(?P<words>.*?)(?: +\(from (?P<origin>[\w ]+)\))?(?: +@ +(?P<places>\S.*))?")
#: What the text of a SyntaxError ends in and Python does not print.
_SYNTAX_PLACE = re.compile(r" \([^()]*, line [^()]*\)$")


@dataclasses.dataclass(frozen=True)
class Message:
    """A message that an entry explains: its words, where alone it counts, and whose it is if not Mithril's."""

    words: str
    places: tuple[str, ...]
    origin: str

    @property
    def kind(self) -> str:
        """The class of the exception."""
        return self.words.partition(":")[0]

    @functools.cached_property
    def fixed(self) -> tuple[str, ...]:
        """The words of the message around the values that are filled in."""
        if found := self.sites():
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

    def sites(self) -> list[Site]:
        """The places of the package that raise it."""
        if self.origin:
            return []
        found = _by_template().get(template(self.words), ())
        return [site for site in found if not self.places or any(map(site.stands_in, self.places))]


@dataclasses.dataclass(frozen=True)
class Explained:
    """An entry of the catalogue, or a list of what is out of reach.

    Attributes
    ----------
    name: its slug, or the reason.
    title: the heading above it.
    page, line: where it stands.
    messages: what it explains.
    cells: the code cells from it to the next.
    options: ``by: shell`` where lines for a shell provoke and mend it, which a test types.
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


@dataclasses.dataclass
class Catalogue:
    """All entries with what the build knows of them.

    Attributes
    ----------
    errors, unreachable: what pages explain, and what they list as out of reach.
    sites: site to the entry that explains it, if one does.
    reproduced: site to the backends on which a page's program raised it.
    raised: every error that reached a page's code: the page, the backend, the error.
    complete: whether every backend ran, so that what was not raised cannot be.
    """

    errors: list[Explained]
    unreachable: list[Explained]
    sites: dict[Site, Explained | None]
    reproduced: dict[Site, list[str]]
    raised: list[tuple[str, str, Raised]]
    complete: bool
    _by_words: dict[Any, list[Explained]] = dataclasses.field(default_factory=dict)
    _seen: dict[tuple[str, int], set[str]] = dataclasses.field(default_factory=dict)

    def explaining(self, raised: Raised) -> list[Explained]:
        """The entries that explain an error: by its place in Mithril, else by its words."""
        site = _site(raised)
        if site is not None:
            return [entry] if (entry := self.sites[site]) else []
        words = raised.kind, raised.message, innermost(raised)
        if words not in self._by_words:
            self._by_words[words] = [error for error in self.errors if self._explains(error, raised)]
        return self._by_words[words]

    def _explains(self, error: Explained, raised: Raised) -> bool:
        alike = [m for m in error.messages if m.origin and not m.borrowed and _is(m, raised)]
        here = (innermost(raised) or ())[:2]
        return any(
            (m.telling and not (m.generic and here)) or here in {place[:2] for place in self.places(error, m)}
            for m in alike
        )

    def places(self, error: Explained, message: Message) -> set[tuple[str, str, int]]:
        """The innermost places of Mithril's that an entry's errors with a message passed through."""
        return {place for raised in self.raised_by(error, message) if (place := innermost(raised))}

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
                if not message.origin and not message.sites():
                    yield listed, f"names '{message.words}', which the package does not raise{_nearest(message)}"
        for listed in self.unreachable:
            for message in listed.messages:
                found = message.sites()
                if found and all(site in self.reproduced for site in found):
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

    def out_of_reach(self) -> set[Site]:
        """Sites that pages list as out of reach, and that no program reached."""
        listed = {site for entry in self.unreachable for message in entry.messages for site in message.sites()}
        return listed - self.reproduced.keys()

    def missing(self) -> list[str]:
        """Sites that are accounted for nowhere, in a line each."""
        out = self.out_of_reach()
        lines = []
        for site, entry in self.sites.items():
            name = f"'{site.kind}: {' '.join(site.text.split())}' ({site.path}, line {site.line}, {site.scope})"
            if site in self.reproduced and entry is None:
                lines.append(f"{name} has no entry")
            elif self.complete and site not in self.reproduced and site not in out:
                lines.append(f"{name} is neither reproduced nor listed as out of reach")
        return lines


def innermost(raised: Raised) -> tuple[str, str, int] | None:
    """The file, the function and the line of the last frame in Mithril or in a program that it generated."""
    frames = re.findall(r'File "(?:\S*/mithril/(\S+)|(<string>))", line (\d+), in ([\w<>]+)', raised.traceback)
    return (frames[-1][0] or frames[-1][1], frames[-1][3], int(frames[-1][2])) if frames else None


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
    explained: dict[Site, Explained | None] = dict.fromkeys(sites()) if errors else {}
    for confined in (False, True):  # a message with places wins over one without
        for error in errors:
            for message in error.messages:
                if bool(message.places) == confined:
                    explained |= dict.fromkeys(message.sites(), error)
    reproduced: dict[Site, list[str]] = {}
    for _, backend, noted in raised:
        site = _site(noted)
        if site is not None and backend not in reproduced.setdefault(site, []):
            reproduced[site].append(backend)
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
    places = re.split(r", *", found["places"]) if found["places"] else ()
    return Message(found["words"], tuple(places), found["origin"] or "")


def _site(raised: Raised) -> Site | None:
    if raised.site is None:
        return None
    path, line = raised.site
    return _by_line().get((path, line))


@functools.cache
def _by_line() -> dict[tuple[str, int], Site]:
    return {(site.path, line): site for site in sites() for line in range(site.line, site.end + 1)}


@functools.cache
def _by_template() -> dict[str, list[Site]]:
    found: dict[str, list[Site]] = {}
    for site in sites():
        found.setdefault(site.template, []).append(site)
    return found


def _nearest(message: Message) -> str:
    known = {site.template: site for site in sites()}
    close = difflib.get_close_matches(template(message.words), known, 1)
    if not close:
        return ""
    site = known[close[0]]
    return f"; nearest is '{site.kind}: {' '.join(site.text.split())}' ({site.path}, line {site.line})"
