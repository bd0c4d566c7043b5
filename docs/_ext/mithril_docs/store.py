"""The store: one file a result, with what came out and what it was made from.

A file is written beside its place and moved there when it is complete, so it is there whole or not at all. Each holds
a digest of its own content: a damaged one is found when it is read.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from mithril_docs.page import Page
from mithril_docs.results import Environment, LayoutError, ModelResult, Result, made_of

_HERE = Path(__file__).parent


class CorruptEntryError(Exception):
    """A file of the store that is not what was written there; the message says which."""


class CannotWriteError(Exception):
    """The store could not keep a result; the message says which and why."""


@functools.cache
def code_digest(*rooms: str) -> str:
    """A digest of this package's top and of the rooms named: of all code that makes a result that depends on them."""
    files = [path for room in ("", *rooms) for path in sorted((_HERE / room).glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def digest_of(*parts: object) -> str:
    """A digest of plain values."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def page_key(page: Page, backend: str, environment: Environment) -> str:
    """What a page's result depends on: the page's code, the backend, the environment and the code that executes."""
    return digest_of(page.digest(backend), backend, environment.digest, code_digest("execute"))


class Store:
    """Results and environments under one folder, ``<root>/<backend>/``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, page: str, backend: str) -> Path:
        return self.root / backend / "pages" / f"{page}.json"

    def read(self, page: str, backend: str) -> Result | None:
        """The stored result, None where there is none that this version can read.

        Raises
        ------
        CorruptEntryError
            The file is damaged.
        """
        try:
            found = self._read(self.path(page, backend))
            return None if found is None else made_of(Result, found[1] | {"digest": found[0]})
        except LayoutError:  # of another version: it would be stale
            return None

    def write(self, result: Result) -> None:
        """Keep a result. Raises :class:`CannotWriteError` where there is no room or no right to."""
        content = dataclasses.asdict(result)
        del content["digest"]
        self.write_file(self.path(result.page, result.backend), content)

    def set_aside(self, page: str, backend: str) -> None:
        """Move a damaged file out of the way, to where a person can look at it."""
        path = self.path(page, backend)
        path.replace(path.with_suffix(".corrupt"))

    def read_model(self, place: str) -> ModelResult | None:
        """A model's stored result, None as for :meth:`read`. Raises :class:`CorruptEntryError`."""
        try:
            content = self.read_file(place)
            return None if content is None else made_of(ModelResult, content)
        except LayoutError:  # of another version: it would be stale
            return None

    def write_touched(self, path: Path, key: str, touched: dict[str, Any]) -> None:
        """Keep beside a result what of Mithril it touched. Raises :class:`CannotWriteError`.

        Parameters
        ----------
        path
            The file of the result.
        key
            What the result was made from.
        touched
            What :meth:`mithril_docs.execute.touched.Touched.taken` says; empty where nothing is known.
        """
        self.write_file(path.with_suffix(".touched"), {"key": key} | touched)

    def environment(self, backend: str) -> Environment:
        """The backend's environment as its last execution found it; one with an error where there was none."""
        try:
            content = self.read_file(f"{backend}/environment.json")
            if content is not None:
                return made_of(Environment, content)
        except CorruptEntryError as error:
            return Environment(error=str(error))
        except LayoutError:  # of another version: what was executed there would be stale
            pass
        return Environment(error=f'nothing was executed; run nox -s "execute({backend})"')

    def write_environment(self, backend: str, environment: Environment) -> None:
        """Keep a backend's environment. Raises :class:`CannotWriteError`."""
        self.write_file(f"{backend}/environment.json", dataclasses.asdict(environment))

    def read_file(self, name: str | Path) -> dict[str, Any] | None:
        """What a file under the root holds, None where there is none.

        Raises
        ------
        CorruptEntryError
            The file is damaged.
        LayoutError
            Another version of this package wrote it.
        """
        found = self._read(name)
        return found and found[1]

    def _read(self, name: str | Path) -> tuple[str, dict[str, Any]] | None:
        path = self.root / name
        try:
            digest, _, text = path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            place = path.relative_to(self.root)
            raise CorruptEntryError(f"the store's {place} cannot be read: {error.strerror}") from error
        if digest.decode("ascii", "replace") != hashlib.sha256(text).hexdigest():
            raise CorruptEntryError(f"the store's {path.relative_to(self.root)} is corrupt")
        try:
            return digest.decode("ascii"), made_of(dict[str, Any], json.loads(text))
        except ValueError:
            raise LayoutError(f"{path.relative_to(self.root)} holds no JSON") from None

    def write_file(self, name: str | Path, content: dict[str, Any]) -> None:
        """Write a file under the root, whole or not at all. Raises :class:`CannotWriteError`."""
        text = json.dumps(content).encode()
        self.write_bytes(name, hashlib.sha256(text).hexdigest().encode() + b"\n" + text)

    def write_bytes(self, name: str | Path, content: bytes) -> None:
        """Write bytes under the root, whole or not at all. Raises :class:`CannotWriteError`."""
        path = self.root / name
        temporary = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=".", delete=False) as file:
                temporary = file.name
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except OSError as error:
            if temporary:
                Path(temporary).unlink(missing_ok=True)
            raise CannotWriteError(
                f"the store could not keep {path.relative_to(self.root)}: {error.strerror}"
            ) from error
