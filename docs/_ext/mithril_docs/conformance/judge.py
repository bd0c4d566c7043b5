"""Compare what backends gave with what is right, and bring what differs under its causes.

Two numbers agree where they differ by no more than :data:`ROUNDINGS` rounding errors of the larger of 1 and the right
one, and :data:`SPREAD` times what a rounding error of the inputs changes. Gradients get :data:`DIFFERENCES` besides,
for the right one is a finite difference. Nothing in a verdict is a time.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import itertools
import math
import pprint
import re
import textwrap
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mithril_docs.backends import BACKENDS, Backend
from mithril_docs.conformance.domain import BITS, Case, Domain
from mithril_docs.conformance.reference import EPS, trainable
from mithril_docs.conformance.values import Draw

#: Rounding errors that a result may be off by: a few for each of some tens of operations.
ROUNDINGS = 64
#: How much more a backend may lose than one rounding error in each input does: operations round in between, too.
SPREAD = 16
#: Relative error of a finite difference in 64 bits, by far on the safe side.
DIFFERENCES = 1e-4
#: Columns of a program.
WIDTH = 88
#: Kinds of faults that no error tells of.
SILENT = ("values", "shape", "dtype", "gradient", "accepts", "calls", "choice")


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing that a backend does otherwise than is right.

    Attributes
    ----------
    model, backend, case
        Where.
    kind
        ``values``, ``shape``, ``dtype``, ``gradient``; ``accepts``: it gives a value where there is none; ``calls``:
        calls change what they should not; ``choice``: several gradients are right and backends give different ones;
        ``raises``: it gives none where there is one; ``dies``.
    what
        The output or input.
    words
        What it does, in words.
    """

    model: str
    backend: str
    case: Case
    kind: str
    what: str
    words: str


@dataclasses.dataclass(frozen=True)
class Defect:
    """A cause that is known: a person looked at it, and a page shows it.

    Attributes
    ----------
    name
        A few words with hyphens.
    title
        One sentence: what is wrong, on which backend.
    models, backends, kinds
        What it covers.
    when
        A Python expression over the options and inputs by name, ``bits`` and ``told``; empty where all.
    page
        The page, with an anchor, that shows it by a cell.
    source
        The file that says so.
    """

    name: str
    title: str
    models: tuple[str, ...]
    backends: tuple[str, ...]
    kinds: tuple[str, ...]
    when: str
    page: str
    source: str

    def covers(self, fault: Fault, domain: Domain) -> bool:
        """Whether a fault is of this cause."""
        return (
            fault.model in self.models
            and fault.backend in self.backends
            and fault.kind in self.kinds
            and self.holds(domain, fault.case)
        )

    def holds(self, domain: Domain, case: Case) -> bool:
        """Whether its condition is true of a case."""
        try:
            return not self.when or bool(eval(_compiled(self.when), {"np": np, "math": math, **names(domain, case)}))
        except Exception as error:
            told = f"{self.source}, [{self.name}]: when, for {domain.model}: {type(error).__name__}: {error}"
            raise DefectsError(told) from None


class DefectsError(Exception):
    """A file of defects is not as it should be; the message says where and how."""


def read_defects(folder: Path) -> list[Defect]:
    """The defects of all files in a folder. Raises :class:`DefectsError`."""
    found: dict[str, Defect] = {}
    wanted = {field.name for field in dataclasses.fields(Defect)} - {"source", "name"}
    for path in sorted(folder.glob("*.toml")):
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise DefectsError(f"{path.name}: {error}") from None
        for name, given in content.items():
            where = f"{path.name}, [{name}]"
            if not isinstance(given, dict):
                raise DefectsError(f"{path.name}: {name} stands outside of any defect")
            entry: dict[str, Any] = {"when": "", "page": ""} | given
            if entry.keys() != wanted:
                told = ", ".join(sorted(entry.keys() ^ wanted))
                raise DefectsError(f"{where}: a defect has {', '.join(sorted(wanted))}; look at {told}")
            if name in found:
                raise DefectsError(f"{where}: {found[name].source} has a defect of that name")
            if problem := _problem(entry):
                raise DefectsError(f"{where}: {problem}")
            lists: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
            }
            found[name] = Defect(name=name, source=path.name, **lists)
    return list(found.values())


