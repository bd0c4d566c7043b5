"""The store: one file a page and backend, with the executed notebook and what it took to make it.

A file is written beside its place and moved there when it is complete, so it is there whole or not at all. Each holds
a digest of its own content: a damaged one is found when it is read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from mithril_docs.page import Page


class CorruptEntryError(Exception):
    """A file of the store that is not what was written there; the message says which."""


class CannotWriteError(Exception):
    """The store could not keep a result; the message says which and why."""


@dataclasses.dataclass
class Failure:
    """One thing that went wrong in a page: the code cell's number (0: the page as a whole) and the cause."""

    cell: int
    cause: str


@dataclasses.dataclass
class Raised:
    """An error that reached a page's own code.

    Attributes
    ----------
    cell: the code cell's number.
    kind, message: the class of the exception, and its text.
    site: file in Mithril and line where it was raised, None where that is elsewhere.
    traceback: the whole of it, as Python prints it, less the folders of the machine.
    """

    cell: int
    kind: str
    message: str
    site: list[Any] | None
    traceback: str


@dataclasses.dataclass
class Result:
    """What executing a page on a backend gave.

    Attributes
    ----------
    key: what it was made from; see :func:`key`.
    page, backend: whose result it is.
    seconds: what the cells took; ``wall``: with starting and stopping the kernel, in seconds.
    parity: the values that the page records, by name.
    distributions: what the page's code imports, distribution to version.
    outputs: code cell number to its outputs, in the notebook format. A cell that did not run has no entry.
    raised: every error that reached the page's own code; see :class:`Raised`.
    failures: empty where all is well.
    """

    key: str
    page: str
    backend: str
    seconds: float = 0.0
    wall: float = 0.0
    parity: dict[str, Any] = dataclasses.field(default_factory=dict)
    distributions: dict[str, str] = dataclasses.field(default_factory=dict)
    outputs: dict[int, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    raised: list[Raised] = dataclasses.field(default_factory=list)
    failures: list[Failure] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Environment:
    """What a backend's pages ran in: versions by distribution (and ``python``), a digest, and why it is unusable."""

    digest: str = ""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    error: str = ""


def executor_digest() -> str:
    """A digest of the code that executes pages; a change of it makes every result stale."""
    here = Path(__file__).parent
    sources = [
        here / f"{name}.py"
        for name in ("backends", "environment", "execute", "kernel", "page", "preload", "raised", "store")
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def key(page: Page, backend: str, environment: Environment) -> str:
    """What a result depends on: the page's code, the environment, the backend and the executor."""
    parts = [page.digest(backend), environment.digest, backend, executor_digest()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Store:
    """Results and environments under one folder, ``<root>/<backend>/``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, page: str, backend: str) -> Path:
        return self.root / backend / "pages" / f"{page}.json"

    def read(self, page: str, backend: str) -> Result | None:
        """The stored result, None where there is none.

        Raises
        ------
        CorruptEntryError: the file is damaged or of another making.
        """
        content = self.read_file(self.path(page, backend))
        if content is None:
            return None
        content["failures"] = [Failure(**failure) for failure in content["failures"]]
        content["raised"] = [Raised(**raised) for raised in content.get("raised", ())]
        content["outputs"] = {int(number): outputs for number, outputs in content["outputs"].items()}
        return Result(**content)

    def write(self, result: Result) -> None:
        """Keep a result. Raises :class:`CannotWriteError` where there is no room or no right to."""
        self.write_file(self.path(result.page, result.backend), dataclasses.asdict(result))

    def set_aside(self, page: str, backend: str) -> None:
        """Move a damaged file out of the way, to where a person can look at it."""
        path = self.path(page, backend)
        path.replace(path.with_suffix(".corrupt"))

    def environment(self, backend: str) -> Environment:
        """The backend's environment as its last execution found it; one with an error where there was none."""
        try:
            content = self.read_file(f"{backend}/environment.json")
        except CorruptEntryError as error:
            return Environment(error=str(error))
        if content is None:
            return Environment(error=f'nothing was executed; run nox -s "execute({backend})"')
        return Environment(**content)

    def write_environment(self, backend: str, environment: Environment) -> None:
        """Keep a backend's environment. Raises :class:`CannotWriteError`."""
        self.write_file(f"{backend}/environment.json", dataclasses.asdict(environment))

    def read_file(self, name: str | Path) -> dict[str, Any] | None:
        """What a file under the root holds, None where there is none. Raises :class:`CorruptEntryError`."""
        path = self.root / name
        try:
            digest, _, content = path.read_text(encoding="utf-8").partition("\n")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            digest, content = "", ""
        if digest != hashlib.sha256(content.encode()).hexdigest():
            raise CorruptEntryError(f"the store's {path.relative_to(self.root)} is corrupt")
        return json.loads(content)

    def write_file(self, name: str | Path, content: dict[str, Any]) -> None:
        """Write a file under the root, whole or not at all. Raises :class:`CannotWriteError`."""
        path = self.root / name
        text = json.dumps(content)
        temporary = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False, encoding="utf-8") as file:
                temporary = file.name
                file.write(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except OSError as error:
            if temporary:
                Path(temporary).unlink(missing_ok=True)
            raise CannotWriteError(
                f"the store could not keep {path.relative_to(self.root)}: {error.strerror}"
            ) from error
