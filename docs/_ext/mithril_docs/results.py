"""What executing gives: the results of pages and of models, and the environments that they ran in. Plain data."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Any


class LayoutError(Exception):
    """Plain data that is laid out otherwise than what it is to become; the message says what is."""


def made_of(kind: Any, content: Any) -> Any:
    """What :func:`dataclasses.asdict` and JSON made ``content`` of, by its type: one of this module's, for example.

    Raises
    ------
    LayoutError
        A name is missing or too many, or a value is of another type: another version of this package wrote it.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return content
    if origin is types.UnionType:
        return None if content is None else made_of(inner[0], content)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(content, dict):
        hints = _fields(kind)
        if content.keys() != hints.keys():
            raise LayoutError(f"{sorted(content)} is no {kind}")
        return kind(**{name: made_of(hints[name], value) for name, value in content.items()})
    if origin is dict and isinstance(content, dict):
        return {_key(inner[0], key): made_of(inner[1], value) for key, value in content.items()}
    if origin is list and isinstance(content, list):
        return [made_of(inner[0], value) for value in content]
    if origin is tuple and isinstance(content, list) and len(content) == len(inner):
        return tuple(map(made_of, inner, content))
    if origin is None and isinstance(content, (int, float) if kind is float else kind):
        return content
    raise LayoutError(f"{content!r:.80} is no {kind}")


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _key(kind: type, key: str) -> Any:
    """A name of an object, which JSON holds as text."""
    try:
        return kind(key)
    except ValueError:
        raise LayoutError(f"{key!r:.80} is no {kind}") from None


@dataclasses.dataclass
class Failure:
    """One thing that went wrong in a page.

    Attributes
    ----------
    cell
        The code cell's number, 0 where it is the page as a whole.
    cause
        What happened, in one line.
    """

    cell: int
    cause: str

    def __str__(self) -> str:
        return f"cell {self.cell}: {self.cause}" if self.cell else self.cause


@dataclasses.dataclass
class Raised:
    """An error that reached a page's own code.

    Attributes
    ----------
    cell
        The code cell's number.
    kind, message
        The class of the exception, and its text.
    site
        The file in Mithril and the line that raised it, None where that is elsewhere.
    inside
        The file, the function and the line of the last frame in Mithril or in a program that it generated
        (``<string>``), None where it passed through neither.
    traceback
        The whole of it, as Python prints it, less the folders of the machine.
    """

    cell: int
    kind: str
    message: str
    site: tuple[str, int] | None
    inside: tuple[str, str, int] | None
    traceback: str


@dataclasses.dataclass
class Result:
    """What executing a page on a backend gave.

    Attributes
    ----------
    key
        What it was made from; see :func:`mithril_docs.store.page_key`.
    page, backend
        Whose result it is.
    seconds, wall
        What the cells took, and what the page took with starting and stopping its process, in seconds.
    parity
        The values that the page records, by name.
    distributions
        What the page's code imports, distribution to version.
    outputs
        Code cell number to its outputs, in the notebook format. A cell that did not run has no entry.
    raised
        Every error that reached the page's own code.
    failures
        Empty where all is well.
    digest
        Of all of this as the store holds it; empty where it was not read from there.
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
    digest: str = ""


@dataclasses.dataclass
class ModelResult:
    """What a model does on a backend.

    ``forward``, ``gradient``, ``jit`` and each of ``precision`` (by bits) are an empty string where it works, the first
    line of the error where it does not, and None where there is nothing to do.

    Attributes
    ----------
    key
        What it was made from; see :func:`mithril_docs.models.cards.model_key`.
    values, gradients, jit_values
        What came out, as nested lists by name: of the outputs, of their gradients, and of the outputs with jit.
    variants
        The outputs in other circumstances, or the first line of the error: ``second call``, with the same inputs;
        ``training``, where gradients can be asked for; ``16 bits`` and the like; ``size 1`` and ``size 0``, of the
        first axis. What cannot be tried has no entry. It is compared between versions of Mithril.
    """

    key: str
    forward: str = ""
    gradient: str | None = None
    jit: str | None = None
    precision: dict[str, str] = dataclasses.field(default_factory=dict)
    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    gradients: dict[str, Any] = dataclasses.field(default_factory=dict)
    jit_values: dict[str, Any] = dataclasses.field(default_factory=dict)
    variants: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Environment:
    """What a backend's pages ran in.

    Attributes
    ----------
    digest
        Of all in it that can change a result.
    versions
        Version by distribution, and of ``python``.
    error
        Why no page can run in it, in one line; empty where they can.
    """

    digest: str = ""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    error: str = ""