@functools.cache
def _compiled(when: str) -> Any:
    """A condition, compiled once for all cases that it is asked of."""
    return compile(when, "when", "eval")


def _problem(entry: dict[str, Any]) -> str:
    """What is wrong with the values of a defect; empty where nothing is."""
    allowed = {"models": None, "backends": tuple(BACKENDS), "kinds": (*SILENT, "dies", "raises")}
    for key, value in entry.items():
        if key not in allowed:
            if not isinstance(value, str):
                return f"{key} is no text"
            continue
        if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
            return f"{key} is no list of names"
        if unknown := [word for word in value if word not in (allowed[key] or value)]:
            return f"{key}: {', '.join(unknown)} is none of {', '.join(allowed[key] or ())}"
    try:
        _compiled(entry["when"] or "None")
    except SyntaxError as error:
        return f"when is no Python: {error.msg}"
    return ""


def names(domain: Domain, case: Case) -> dict[str, Any]:
    """What the condition of a defect may name: options, inputs (draws), ``bits``, ``told`` and ``jit``."""
    return {**domain.chosen(case), **domain.inputs[case.inputs]} | {
        "bits": case.bits, "told": case.told, "jit": case.jit, "draws": domain.inputs[case.inputs],
    }  # fmt: skip


def faults(domain: Domain, case: Case, right: dict[str, Any], came: dict[str, dict[str, Any]]) -> list[Fault]:
    """What backends do otherwise than is right in one case.

    Parameters
    ----------
    right
        What :func:`mithril_docs.conformance.reference.right` says.
    came
        Backend to what :func:`mithril_docs.conformance.run.run_cases` gave.
    """
    found = []
    for backend, result in came.items():
        for kind, what, words in _judged(domain, case, right, result):
            found.append(Fault(domain.model, backend, case, kind, what, words))
    if not right.get("random"):
        found += _choices(domain, case, right, came)
    return found


def _judged(domain: Domain, case: Case, right: Any, result: Any) -> Iterator[tuple[str, str, str]]:
    slack, named = domain.slack, domain.dtype(**domain.chosen(case))
    if not result.get("offered", True):
        return
    error = result.get("error", "")
    if "refuses" in right:
        if not error:
            given = next(iter(result["outputs"].values()))
            yield "accepts", "", f"gives {_short(given['values'])}, though {right['refuses']}"
        return
    if error:
        yield ("dies" if error.startswith("the process died") else "raises"), "", error
        return
    outputs = result["outputs"]
    if right["outputs"].keys() == {"output"} and "output" not in outputs and len(outputs) == 1:
        outputs = {"output": next(iter(outputs.values()))}
    for name, wanted in right["outputs"].items():
        if name not in outputs:
            yield "values", name, f"has no output '{name}', but {', '.join(outputs)}"
            continue
        yield from _output(name, wanted, outputs[name], case.bits, slack, bool(right.get("random")), named)
    for note in result["notes"]:
        yield "calls", "", note
    if right["gradients"] and not _overflows(right["outputs"], case.bits):
        if "gradient_error" in result:
            yield "raises", "gradient", result["gradient_error"]
            return
        for name, wanted in right["gradients"].items():
            if "gradients" in result:
                yield from _gradient(name, wanted, result["gradients"].get(name), case.bits, slack)


def _overflows(outputs: dict[str, Any], bits: int) -> bool:
    """Whether an output is beyond the numbers of a precision: what flows back from it is anybody's."""
    most = float(np.finfo(f"float{bits}").max)
    return any(o["kind"] == "f" and any(most < abs(v) < math.inf for v in o["values"]) for o in outputs.values())


