"""Find in what a cell shows what another run, or another machine, would show otherwise.

Nothing of it is replaced: a page shows what its reader's own program would. So the page has to show less, and a failure
says of what. A cell tagged ``timing`` may differ from run to run, but it shows no folder of this machine either.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
#: A number that may be an address, as ``id`` gives it.
_LONG = re.compile(r"(?<![\w.])\d{14,15}(?![\w.])")
_PROCESS = re.compile(r"\bpid\W{1,3}\d+|\bipykernel_\d+", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])\d{1,9}(?![\w.])")
#: A cell, or a row that it prints, in which the number of a process is no other number by chance.
_ASKS_FOR_PROCESS = re.compile(r"(?<![a-z])p?pid|getp?pid|native_id|fork\(")
_TELLS_OF_PROCESS = re.compile(r"\bp?pid\b|process|\d\d:\d\d:\d\d", re.IGNORECASE)
_MOMENT = re.compile(
    r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?"
    r"|\b\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}"
    r"|(?<![\w.])\d{10}(?:\.\d+|\d{9})?(?![\w.])"  # seconds and nanoseconds since the epoch
)
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_ASKS_FOR_DAY = re.compile(r"\b(?:today|now|utcnow|strftime|asctime|ctime|localtime|gmtime)\b")
_MEASURED = re.compile(
    r"\d\d:\d\d<[\d:?]+|\d(?:it/s|s/it)\b"  # tqdm
    r"|± [\d.]+ .?s per loop|^(?:Wall|CPU) times?: .*",  # IPython's magics
    re.MULTILINE,
)
_HOME = f"{Path.home()}{os.sep}"
#: What a path may go on with.
_REST = r"""[^\s'"<>|,;()\[\]{}]*"""


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a page ran in.

    Attributes
    ----------
    folder
        Its working folder.
    process
        The number of its process, which lives.
    began, ended
        When it ran, in seconds since the epoch.
    code
        All of its code.
    cell
        That of the cell that is looked at.
    """

    folder: str
    process: int
    began: float
    ended: float
    code: str
    cell: str = ""


def without_places(row: str, folder: str) -> str:
    """A row of a traceback without the folders of this machine."""
    for place, _ in _places(folder):
        row = row.replace(place, "…")
        if place.startswith(_HOME):  # IPython shortens it
            row = row.replace(f"~/{place.removeprefix(_HOME)}", "…")
    return re.sub(rf"{re.escape(tempfile.gettempdir())}/tmp\w{{8}}", "…", row)


def unstable(outputs: list[dict[str, Any]], around: Surroundings, timing: bool) -> Iterator[str]:
    """What the outputs of a cell hold that another run or machine would not, each in words, and what to do."""
    texts = [text for output in outputs for text in _texts(output)]
    if found := next((words for text in texts if (words := _path(text, around))), None):
        yield f"{found}, which another machine lacks; leave it out"
    for kind in () if timing else (_address, _process, _moment, _speed):
        if found := next((words for text in texts if (words := kind(text, around))), None):
            yield f"{found}, which differs in every run; leave it out, or tag the cell 'timing'"


def _path(text: str, around: Surroundings) -> str | None:
    for place, what in _places(around.folder):
        if place in text and (found := re.search(rf"(?<![\w.-]){re.escape(place)}(?![\w-]){_REST}", text)):
            return f"'…/{Path(found[0].rstrip('/.:')).name}', {what}"
    temporary = f"{tempfile.gettempdir()}/tmp"
    if temporary in text and (found := re.search(rf"(?<![\w.-]){re.escape(temporary)}\w{{8}}{_REST}", text)):
        return f"'…/{Path(found[0]).name}', a temporary path"
    return None


def _address(text: str, around: Surroundings) -> str | None:
    if found := _ADDRESS.search(text):
        return f"'{found[0]}', a memory address"
    long = [int(number) for number in _LONG.findall(text)]
    held = _memory(around.process) if long else []
    number = next((number for number in long if any(first <= number < last for first, last in held)), None)
    return f"'{number}', a memory address" if number else None


def _process(text: str, around: Surroundings) -> str | None:
    if found := _PROCESS.search(text):
        return f"'{found[0]}', the number of a process"
    asked = _ASKS_FOR_PROCESS.search(around.cell)
    near = _processes(around.process) if asked else {around.process}
    for row in text.splitlines():
        for number in _NUMBER.findall(row) if asked or _TELLS_OF_PROCESS.search(row) else ():
            if int(number) in near:
                return f"'{number}', the number of a process"
    return None


def _moment(text: str, around: Surroundings) -> str | None:
    # A second may be cut off at its beginning, and a minute too.
    first, last = around.began - 60, around.ended + 1
    for words in _MOMENT.findall(text):
        if first <= _seconds(words) <= last:
            return f"'{words}', the time of this run"
    if _ASKS_FOR_DAY.search(around.code):
        days = {datetime.datetime.fromtimestamp(at, datetime.UTC).date().isoformat() for at in (first, last)}
        if day := next((words for words in _DAY.findall(text) if words in days), None):
            return f"'{day}', the day of this run"
    return None


def _speed(text: str, around: Surroundings) -> str | None:
    found = _MEASURED.search(text)
    return f"'{found[0].strip()}', a time that was measured" if found else None


@functools.lru_cache
def _places(folder: str) -> list[tuple[str, str]]:
    """Paths that only this run, or this machine, has, and what they are; those within others first."""
    paths = sysconfig.get_paths()
    machine = {
        *(paths[name] for name in ("purelib", "platlib", "stdlib", "platstdlib", "scripts")),
        sys.executable,
        os.path.realpath(sys.executable),
        str(Path(__file__).parents[4]),
        *(os.environ.get(name) for name in ("HOME", "IPYTHONDIR", "XDG_CACHE_HOME")),
    }
    run = [(place, "the folder that the page runs in") for place in (folder, os.path.realpath(folder))]
    longest = sorted((place for place in machine if place and len(place) > 1), key=len, reverse=True)
    return run + [(place, "a path of this machine") for place in longest]


def _processes(process: int) -> set[int]:
    """The numbers of a process, of that which started it, and of all since; of it alone where the system is silent."""
    try:
        parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
        newest = Path("/proc/loadavg").read_text().split()[-1]
    except OSError:
        return {process}
    return {process, int(parent), *range(process, int(newest) + 1)}


def _memory(process: int) -> list[tuple[int, int]]:
    """Where the memory of a process lies; nothing where the system does not say."""
    try:
        rows = Path(f"/proc/{process}/maps").read_text().splitlines()
    except OSError:
        return []
    return [(int(first, 16), int(last, 16)) for first, last in (row.split()[0].split("-") for row in rows)]


def _seconds(words: str) -> float:
    """The moment that words name, in seconds since the epoch; 0 where they name none. Pages run in UTC."""
    if re.fullmatch(r"[\d.]+", words):
        return float(words) / (1e9 if len(words) == 19 and "." not in words else 1)
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%a %b %d %H:%M:%S %Y"):
        try:
            told = datetime.datetime.strptime(words.replace("T", " ") if "-" in words else words, form)
        except ValueError:
            continue
        return told.replace(tzinfo=datetime.UTC).timestamp()
    return 0.0


def _texts(output: dict[str, Any]) -> Iterator[str]:
    """What an output shows in words; pictures have none."""
    yield from filter(None, [output.get("text"), *output.get("traceback", ())])
    for kind, data in output.get("data", {}).items():
        if kind.startswith("text/") or kind.endswith("json"):
            yield from _strings(data)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
