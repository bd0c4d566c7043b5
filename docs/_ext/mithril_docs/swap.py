"""The backend's class in code: execution puts each backend's own in the place of the one that pages name."""

from __future__ import annotations

import contextlib
import io
import tokenize

from mithril_docs.backends import BACKENDS


def swap_class(source: str, old: str, new: str) -> str:
    """Code with another backend class wherever it names one as ``ml.NumpyBackend``; strings and comments stay.

    Of code that is no Python, what stands before the first fault is swapped.
    """
    lines = source.split("\n")
    for row, start in reversed(_named(source, old)):
        lines[row] = lines[row][:start] + new + lines[row][start + len(old) :]
    return "\n".join(lines)


def backend_classes(source: str) -> list[str]:
    """The backend classes that the code names as ``ml.NumpyBackend``, each as often as it does."""
    return [row.cls for row in BACKENDS.values() for _ in _named(source, row.cls)]


def _named(source: str, name: str) -> list[tuple[int, int]]:
    """Where code has a name behind a dot: rows and columns, from 0."""
    found: list[tuple[int, int]] = []
    dot = False
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if dot and token.type == tokenize.NAME and token.string == name:
                found.append((token.start[0] - 1, token.start[1]))
            dot = token.type == tokenize.OP and token.string == "."
    return found
