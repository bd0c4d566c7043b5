"""What is found when a candidate's results are held against those of the documented version."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from mithril_docs.backends import BACKENDS
from mithril_docs.build.compare import apart
from mithril_docs.conformance.domain import Case, Domain
from mithril_docs.conformance.judge import program, size
from mithril_docs.page import Cell, Page
from mithril_docs.results import ModelResult, Result

#: What a finding means for the verdict: documented behavior breaks, the documentation must catch up, or nothing.
BREAKS, CATCH_UP, NOTE = "breaks", "documentation", "note"
#: How far apart two numbers may be that rounding alone set apart, times the larger of them and of 1e-3.
ROUNDING = 2e-4
#: The same for numbers of models, which no training has amplified. Those at 16 bits have fewer digits, at 64 more.
EXACT, HALF, FINE = 2e-6, 2e-3, 1e-9
_NUMBER = re.compile(
    r"(?<![\w.])[-+−]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?(?![\w])|(?<![\w.])[-+]?(?:nan|inf)(?!\w)"
)
#: What stands where a picture would.
_PICTURES = ("image/png", "image/svg+xml", "image/jpeg")
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that the candidate does otherwise.

    Attributes
    ----------
    area
        ``page``, ``model``, ``conformance``, ``parity``, ``api``, ``site``, ``speed``, ``package`` or ``run``.
    severity
        :data:`BREAKS`, :data:`CATCH_UP` or :data:`NOTE`.
    where
        The page, the model or the object.
    backend
        The backend, empty where it is no matter of one.
    cell
        The page's code cell, 0 where it is none of them.
    what
        One line that says what differs.
    was, now
        What the documented version and the candidate gave, where that can be shown.
    reach
        The changes of the candidate that it can come from: ``file:name``.
    program
        Python to paste that shows it; empty where there is none, or where the card of the model makes one.
    """

    area: str
    severity: str
    where: str
    backend: str
    cell: int
    what: str
    was: str = ""
    now: str = ""
    reach: tuple[str, ...] = ()
    program: str = ""


def moved(was: str, now: str, tolerance: float = ROUNDING) -> str:
    """How a text differs from another, in words; empty where only rounding sets them apart.

    Numbers are compared as numbers: they may differ by ``tolerance`` times the larger of them, or by one in the last
    place that is printed where at least four digits are.
    """
    if was == now:
        return ""
    first, second = _ADDRESS.sub("0x", was), _ADDRESS.sub("0x", now)
    # NumPy pads numbers, so how much space is between them depends on their digits.
    skeletons = ["".join(_NUMBER.sub("#", text).split()) for text in (first, second)]
    if skeletons[0] != skeletons[1]:
        return "shows other words"
    numbers = list(zip(_NUMBER.findall(first), _NUMBER.findall(second), strict=True))
    apart_ = [(a, b) for a, b in numbers if a != b and not _is_rounding(a, b, tolerance)]
    if not apart_:
        return ""
    a, b = apart_[0]
    others = f", and {len(apart_) - 1} more" if len(apart_) > 1 else ""
    return f"{a} became {b}{_distance(a, b)}{others}"


def _is_rounding(a: str, b: str, tolerance: float) -> bool:
    x, y = _value(a), _value(b)
    if math.isnan(x) or math.isnan(y) or math.isinf(x) or math.isinf(y):
        return (math.isnan(x) and math.isnan(y)) or x == y
    if "." not in a and "e" not in a.lower() and "." not in b:
        return x == y
    if abs(x - y) <= tolerance * max(abs(x), abs(y), 1e-3):
        return True
    digits = min(len(re.sub(r"[eE].*|[^\d]", "", word).lstrip("0")) for word in (a, b))
    return digits >= 4 and abs(x - y) <= 1.001 * max(_last_place(a), _last_place(b))


def _value(word: str) -> float:
    return float(word.replace("−", "-"))


def _last_place(word: str) -> float:
    mantissa, _, exponent = word.lower().partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def _distance(a: str, b: str) -> str:
    x, y = _value(a), _value(b)
    if not math.isfinite(x) or not math.isfinite(y):
        return ""
    return f" (by {abs(x - y):.2g}, {abs(x - y) / abs(x):.2g} of it)" if x else f" (by {abs(x - y):.2g})"


