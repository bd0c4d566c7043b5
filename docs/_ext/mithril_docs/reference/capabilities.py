"""What each model can do on each backend: the matrix's results, read from the store and compared with NumPy's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

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

#: What came of a check: it works, it raises an error, it gives other numbers, there is nothing to do, it was not tried.
YES, NO, DIFFERS, NONE, UNTRIED = "yes", "no", "differs", "none", "not tried"

#: The order of reasons.
_ORDER = (DIFFERS, NO, YES, NONE)


@dataclasses.dataclass
class Verdict:
    """What came of a check: its mark, and the words behind an error or other numbers."""

    mark: str
    words: str = ""


class Level(StrEnum):
    """All that came of a model on a backend in one word, best first."""

    WORKS = "works"
    PARTLY = "partly"
    DIFFERS = "differs"
    FAILS = "fails"
    NOTHING = "nothing"


class Reason(NamedTuple):
    """Why a cell of the matrix is what it is: a mark, the checks that it holds for, and the words behind it."""

    mark: str
    checks: tuple[str, ...]
    words: str


class Summary(NamedTuple):
    """A cell of the matrix, with what is to be told of it: nothing where all is well."""

    level: Level
    reasons: tuple[Reason, ...] = ()


@dataclasses.dataclass
class Capability:
    """A model's card and what came of it.

    Attributes
    ----------
    card
        The card.
    results
        Backend to what its own options and inputs gave, None where the store has none that still holds.
    wrong
        Backend to what conformance found to be silently wrong there, with some options and inputs; a sentence each.
    """

    card: Card
    results: dict[str, ModelResult | None]
    wrong: dict[str, list[str]] = dataclasses.field(default_factory=dict)

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
            made["jit"] = Verdict(DIFFERS, f"{words} with jit from without")
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

    def summary(self, backend: str, bits: frozenset[str]) -> Summary:
        """All that came of the model on a backend, which offers these precisions; see :func:`offered_bits`."""
        if not self.card.build:
            return Summary(Level.NOTHING, (Reason(NONE, (), self.card.abstract),))
        checks = self.verdicts(backend)
        if checks["forward"].mark == UNTRIED:
            return Summary(Level.NOTHING, (Reason(NONE, (), "This build did not run it."),))
        precisions = {key: words for key, words in self.precisions(backend).items() if key in bits}
        checks |= {f"{key} bits": Verdict(NO if words else YES, words) for key, words in precisions.items()}
        silent = self.wrong.get(backend, []) if checks["forward"].mark != NO else []
        level = _level(
            {verdict.mark for verdict in checks.values()} | ({DIFFERS} if silent else set()), checks["forward"].mark
        )
        told = (NO, DIFFERS, YES) if level in (Level.PARTLY, Level.DIFFERS) else (NO, DIFFERS)
        grouped: dict[tuple[str, str], list[str]] = {}
        for name, verdict in checks.items():
            if verdict.mark in told:
                grouped.setdefault((verdict.mark, verdict.words), []).append(name)
        reasons = [Reason(mark, tuple(names), words) for (mark, words), names in grouped.items()]
        reasons += [Reason(DIFFERS, (), words) for words in silent]
        if uncompared := self._uncompared(backend):
            reasons.append(Reason(NONE, uncompared, "not compared, because NumPy raises an error here"))
        return Summary(level, tuple(sorted(reasons, key=lambda reason: _ORDER.index(reason.mark))))

    def _uncompared(self, backend: str) -> tuple[str, ...]:
        """The comparisons that were not made because NumPy raised an error where this backend did not."""
        reference, result = self.results.get("numpy"), self.results.get(backend)
        if reference is None or result is None or result.forward:
            return ()
        values = ("values",) if reference.forward else ()
        gradients = ("gradients",) if result.gradient == "" and (values or reference.gradient) else ()
        return values + gradients


def _level(marks: set[str], forward: str) -> Level:
    if forward == NO:
        return Level.FAILS
    if DIFFERS in marks:
        return Level.DIFFERS
    return Level.PARTLY if NO in marks else Level.WORKS


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


def offered_bits(models: Iterable[Capability], backend: str) -> frozenset[str]:
    """The precisions in which a backend runs at least one of the models."""
    return frozenset(bits for model in models for bits, words in model.precisions(backend).items() if not words)


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
    return Verdict(DIFFERS, f"{words} from NumPy's") if words else Verdict(YES)