def _output(
    name: str, wanted: Any, given: Any, bits: int, slack: float, random: bool, named: str | None
) -> Iterator[tuple[str, str, str]]:
    kind, dtype = wanted["kind"], given["dtype"]
    if kind == "O":
        if str(given["values"]) != str(wanted["values"]):
            yield "values", name, f"is {_short(given['values'])}, not {_short(wanted['values'])}"
        return
    fits = {"f": (f"float{bits}", "float"), "b": ("bool",), "i": ("int", "int8", "int16", "int32", "int64", "uint8",
            "uint16", "uint32", "uint64"), "u": ("uint8", "uint16", "uint32", "uint64")}[kind]  # fmt: skip
    if named:
        fits = (named,)
    if dtype not in fits:
        yield "dtype", name, f"is {dtype}, not {fits[0]}"
    if given["shape"] != wanted["shape"]:
        yield "shape", name, f"has shape {tuple(given['shape'])}, not {tuple(wanted['shape'])}"
        return
    if random:
        return
    a, b = np.asarray(wanted["values"], float), np.asarray(given["values"], float)
    bound = slack * (ROUNDINGS * EPS[bits] * np.maximum(1, np.abs(a)) + SPREAD * np.asarray(wanted["slack"]))
    if words := _apart(a, b, a, bound, bits):
        yield "values", name, words


def _gradient(name: str, wanted: Any, given: Any, bits: int, slack: float) -> Iterator[tuple[str, str, str]]:
    if given is None:
        yield "gradient", name, "is not there"
        return
    if given["shape"] != wanted["shape"]:
        yield "gradient", name, f"has shape {tuple(given['shape'])}, not {tuple(wanted['shape'])}"
        return
    known = np.array([low is not None for low in wanted["low"]], bool)
    low, high, b = (
        np.array([0.0 if value is None else value for value in values], float)[known]
        for values in (wanted["low"], wanted["high"], given["values"])
    )
    largest = max(1.0, float(np.max(np.abs(low), initial=0)), float(np.max(np.abs(high), initial=0)))
    bound = slack * ((ROUNDINGS * EPS[bits] + DIFFERENCES) * largest + SPREAD * np.array(wanted["slack"], float)[known])
    if words := _apart(low, b, high, bound, bits):
        yield "gradient", name, words


def _apart(low: Any, given: Any, high: Any, bound: Any, bits: int) -> str:
    """How numbers do not lie between two others, widened by a bound; empty where all do."""
    most = float(np.finfo(f"float{bits}").max)
    with np.errstate(invalid="ignore"):
        beyond = (np.abs(low) >= most * 0.99) & np.isfinite(low) & (given * np.sign(low) >= most * 0.99)
        same = (given == low) | (np.isnan(given) & np.isnan(low)) | beyond
        inside = (given >= low - bound) & (given <= high + bound)
        wrong = ~(same | inside)
    if not wrong.any():
        return ""
    place = int(np.argmax(wrong))
    many = f" ({int(wrong.sum())} of {wrong.size} elements)" if wrong.size > 1 else ""
    span = f"{_number(low[place])}" if low[place] == high[place] or np.isnan(low[place]) else (
        f"from {_number(low[place])} to {_number(high[place])}"
    )  # fmt: skip
    return f"is {_number(given[place])}, not {span}, at element {place}{many}"


def _choices(domain: Domain, case: Case, right: Any, came: dict[str, Any]) -> Iterator[Fault]:
    """Where several gradients are right: who gives another than the first backend does."""
    for name, wanted in right.get("gradients", {}).items():
        kinks = [
            n for n, (a, b) in enumerate(zip(wanted["low"], wanted["high"], strict=True)) if a is not None and a < b
        ]
        given = {k: r["gradients"][name]["values"] for k, r in came.items() if name in r.get("gradients", {})}
        if not kinks or len(given) < 2:
            continue
        first, *others = given
        for other in others:
            for place in kinks:
                if len(given[other]) != len(given[first]):
                    continue
                a, b = given[first][place], given[other][place]
                if not math.isclose(a, b, rel_tol=1e-3 + ROUNDINGS * EPS[case.bits], abs_tol=1e-3):
                    words = f"is {_number(b)}, and {_number(a)} on {first}, at element {place}: both are right"
                    yield Fault(domain.model, other, case, "choice", name, words)
                    break


def _number(value: float) -> str:
    return f"{float(value):.6g}".replace("nan", "NaN")


def _short(value: Any) -> str:
    words = str(value)
    return words if len(words) < 100 else f"{words[:97]}…"


