"""What jit costs and gains: figures that one page measures on each backend, and the words in which others quote them.

A page records them under the name :data:`COST_OF_JIT`: for each of :data:`MODELS`, with jit off and on, the
:data:`FIGURES` in seconds and bytes.
"""

from __future__ import annotations

from typing import NamedTuple

from mithril_docs.backends import BACKENDS
from mithril_docs.build.records import Build

#: The name under which a page records the figures.
COST_OF_JIT = "cost_of_jit"
#: The axes of what it records, in order.
MODELS = ("small", "large")
JIT = ("off", "on")
FIGURES = ("first", "later", "memory")
#: What stands where a backend is not in this build.
NOT_MEASURED = "(not measured)"


class Key(NamedTuple):
    """What a figure is of: ``torch small on first``."""

    backend: str
    model: str
    jit: str
    figure: str

    @classmethod
    def of(cls, words: str) -> Key:
        """Read the words of a key. Raises :class:`ValueError` where there is no such figure."""
        match words.split():
            case [backend, model, jit, figure] if (
                backend in BACKENDS and model in MODELS and jit in JIT and figure in FIGURES
            ):
                return cls(backend, model, jit, figure)
        names = (" or ".join(words) for words in (BACKENDS, MODELS, JIT, FIGURES))
        raise ValueError(f"no figure '{words}': name {', then '.join(names)}")


Figures = dict[Key, float]


def figures(build: Build) -> Figures:
    """All figures of a build, in seconds and bytes."""
    found: Figures = {}
    for record in build.records.values():
        for backend, value in record.measured.get(COST_OF_JIT, {}).items():
            for model, by_jit in zip(MODELS, value, strict=True):
                for jit, numbers in zip(JIT, by_jit, strict=True):
                    for figure, number in zip(FIGURES, numbers, strict=True):
                        found[Key(backend, model, jit, figure)] = number
    return found


def phrase(words: str, found: Figures) -> str:
    """A figure in words, ``14 s``, or two of them with a slash between as a ratio, ``5.1``.

    Raises
    ------
    ValueError
        There is no such figure.
    """
    first, slash, second = words.partition("/")
    keys = [Key.of(part) for part in ([first, second] if slash else [first])]
    if any(key not in found for key in keys):
        return NOT_MEASURED
    numbers = [found[key] for key in keys]
    if slash:
        return rounded(numbers[0] / numbers[1])
    return in_sentence(numbers[0], keys[0].figure)


def rounded(number: float) -> str:
    """A number with two digits that count: ``0.040``, ``5.1``, ``12,000``."""
    two = float(f"{number:.2g}")
    return f"{two:,.0f}" if two >= 10 else f"{two:#.2g}" if two < 1 else f"{two:.1f}"


def in_column(number: float, figure: str) -> str:
    """A figure as a table holds it, without a unit: milliseconds or megabytes."""
    return f"{number / 1e6:,.0f}" if figure == "memory" else rounded(number * 1e3)


def in_sentence(number: float, figure: str) -> str:
    """A figure with its unit: seconds from one second on, milliseconds below, or megabytes."""
    space = "\N{NO-BREAK SPACE}"
    if figure == "memory":
        return f"{in_column(number, figure)}{space}MB"
    return f"{rounded(number)}{space}s" if number >= 0.995 else f"{in_column(number, figure)}{space}ms"
