"""The cards of models: what a page says of a model beside its card, and how the matrix runs it.

A card stands in a page as a directive that names a class of ``mithril.models``::

    :::{model} Where
    :build: Where()
    :inputs: cond=booleans(3), input1=normal(2, 3), input2=normal(3)
    :::

Both options are Python: ``build`` makes the model, and ``inputs`` gives each input that has no value of its own; see
:data:`MAKERS` for what makes arrays. ``data`` names those of them that no gradient is asked for, beside what is not a
floating-point array. ``abstract`` says why a class is not run, ``harmless`` why it has no edge case.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mithril_docs.blocks import entries
from mithril_docs.page import Cell, Page
from mithril_docs.results import Environment
from mithril_docs.store import code_digest, digest_of


@dataclasses.dataclass(frozen=True)
class Card:
    """A card in a page.

    Attributes
    ----------
    name
        The class in ``mithril.models``.
    page, line
        Where the card stands.
    build, inputs
        Python that makes the model and its inputs; no ``build`` where the class is not run.
    data
        Inputs that no gradient is asked for.
    abstract
        Why the class is not run; empty for all others.
    harmless
        Why the card shows no edge case; empty where it shows one.
    cells
        The code cells from this card to the next.
    """

    name: str
    page: str
    line: int
    build: str
    inputs: str
    data: tuple[str, ...]
    abstract: str
    harmless: str
    cells: tuple[Cell, ...]

    @property
    def where(self) -> tuple[str, int]:
        """The place of the card, for a warning."""
        return self.page, self.line

    @property
    def edges(self) -> list[Cell]:
        """The cells that show an edge case: those that must fail, and those tagged ``edge``."""
        return [cell for cell in self.cells if "edge" in cell.tags or cell.metadata.get("raises")]

    @property
    def examples(self) -> list[Cell]:
        """The cells that show the model at work: they name it and are no edge case."""
        named = re.compile(rf"\b{self.name}\b")
        return [cell for cell in self.cells if cell not in self.edges and named.search(cell.source)]


def cards(page: Page) -> Iterator[Card]:
    """The cards of a page in order."""
    for entry in entries(page, "model"):
        words = {key: entry.options.get(key, "") for key in ("build", "inputs", "abstract", "harmless")}
        data = tuple(entry.options.get("data", "").replace(",", " ").split())
        yield Card(entry.argument, page.name, entry.line, data=data, cells=entry.cells, **words)


class _Makers:
    """Arrays for inputs, the same in every process: what an input gets depends on its place alone."""

    def __init__(self, seed: str) -> None:
        self._rng = np.random.default_rng(zlib.crc32(seed.encode()))

    def normal(self, *shape: int) -> np.ndarray:
        """Standard normal numbers."""
        return self._rng.normal(size=shape)

    def positive(self, *shape: int) -> np.ndarray:
        """Numbers from 0.5 to 2."""
        return self._rng.uniform(0.5, 2, size=shape)

    def unit(self, *shape: int) -> np.ndarray:
        """Numbers from 0.05 to 0.95."""
        return self._rng.uniform(0.05, 0.95, size=shape)

    def signs(self, *shape: int) -> np.ndarray:
        """-1.0 or 1.0."""
        return np.where(self._rng.normal(size=shape) > 0, 1.0, -1.0)

    def integers(self, high: int, *shape: int) -> np.ndarray:
        """Whole numbers from 0 to ``high`` - 1."""
        return self._rng.integers(high, size=shape)

    def booleans(self, *shape: int) -> np.ndarray:
        """Truth values."""
        return self._rng.normal(size=shape) > 0

    def onehot(self, n: int, classes: int) -> np.ndarray:
        """``n`` rows with one 1.0 each."""
        return np.eye(classes)[self._rng.integers(classes, size=n)]

    def distribution(self, *shape: int) -> np.ndarray:
        """Positive numbers whose last axis adds up to 1."""
        raw = self._rng.uniform(0.1, 1, size=shape)
        return raw / raw.sum(axis=-1, keepdims=True)

    def covariance(self, n: int) -> np.ndarray:
        """A symmetric, positive definite matrix."""
        root = self._rng.normal(size=(n, n))
        return root @ root.T + n * np.eye(n)


#: What ``inputs`` of a card may call.
MAKERS = tuple(name for name in vars(_Makers) if not name.startswith("_"))


def make_inputs(card: Card) -> dict[str, Any]:
    """The inputs of a card's model: NumPy arrays, and plain values for inputs that are no tensors."""
    makers = _Makers(card.name)
    names: dict[str, Callable[..., Any]] = {name: getattr(makers, name) for name in MAKERS}
    return eval(f"dict({card.inputs})", {"np": np, **names})


@functools.cache
def _namespace() -> dict[str, Any]:
    import mithril
    import mithril.models

    return {"ml": mithril, **vars(mithril.models)}


def build_model(card: Card) -> Any:
    """The model of a card, made anew."""
    return eval(card.build, dict(_namespace()))


#: The C backend's models run in NumPy's environment: it runs no page, and is no row of the table of backends.
C = "c"


def home(backend: str) -> str:
    """The backend whose environment a backend's models run in."""
    return "numpy" if backend == C else backend


def model_key(card: Card, backend: str, environment: Environment) -> str:
    """What a model's result depends on: its card, the backend, the environment and the code that runs it."""
    told = [card.name, card.build, card.inputs, card.data]
    return digest_of(told, backend, environment.digest, code_digest("execute", "models"))


def model_file(backend: str, name: str) -> str:
    """Where a model's result stands in the store: with all that the backend's environment made."""
    folder = "models" if home(backend) == backend else f"models-{backend}"
    return f"{home(backend)}/{folder}/{name}.json"