@dataclasses.dataclass(frozen=True)
class Group:
    """Faults that look like one cause: what they share, and the smallest of them."""

    model: str
    backends: tuple[str, ...]
    kind: str
    what: str
    condition: str
    count: int
    first: Fault


#: Backend to the precisions that it can be made with.
Offered = dict[str, set[int]]


def grouped(
    found: Iterable[Fault], tried: dict[str, list[Case]], known: dict[str, Domain], offered: Offered
) -> list[Group]:
    """Bring faults together by model, kind, output and backend, and name the values that they share."""
    apart: dict[tuple[str, str, str, str], list[Fault]] = {}
    for fault in found:
        apart.setdefault((fault.model, fault.kind, fault.what, fault.backend), []).append(fault)
    merged: dict[tuple[str, str, str, str], list[tuple[str, list[Fault]]]] = {}
    for (model, kind, what, backend), members in apart.items():
        ran = [case for case in tried[model] if case.bits in offered[backend]]
        condition = _condition(known[model], {fault.case for fault in members}, ran)
        merged.setdefault((model, kind, what, condition), []).append((backend, members))
    groups = []
    for (model, kind, what, condition), parts in merged.items():
        every = [fault for _, members in parts for fault in members]
        first = min(every, key=lambda fault: size(known[fault.model], fault.case))
        backends = tuple(backend for backend, _ in parts)
        groups.append(Group(model, backends, kind, what, condition, len(every), first))
    return sorted(groups, key=lambda group: (group.kind not in SILENT, group.model, group.kind, group.what))


def size(domain: Domain, case: Case) -> tuple[Any, ...]:
    """How much of a case there is to read: by this, the smallest of several is shown."""
    elements = sum(int(np.prod(v.shape)) for v in domain.inputs[case.inputs].values() if isinstance(v, Draw))
    return sum(case.options), case.bits != 32, case.told, elements, case.inputs


def _condition(domain: Domain, failing: set[Case], tried: list[Case]) -> str:
    """The fewest values that all failing cases share and no other case has; else those that they all share."""
    facts = {case: _facts(domain, case) for case in tried}
    common = set.intersection(*(facts[case] for case in failing))
    for count in range(3):
        for chosen in itertools.combinations(sorted(common), count):
            if all(case in failing or not set(chosen) <= facts[case] for case in tried):
                return " and ".join(chosen) or "always"
    return "among cases with " + (" and ".join(sorted(common)) or "nothing in common")


def _facts(domain: Domain, case: Case) -> set[str]:
    facts = {f"{name}={shown(value)}" for name, value in domain.chosen(case).items()}
    for name, value in domain.inputs[case.inputs].items():
        facts.add(f"{name} is {value.kind}" if isinstance(value, Draw) else f"{name}={shown(value)}")
        if isinstance(value, Draw):
            facts |= {f"{name} has shape {value.shape}", f"{name} has {value.ndim} axes", f"{name} is {value}"}
            if 0 in value.shape:
                facts.add(f"{name} is empty")
    return facts | {f"{case.bits} bits", "shapes told" if case.told else "shapes not told"}