def page_findings(
    page: Page, backend: str, was: Result, now: Result | None, reach: tuple[str, ...], parity: dict[str, float]
) -> Iterator[Finding]:
    """What a page gives otherwise on a backend.

    Parameters
    ----------
    page, backend
        What ran, and where.
    was, now
        The results of the documented version and of the candidate; None where it has none.
    reach
        The changes that the result can depend on.
    parity
        How far apart two values may be that the page records, by name.
    """

    def found(cell: int, what: str, first: str = "", second: str = "", severity: str = BREAKS) -> Finding:
        return Finding("page", severity, page.name, backend, cell, what, first, second, reach)

    if now is None:
        yield found(0, "was not executed")
        return
    for failure in now.failures:
        yield found(failure.cell, f"fails: {failure.cause}", _text(was.outputs.get(failure.cell, ())))
    broken = min((failure.cell for failure in now.failures), default=0)
    for cell in page.view(backend):
        if broken and cell.number >= broken:
            break  # what comes behind it is its consequence
        yield from _cell_findings(cell, was, now, found)
    for name, value in was.parity.items():
        if name in now.parity and (words := apart(value, now.parity[name], max(parity.get(name, ROUNDING), EXACT))):
            yield found(0, f"the value '{name}' {words}", _short(value), _short(now.parity[name]))
    if not now.failures:
        yield from _raised_findings(was, now, found)


def _cell_findings(cell: Cell, was: Result, now: Result, found: Any) -> Iterator[Finding]:
    first, second = was.outputs.get(cell.number, []), now.outputs.get(cell.number, [])
    if "timing" in cell.tags:
        return
    shown, came = _told(first), _told(second)
    for (kind, text), (other_kind, other) in zip(shown, came, strict=False):
        if kind != other_kind:
            yield found(cell.number, f"shows {other_kind} in the place of {kind}", text, other)
            return
        if kind in _PICTURES:
            if words := _other_picture(text, other):
                yield found(cell.number, words)
        elif words := moved(text, other):
            yield found(cell.number, f"output: {words}", text, other)
    if len(shown) != len(came):
        yield found(cell.number, f"shows {len(came)} outputs, not {len(shown)}", _text(first), _text(second))


