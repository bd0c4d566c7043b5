"""What each model can do on each backend: the matrix's results, read from the store and compared with NumPy's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from mithril_docs import matrix
from mithril_docs.backends import BACKENDS
from mithril_docs.c_library import C
from mithril_docs.cards import Card
from mithril_docs.store import CorruptEntryError, Environment, Store

#: Values and gradients agree where they differ by no more than this times the larger of 1 and NumPy's own.
TOLERANCE = 1e-4
#: What the matrix says of a model on a backend, in the order of its columns.
COLUMNS = {
    "forward": "Forward",
    "gradient": "Gradient",
    "jit": "jit",
    "values": "Same values",
    "gradients": "Same gradients",
}

#: What readers see of each backend that models run on.
TITLES = {name: row.title for name, row in BACKENDS.items()} | {C.name: C.title}

#: Marks of a cell: it can, it cannot, there is nothing to do, this build did not try.
YES, NO, NONE, UNTRIED = "yes", "no", "none", "not tried"


@dataclasses.dataclass
class Verdict:
    """A cell of the matrix: its mark, and the words behind a "no"."""

    mark: str
    words: str = ""


@dataclasses.dataclass
class Capability:
    """A model's card and what came of it: backend to its result, None where the store has none that still holds."""

    card: Card
    results: dict[str, dict[str, Any] | None]

    def verdicts(self, backend: str) -> dict[str, Verdict]:
        """Column to verdict on a backend."""
        result = self.results.get(backend)
        if result is None:
            return {column: Verdict(UNTRIED) for column in COLUMNS}
        made = {"forward": _verdict(result, "forward")}
        if made["forward"].mark == NO:
            return made | {column: Verdict(NONE) for column in COLUMNS if column != "forward"}
        made |= {column: _verdict(result, column) for column in ("gradient", "jit")}
        reference = self.results.get("numpy") if backend != "numpy" else None
        for column, after in (("values", "forward"), ("gradients", "gradient")):
            comparable = reference and made[after].mark == YES and _verdict(reference, after).mark == YES
            made[column] = _compare(reference[column], result[column]) if reference and comparable else Verdict(NONE)
        return {column: made[column] for column in COLUMNS}

    def precisions(self, backend: str) -> dict[str, str]:
        """Bits to an empty string where the model runs in that precision, else to the error's last line."""
        return (self.results.get(backend) or {}).get("precision", {})


def read(cards: list[Card], store: Store, environments: dict[str, Environment]) -> dict[str, Capability]:
    """The capabilities of all models with a card, by name."""
    found = {}
    for card in cards:
        results = {name: _read(card, name, store, row) for name, row in environments.items() if not row.error}
        if "numpy" in results and (on_c := _read(card, C.name, store, environments["numpy"])):
            results[C.name] = on_c  # where there was a compiler
        found[card.name] = Capability(card, results)
    return found


def _read(card: Card, backend: str, store: Store, environment: Environment) -> dict[str, Any] | None:
    try:
        kept = store.read_file(matrix.path(backend, card.name)) if card.build else None
    except CorruptEntryError:
        return None
    return kept if kept and kept["key"] == matrix.key(card, backend, environment) else None


def lacking(capability: Capability) -> Iterator[str]:
    """Backends that a card promises to have been run on, and was not, in a line each."""
    for name, result in capability.results.items():
        if capability.card.build and result is None:
            yield f'{capability.card.name} was not run on {TITLES[name]}; run nox -s "execute({name})"'


def _verdict(result: dict[str, Any], column: str) -> Verdict:
    words = result.get(column)
    if words is None:
        return Verdict(NONE)
    return Verdict(NO, words) if words else Verdict(YES)


def _compare(wanted: dict[str, Any], found: dict[str, Any]) -> Verdict:
    for name in sorted(wanted.keys() | found.keys()):
        if name not in wanted or name not in found:
            return Verdict(NO, f"'{name}' is only there on one of them")
        try:
            a, b = np.asarray(wanted[name], float), np.asarray(found[name], float)
        except (TypeError, ValueError):  # no numbers: a data type, for example
            if wanted[name] != found[name]:
                return Verdict(NO, f"'{name}' is {found[name]}, NumPy's is {wanted[name]}")
            continue
        if a.shape != b.shape:
            return Verdict(NO, f"'{name}' has shape {b.shape}, NumPy's has {a.shape}")
        if not np.allclose(b, a, 0, TOLERANCE * np.maximum(1, np.abs(np.nan_to_num(a))), equal_nan=True):
            return Verdict(NO, f"'{name}' differs by {np.nanmax(np.abs(b - a)):.3g}")
    return Verdict(YES)
