"""Which cases are run: every two values of options meet. To prove all, those of inputs do too, and more are drawn."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
import warnings
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from allpairspy import AllPairs
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from mithril_docs.conformance.domain import BITS, Case, Domain
from mithril_docs.conformance.values import Draw

#: Turns of precision and of whether the shapes are told: none of these needs a case of its own.
WAYS = [(32, False), (64, True), (16, False), (32, True), (64, False), (32, False), (16, True)]
#: Cases of a model that are run where not all is proved, spread evenly over the others.
MOST = 16
#: Cases of each known defect that are always run, so that one that is gone is missed.
WITNESSES = 2
#: Kinds of arrays that show what options do.
USUAL = ("normal", "positive", "unit", "some_zeros", "distribution", "onehot", "signs", "covariance")
#: Combinations that are looked through where not all are allowed: all, or so many of them.
LOOKED = 20_000
#: Cases for one meeting, of which that is taken in which most others meet.
SEVERAL = 20
#: An input, or two values of options or inputs that meet: of each, the place of its list and its place there.
Meeting = tuple[tuple[int, int], ...]


def cases(domain: Domain, more: int = 0, pinned: Iterable[Callable[[Case], bool]] = ()) -> list[Case]:
    """The cases of a model, the same in every run: of a list in which every two values of its options meet and each
    input is there, :data:`MOST`.

    Parameters
    ----------
    more
        Where it is not 0, all of these, those in which each two values of options and inputs meet, and so many more.
    pinned
        Conditions of known defects: some cases of each are there in any case.
    """
    found = dict.fromkeys(_sampled(domain))
    if found and not more:
        found = dict.fromkeys([*found][:: -(-len(found) // (domain.sample or MOST))])
    conditions = list(pinned)
    if more or conditions:
        paired, turns = _paired(domain), list(dict.fromkeys(WAYS))
        for condition in conditions:
            fitting = [case for case in [*found, *paired] if condition(case)]
            if not fitting:  # one of three values, or that names the precision, may fit none as its turn came
                every = (dataclasses.replace(case, bits=b, told=t) for case in _combinations(domain) for b, t in turns)
                fitting = list(itertools.islice((c for c in every if domain.allows(c) and condition(c)), WITNESSES))
            found |= dict.fromkeys(fitting[:: max(1, len(fitting) // WITNESSES)][:WITNESSES])
        if more:
            found |= dict.fromkeys(paired) | dict.fromkeys(_drawn(domain, more))
    return list(found)


def _options(domain: Domain) -> list[tuple[int, ...]]:
    """Rows of options in which every two values meet, whatever inputs they are for."""
    factors = [list(range(len(values))) for values in domain.options.values()]
    if len(factors) < 2:
        return [(place,) for place in factors[0]] if factors else [()]
    return [tuple(row) for row in AllPairs(factors)]


def _sampled(domain: Domain) -> list[Case]:
    """A case for each row of options and for each input at least: the other of the two takes turns.

    A row that does not fit its turn of the other goes with the next one that it fits.
    """
    rows, inputs = _options(domain), range(len(domain.inputs))
    found: list[Case] = []
    ways = itertools.cycle(WAYS)

    def take(candidates: Iterable[tuple[int, tuple[int, ...]]]) -> None:
        for place, row in candidates:
            if domain.allows(Case(place, row)):
                found.append(Case(place, row, *next(ways)))
                return

    for turn, row in enumerate(rows):
        take(((turn + step) % len(inputs), row) for step in inputs)
    placed = len(found)
    for place in sorted(set(inputs) - {case.inputs for case in found}):
        take((place, rows[(place + step) % len(rows)]) for step in range(len(rows)))
    if placed < len(rows) or {case.inputs for case in found} != set(inputs):
        found += [Case(case.inputs, case.options, *next(ways)) for case in _lacking(domain, found, whole=False)]
    # Its turn may have given a row an input that shows little of it: integers, which have no gradient, or nothing but
    # zeros, or a precision that a backend lacks. Such a row meets the plainest input that it fits, too.
    told = {case.options for case in found if case.bits != 64 and _tells(domain.inputs[case.inputs])}
    for row in dict.fromkeys(case.options for case in found if case.options not in told):
        plainest = next(Case(place, row) for place in inputs if domain.allows(Case(place, row)))
        found += [plainest] if plainest not in found else []
    return found


def _tells(inputs: dict[str, Any]) -> bool:
    """Whether inputs show what options do: each array has several numbers of a usual kind."""
    arrays = [value for value in inputs.values() if isinstance(value, Draw)]
    return all(value.kind in USUAL and np.prod(value.shape) > 1 for value in arrays)


def _paired(domain: Domain) -> list[Case]:
    """Cases in which every two values meet that the definition allows together, those of inputs too."""
    factors = [list(range(len(domain.inputs))), *(list(range(len(values))) for values in domain.options.values())]
    rows = [list(row) for row in AllPairs(factors)] if len(factors) > 1 else [[n] for n in factors[0]]
    every = [Case(row[0], tuple(row[1:])) for row in rows]
    found = [case for case in every if domain.allows(case)]
    if len(found) < len(every):
        found += _lacking(domain, found, whole=True)
    return [Case(case.inputs, case.options, *way) for case, way in zip(found, itertools.cycle(WAYS))]


def _lacking(domain: Domain, found: list[Case], whole: bool) -> list[Case]:
    """Cases for what can meet and does not: each input, every two options, and with ``whole`` options and inputs.

    All pairs of a list do not say what to do where a row of them is not allowed: its pairs may be in others.
    """
    allowed = [case for case in _combinations(domain) if domain.allows(case)]
    met = {meeting for case in found for meeting in _meetings(case, whole)}
    holders: dict[Meeting, list[Case]] = {}
    for case in allowed:
        for meeting in _meetings(case, whole):
            if meeting not in met:
                holders.setdefault(meeting, []).append(case)
    added = []
    while holders:
        first = next(iter(holders.values()))[:SEVERAL]
        best = max(first, key=lambda case: sum(meeting in holders for meeting in _meetings(case, whole)))
        for meeting in _meetings(best, whole):
            holders.pop(meeting, None)
        added.append(best)
    return added


def _combinations(domain: Domain) -> Iterable[Case]:
    """All of inputs and options where these are not too many; else some, the same in every run."""
    sizes = [len(domain.inputs), *(len(values) for values in domain.options.values())]
    if math.prod(sizes) <= LOOKED:
        rows: Iterable[tuple[int, ...]] = itertools.product(*map(range, sizes))
    else:
        rng = random.Random(zlib.crc32(domain.model.encode()))
        rows = (tuple(rng.randrange(size) for size in sizes) for _ in range(LOOKED))
    return (Case(row[0], row[1:]) for row in rows)


def _meetings(case: Case, whole: bool) -> list[Meeting]:
    """The input of a case, every two of its options, and with ``whole`` each option with the input."""
    options = list(enumerate(case.options, 1))
    met: list[Meeting] = [((0, case.inputs),), *itertools.combinations(options, 2)]
    return [*met, *(((0, case.inputs), option) for option in options)] if whole else met


def _strategy(domain: Domain) -> st.SearchStrategy[Case]:
    places = [st.integers(0, len(values) - 1) for values in domain.options.values()]
    return st.builds(
        Case,
        st.integers(0, len(domain.inputs) - 1),
        st.tuples(*places),
        st.sampled_from(BITS),
        st.booleans(),
        st.just(False),
    ).filter(domain.allows)


def _drawn(domain: Domain, count: int) -> list[Case]:
    found: dict[Case, None] = {}

    @seed(zlib.crc32(domain.model.encode()))
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(_strategy(domain))
    def note(case: Case) -> None:
        found[case] = None

    with warnings.catch_warnings(action="ignore"):
        note()
    return list(found)