def program(domain: Domain, case: Case, backend: Backend, gradient: bool) -> str:
    """A short program that shows a case on a backend: what it gives, or the gradients."""
    arrays = domain.arrays(case)
    chosen = domain.chosen(case)
    wanted = trainable(domain, arrays)
    values = "".join(f"    {name!r}: {_given(name, value)},\n" for name, value in arrays.items())
    extra = [_names("trainable_keys", wanted) if wanted and gradient else "inference=True", "jit=False"]
    if case.told:
        told = {name: list(value.shape) for name, value in arrays.items() if isinstance(value, np.ndarray)}
        extra.append(_folded(f"shapes={told!r}"))
    bits = "" if case.bits == BITS[0] else f"precision={case.bits}"
    data = [name for name in arrays if not (gradient and name in wanted)]
    if gradient:
        end = f"""{_taken("params", wanted)}
{_taken("data", data)}
outputs = compiled.evaluate(params, data)
waves = {{
    name: backend.array(np.cos(np.arange(value.size)).reshape(value.shape))
    for name, value in outputs.items()
}}
print(compiled.evaluate_gradients(params, data, output_gradients=waves))
"""
        if backend.name == "torch":
            end = end.replace("value.size", "value.numel()")
    else:
        end = "print(compiled.evaluate({}, values))\n"
    if data:
        extra.append(_names("data_keys", data))
    options = [f"{name}={shown(value)}" for name, value in chosen.items()]
    made = "model" if domain.code else f"{domain.model}({', '.join(options)})"
    if len(made) > WIDTH - 5:
        made = f"{domain.model}(\n{''.join(f'        {word},{chr(10)}' for word in options)}    )"
    called = "".join(f"    {word},\n" for word in (made, "backend", *extra))
    start = backend.startup or "import mithril as ml\n"
    head = f"import numpy as np\n{start}{_imports([*chosen.values(), *arrays.values()])}from mithril.models import *\n"
    if re.search(r"\b(nan|inf)\b", values + called):
        head += "\nnan, inf = float('nan'), float('inf')\n"
    return (
        f"{head}\nbackend = ml.{backend.cls}({bits})\nvalues = {{\n{values}}}\n{domain.code}"
        f"compiled = ml.compile(\n{called})\n{end}"
    )


def shown(value: Any) -> str:
    """A value of an option or input as Python: members of enumerations by name, given numbers as they are written."""
    if isinstance(value, Draw) and value.kind == "given":
        return f"given({value.extra[0]})"
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple | list):
        inner = ", ".join(map(shown, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    return repr(value)


def _imports(values: Iterable[Any]) -> str:
    """The lines that import the enumerations among values."""
    kinds = set()
    for value in values:
        if isinstance(value, enum.Enum):
            kinds.add(type(value))
        elif isinstance(value, tuple | list):
            kinds |= {type(item) for item in value if isinstance(item, enum.Enum)}
    return "".join(sorted(f"from {kind.__module__} import {kind.__name__}\n" for kind in kinds))


def _names(word: str, names: Iterable[str]) -> str:
    """An argument that is a set of names; they stand in order, so that a program is the same in every run."""
    return _folded(f"{word}={{{', '.join(map(repr, sorted(names)))}}}")


def _taken(word: str, names: Iterable[str]) -> str:
    """A line that takes some of the values."""
    return _folded(f"{word} = {{{', '.join(f'{name!r}: values[{name!r}]' for name in names)}}}", "")


def _folded(word: str, indent: str = "    ") -> str:
    """Code in one line, or, where that is too long, with what stands in its brackets in lines of their own."""
    if len(indent + word) < WIDTH:
        return word
    place = word.index("{") + 1
    inner = textwrap.fill(
        word[place:-1], WIDTH, initial_indent=f"{indent}    ", subsequent_indent=f"{indent}    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return f"{word[:place]}\n{inner}\n{indent}{word[-1]}"


def _given(name: str, value: Any) -> str:
    """An input in a program: numbers with few digits, which show the same."""
    if not isinstance(value, np.ndarray):
        return shown(value)
    first = value.reshape(-1)[0].item() if value.size else 0.0
    if value.size == 0 or (value.size > 4 and np.all(value == first)):
        return f"backend.array(np.full({value.shape}, {first!r}))"
    if value.size > 64:
        return f"backend.array({_long(value)})"
    numbers = value if value.dtype.kind != "f" else np.array([float(f"{v:.4g}") for v in value.reshape(-1)])
    told = numbers.reshape(value.shape).tolist()
    if len(f"    {name!r}: backend.array({told}),") <= WIDTH:
        return f"backend.array({told})"
    rows = textwrap.indent(pprint.pformat(told, width=WIDTH - 8, compact=True), " " * 8)
    return f"backend.array(\n{rows}\n    )"


def _long(value: np.ndarray) -> str:
    """Many numbers: those of another draw, as many and of the same size."""
    if value.dtype.kind == "f":
        return f"np.random.default_rng(0).normal(size={value.shape}) * {float(np.nanstd(value)):.2g}"
    return f"np.random.default_rng(0).integers({value.min()}, {value.max()} + 1, {value.shape})"