def _told(outputs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The outputs of a cell, kind and text; what goes to standard error is no part of it."""
    told: list[tuple[str, str]] = []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            if output["name"] == "stderr":
                continue
            if told and told[-1][0] == "text":
                told[-1] = ("text", told[-1][1] + output["text"])
            else:
                told.append(("text", output["text"]))
        elif kind == "error":
            told.append(("error", f"{output['ename']}: {output['evalue']}"))
        else:
            data = output["data"]
            picture = next((name for name in ("image/svg+xml", *_PICTURES) if name in data), None)
            name = picture or next((name for name in ("text/html", "text/plain") if name in data), "")
            told.append((name or "data", str(data[name]) if name else json.dumps(data, sort_keys=True, default=str)))
    return told


def _text(outputs: Any) -> str:
    return "\n".join(text for kind, text in _told(list(outputs)) if kind not in _PICTURES)


def _other_picture(was: str, now: str) -> str:
    """How a picture differs: those of numbers may be apart by rounding, for their lines are numbers too."""
    if was == now:
        return ""
    if "<svg" not in was[:2000]:
        return "shows another picture"
    words = moved(was, now, 1e-2)
    return f"shows another picture: {words}" if words else ""


def _raised_findings(was: Result, now: Result, found: Any) -> Iterator[Finding]:
    """Errors that reached the page's code and were caught there."""
    first = [(one.cell, one.kind, one.message) for one in was.raised]
    second = [(one.cell, one.kind, one.message) for one in now.raised]
    for one, other in zip(first, second, strict=False):
        if one[:2] != other[:2]:
            yield found(one[0], f"raises {other[1]} in cell {other[0]}, not {one[1]}", one[2], other[2])
            return
        if words := moved(one[2], other[2]):
            yield found(one[0], f"the message of {one[1]} {words}", one[2], other[2])
    if len(first) != len(second):
        yield found(0, f"raises {len(second)} errors that its code catches, not {len(first)}")


def model_findings(
    name: str, backend: str, was: ModelResult, now: ModelResult | None, reach: tuple[str, ...]
) -> Iterator[Finding]:
    """What a model of the matrix does otherwise on a backend."""

    def found(what: str, first: Any = "", second: Any = "", severity: str = BREAKS) -> Finding:
        return Finding("model", severity, name, backend, 0, what, _short(first), _short(second), reach)

    if now is None:
        yield found("was not run")
        return
    for what in ("forward", "gradient", "jit"):
        yield from _verdict(what, getattr(was, what), getattr(now, what), found)
    for bits in was.precision:
        yield from _verdict(f"{bits} bits", was.precision[bits], now.precision.get(bits), found)
    for what, first, second, tolerance in (
        ("outputs", was.values, now.values, EXACT),
        ("gradients", was.gradients, now.gradients, EXACT),
        ("outputs with jit", was.jit_values, now.jit_values, EXACT),
    ):
        if first and second:
            yield from _values(what, first, second, tolerance, found)
    for what, told in was.variants.items():
        other = now.variants.get(what)
        if other is None:
            continue
        if isinstance(told, dict) and isinstance(other, dict):
            named = what if what.startswith("gradients") else f"outputs, {what},"
            yield from _values(named, told, other, _tolerance(what, told), found)
        elif told != other:
            gained = isinstance(told, str) and isinstance(other, dict)
            yield found(f"{what}: behaves otherwise", told, other, CATCH_UP if gained else BREAKS)


def case_findings(
    domain: Domain,
    backend: str,
    cases: list[Case],
    was: list[dict[str, Any]],
    now: list[dict[str, Any]] | None,
    reach: tuple[str, ...],
) -> Iterator[Finding]:
    """What a model does otherwise in the cases of conformance, by what differs: the plainest case of each.

    Parameters
    ----------
    domain, backend, cases
        What ran, and where.
    was, now
        What each case gave with the documented version and with the candidate; None where that has no results.
    reach
        The changes that the results can depend on.
    """
    if now is None:
        yield Finding("conformance", BREAKS, domain.model, backend, 0, "its cases were not run", reach=reach)
        return
    apart_: dict[str, list[tuple[Case, str, str, str, str]]] = {}
    for case, first, second in zip(cases, was, now, strict=True):
        for kind, words, one, other in _case(first, second, case.bits):
            apart_.setdefault(kind, []).append((case, kind, words, one, other))
    for kind, told in apart_.items():
        case, _, words, one, other = min(told, key=lambda row: size(domain, row[0]))
        code = program(domain, case, BACKENDS[backend], kind == "gradient")
        many = f" (in {len(told)} of {len(cases)} cases)"
        severity = CATCH_UP if kind == "gained" else BREAKS
        yield Finding("conformance", severity, domain.model, backend, 0, words + many, one, other, reach, code)


def _case(first: dict[str, Any], second: dict[str, Any], bits: int) -> Iterator[tuple[str, str, str, str]]:
    """How a case differs: a kind, words, and the two."""
    if first.get("offered", True) != second.get("offered", True):
        kind = "gained" if second.get("offered", True) else "error"
        yield kind, f"{bits} bits {'work now' if kind == 'gained' else 'work no more'}", "", ""
        return
    for what in ("error", "gradient_error"):
        one, other = first.get(what, ""), second.get(what, "")
        if one != other:
            kind = "gained" if one and not other else what
            words = (
                "gives a result now" if kind == "gained" else "gives another error" if one else "gives none any more"
            )
            yield kind, f"{'the gradient ' if what != 'error' else ''}{words}", one, other
            return
    for what, kind in (("outputs", "values"), ("gradients", "gradient")):
        for name, one in first.get(what, {}).items():
            other = second.get(what, {}).get(name)
            title = f"the gradient of '{name}'" if kind == "gradient" else f"'{name}'"
            if other is None:
                yield kind, f"{title} is not there", _short(one["values"]), ""
            elif (one["dtype"], one["shape"]) != (other["dtype"], other["shape"]):
                before, after = (f"{value['dtype']} {tuple(value['shape'])}" for value in (one, other))
                yield "type", f"{title} is {after}, not {before}", before, after
            elif words := apart(one["values"], other["values"], {16: HALF, 32: EXACT}.get(bits, FINE)):
                yield kind, f"{title} {words}", _short(one["values"]), _short(other["values"])
    if first.get("notes") != second.get("notes"):
        gone = set(first.get("notes", ())) >= set(second.get("notes", ()))
        before, after = (", ".join(value.get("notes", ())) or "nothing" for value in (first, second))
        yield "gained" if gone else "calls", f"{after}, not {before}", before, after


def _tolerance(what: str, values: dict[str, Any]) -> float:
    """How far numbers of a variant may be apart; what computes in 32 bits where 64 were asked for has 32."""
    if "16 bits" in what:
        return HALF
    return FINE if "64 bits" in what and any(_beyond_32(value) for value in values.values()) else EXACT


def _beyond_32(value: Any) -> bool:
    """Whether a value has a number with more digits than 32 bits hold."""
    try:
        numbers = np.asarray(value, float)
    except (TypeError, ValueError):
        return False
    with np.errstate(over="ignore"):
        return bool(np.any(np.isfinite(numbers) & (numbers.astype(np.float32) != numbers)))


def _verdict(what: str, first: str | None, second: str | None, found: Any) -> Iterator[Finding]:
    if first == second:
        return
    if first == "":
        yield found(f"{what} works no more: {second or 'nothing to do'}", "", second or "")
    elif second == "":
        yield found(f"{what} works now: {first or 'there was nothing to do'}", first or "", "", CATCH_UP)
    else:
        yield found(f"{what} fails with another message", first, second)


def _values(
    what: str, first: dict[str, Any], second: dict[str, Any], tolerance: float, found: Any
) -> Iterator[Finding]:
    if first.keys() != second.keys():
        yield found(f"{what} have other names", sorted(first), sorted(second))
        return
    for name in first:
        if words := apart(first[name], second[name], tolerance):
            yield found(f"{what} '{name}' {words}", first[name], second[name])
            return


def _short(value: Any) -> str:
    words = value if isinstance(value, str) else json.dumps(value, default=str)
    return words if len(words) <= 400 else f"{words[:380]} …"
