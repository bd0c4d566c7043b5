"""What each model can do on each backend: the matrix's results, read from the store and compared with NumPy's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from mithril_docs.backends import BACKENDS
from mithril_docs.build.compare import first_apart
from mithril_docs.models.cards import C, Card, model_file, model_key
from mithril_docs.results import Environment, ModelResult
from mithril_docs.store import CorruptEntryError, Store

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
TITLES = {name: row.title for name, row in BACKENDS.items()} | {C: "C"}

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
    results: dict[str, ModelResult | None]

    def verdicts(self, backend: str) -> dict[str, Verdict]:
        """Column to verdict on a backend."""
        result = self.results.get(backend)
        if result is None:
            return {column: Verdict(UNTRIED) for column in COLUMNS}
        made = {"forward": _verdict(result.forward)}
        if made["forward"].mark == NO:
            return made | {column: Verdict(NONE) for column in COLUMNS if column != "forward"}
        made |= {"gradient": _verdict(result.gradient), "jit": _verdict(result.jit)}
        if made["jit"].mark == YES and (words := first_apart(result.values, result.jit_values, TOLERANCE)):
            made["jit"] = Verdict(NO, f"{words} with jit from without")
        reference = self.results.get("numpy") if backend != "numpy" else None
        both = reference is not None and not reference.forward
        made["values"] = _compare(reference.values, result.values) if reference and both else Verdict(NONE)
        both = reference is not None and reference.gradient == result.gradient == ""
        made["gradients"] = _compare(reference.gradients, result.gradients) if reference and both else Verdict(NONE)
        return {column: made[column] for column in COLUMNS}

    def precisions(self, backend: str) -> dict[str, str]:
        """Bits to an empty string where the model runs in that precision, else to the error's last line."""
        result = self.results.get(backend)
        return result.precision if result else {}


def read(cards: list[Card], store: Store, environments: dict[str, Environment]) -> dict[str, Capability]:
    """The capabilities of all models with a card, by name."""
    found = {}
    for card in cards:
        results = {name: _read(card, name, store, row) for name, row in environments.items() if not row.error}
        if "numpy" in results and (on_c := _read(card, C, store, environments["numpy"])):
            results[C] = on_c  # where there was a compiler
        found[card.name] = Capability(card, results)
    return found


def _read(card: Card, backend: str, store: Store, environment: Environment) -> ModelResult | None:
    try:
        kept = store.read_model(model_file(backend, card.name)) if card.build else None
    except CorruptEntryError:
        return None
    return kept if kept and kept.key == model_key(card, backend, environment) else None


def lacking(capability: Capability) -> Iterator[str]:
    """Backends that a card promises to have been run on, and was not, in a line each."""
    for name, result in capability.results.items():
        if capability.card.build and result is None:
            yield f'{capability.card.name} was not run on {TITLES[name]}; run nox -s "execute({name})"'


def _verdict(words: str | None) -> Verdict:
    if words is None:
        return Verdict(NONE)
    return Verdict(NO, words) if words else Verdict(YES)


def _compare(wanted: dict[str, object], found: dict[str, object]) -> Verdict:
    words = first_apart(wanted, found, TOLERANCE)
    return Verdict(NO, f"{words} from NumPy's") if words else Verdict(YES)
