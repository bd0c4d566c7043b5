"""The parts of conformance that need no framework: what is drawn, what is right, how it is judged, and what is told.

And the domains of the pages against the package: each model has one, with every option.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import inspect
import io
import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mithril_docs.backends import BACKENDS
from mithril_docs.commands.conformance import main
from mithril_docs.conformance import draw, judge
from mithril_docs.conformance.domain import Case, Domain, domains
from mithril_docs.conformance.judge import DefectsError, Fault, faults, read_defects
from mithril_docs.conformance.reference import EPS, right, wave
from mithril_docs.conformance.run import FOLDER
from mithril_docs.models.cards import Card, build_model, cards
from mithril_docs.page import find_pages
from mithril_docs.reference import package
from support.places import EXTENSION, ROOT

HERE = ROOT / "docs" / FOLDER
package.installed()  # the domains import it too, and then the stand-ins would come too late
KNOWN = domains(HERE)
HEAD = """\
import numpy as np
from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import *
"""


def written(folder: Path, text: str, defects: str = "") -> dict[str, Domain]:
    """The domains of a file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tried.py").write_text(HEAD + text)
    (folder / "tried.toml").write_text(defects)
    return domains(folder)


#: A model of three options of which some values do not go together, and inputs of which one needs rare options.
RESTRICTED = """
def fits(input, a, b, c):
    return not (a == 1 and b == 2 and c == 0) and not (a == 0 and c == 3) and (input.shape != (4,) or (a, b) == (2, 1))

@model("Restricted", options={"a": [0, 1, 2], "b": [0, 1, 2], "c": [0, 1, 2, 3]}, where=fits,
       inputs={"input": [normal(2), normal(3), normal(4), ties(2, 3)]})
def restricted(input, a, b, c):
    return input + a + b + c
"""


@pytest.fixture(scope="module")
def restricted(tmp_path_factory: pytest.TempPathFactory) -> Domain:
    return written(tmp_path_factory.mktemp("domains") / "restricted", RESTRICTED)["Restricted"]


def allowed(domain: Domain) -> list[Case]:
    """Every combination of inputs and options that the definition allows."""
    places = itertools.product(*(range(len(values)) for values in domain.options.values()))
    every = (Case(n, row) for row in places for n in range(len(domain.inputs)))
    return [case for case in every if domain.allows(case)]


def meetings(cases: list[Case], whole: bool) -> set[tuple[Any, ...]]:
    """What two values meet in cases: of options, and with ``whole`` of options and inputs."""
    found: set[tuple[Any, ...]] = set()
    for case in cases:
        places = [*enumerate(case.options), *([("input", case.inputs)] if whole else [])]
        found |= set(itertools.combinations(places, 2))
    return found


#: Every backend that a test names, with every precision.
OFFERED = {name: {16, 32, 64} for name in ("numpy", "torch", "jax", "mlx")}
#: More cases than any domain has.
ALL = 10**6
#: Domains of the pages whose combinations are few enough to look at all.
SMALL = [
    name for name, domain in KNOWN.items() if len(domain.inputs) * math.prod(map(len, domain.options.values())) <= 1000
]


@pytest.mark.parametrize("name", ["Restricted", *SMALL])
def test_what_may_meet_meets(restricted: Domain, name: str) -> None:
    """Every input and every two options are there, and to prove all, every option with every input."""
    domain = dataclasses.replace(KNOWN.get(name, restricted), sample=ALL)
    may = allowed(domain)
    sample, proof = draw.cases(domain), draw.cases(domain, more=5)
    assert {case.inputs for case in sample} == {case.inputs for case in may}
    assert meetings(may, False) <= meetings(sample, False)
    assert meetings(may, True) <= meetings(proof, True)
    for cases in (sample, proof):
        assert len(set(cases)) == len(cases) and all(domain.allows(case) for case in cases)
    assert set(sample) <= set(proof)


@pytest.mark.parametrize("name", KNOWN)
def test_every_input_of_a_page_is_tried(name: str) -> None:
    """One that fits no options would stand there and say nothing."""
    domain = dataclasses.replace(KNOWN[name], sample=ALL)
    assert {case.inputs for case in draw.cases(domain)} == set(range(len(domain.inputs)))


def test_a_model_that_takes_long_runs_fewer_cases(restricted: Domain) -> None:
    """Of all that would be there, evenly; to prove all, all of them."""
    few, every = (dataclasses.replace(restricted, sample=count) for count in (5, ALL))
    assert 3 <= len(draw.cases(few)) <= 5 and set(draw.cases(few)) < set(draw.cases(every))
    assert 5 < len(draw.cases(restricted)) <= draw.MOST
    assert draw.cases(few, more=5) == draw.cases(every, more=5)


def test_every_row_of_options_meets_an_input_that_shows_it(restricted: Domain) -> None:
    """Usual numbers in a precision that every backend has, or else the plainest input, in 32 bits."""
    sample = draw.cases(dataclasses.replace(restricted, sample=ALL))
    for options in {case.options for case in sample}:
        plainest = next(n for n in range(len(restricted.inputs)) if restricted.allows(Case(n, options)))
        usual = [
            c
            for c in sample
            if c.options == options and c.bits != 64 and restricted.inputs[c.inputs]["input"].kind == "normal"
        ]
        assert usual or Case(plainest, options) in sample


def test_a_sample_has_every_precision(restricted: Domain) -> None:
    sample = draw.cases(restricted)
    assert {(case.bits, case.told) for case in sample} == {(b, t) for b in (16, 32, 64) for t in (False, True)}


def test_the_same_is_drawn_in_every_process(restricted: Domain) -> None:
    """Cases and arrays depend on neither the process nor the seed of hashes."""
    code = f"""\
import json, pathlib
from mithril_docs.conformance import draw
from mithril_docs.conformance.domain import domains
domain = domains(pathlib.Path({str(restricted.source.parent)!r}))["Restricted"]
cases = draw.cases(domain, more=30, pinned=[lambda case: case.bits == 16])
print(json.dumps([[repr(case) for case in cases], [domain.arrays(case)["input"].tolist() for case in cases]]))
"""
    told = set()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONPATH": str(EXTENSION), "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
        told.add(done.stdout)
    assert len(told) == 1
    cases, arrays = json.loads(told.pop())
    assert len(cases) > 30 and len({str(array) for array in arrays}) == 4


def test_inputs_of_one_kind_differ_by_name(tmp_path: Path) -> None:
    """Two equal draws of one model are two arrays, and a draw is the same with whatever options."""
    text = """
@model("Two", options={"a": [0, 1]}, inputs=[{"left": normal(3), "right": normal(3)}])
def two(left, right, a):
    return left + right
"""
    domain = written(tmp_path, text)["Two"]
    first, second = (domain.arrays(Case(0, (place,))) for place in (0, 1))
    assert not np.array_equal(first["left"], first["right"])
    assert np.array_equal(first["left"], second["left"])


@pytest.mark.parametrize(
    "condition",
    [
        lambda domain, case: domain.chosen(case) == {"a": 2, "b": 1, "c": 3} and case.inputs == 3,
        lambda _, case: case.inputs == 2 and case.bits == 16 and case.told,
        lambda domain, case: domain.chosen(case)["c"] == 3 and case.bits == 64,
    ],
)
def test_what_a_defect_needs_is_there(restricted: Domain, condition: Callable[[Domain, Case], bool]) -> None:
    """However rare its condition: some cases of it are drawn in every run, and few."""
    plain = draw.cases(restricted)
    pinned = draw.cases(restricted, pinned=[lambda case: condition(restricted, case)])
    assert any(condition(restricted, case) for case in pinned)
    assert set(plain) <= set(pinned) and len(pinned) <= len(plain) + draw.WITNESSES


# What is right

RIGHT = """
@model("Relu", inputs=[{"input": given(-1.0, 0.0, 2.0)}])
def relu(input):
    return np.maximum(input, 0)

@model("Sqrt", inputs=[{"input": given(0.0, 4.0)}])
def sqrt(input):
    return np.abs(input) ** 0.5

@model("Step", inputs=[{"input": given(0.5, 1.0, 1.5)}])
def step(input):
    return np.floor(input)

@model("Log", inputs=[{"input": given(-1.0, 2.0)}])
def log(input):
    return np.log(input)

@model("Square", inputs=[{"input": given(0.1, 3.0)}, {"input": given(nan, 1.0)}, {"input": given(-inf, 1.0)},
                         {"input": given(1, 2)}, {"input": normal(0, 2)}])
def square(input):
    return input * input

@model("Straight", slope=lambda input: 2 * input, inputs=[{"input": given(0.25, 1.75)}])
def straight(input):
    return np.round(input)

@model("Several", data={"other"}, constant={"second"}, inputs=[{"input": given(1.5), "other": given(2.0)}])
def several(input, other):
    return {"first": input * other, "second": 100 * input, "third": 7, "fourth": ("a", 1)}

@model("Refuses", inputs=[{"input": normal(0)}])
def refuses(input):
    raise Refused("no element has an average")

@model("Random", random=True, inputs=[{"input": normal(3)}])
def random(input):
    return np.zeros(3)

@model("Steep", inputs=[{"input": given(1.0, 1.0)}])
def steep(input):
    return 1e6 * (input - 1)
"""
nan, inf = math.nan, math.inf


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Domain]:
    return written(tmp_path_factory.mktemp("domains") / "right", f"nan, inf = np.nan, np.inf\n{RIGHT}")


def asked(known: dict[str, Domain], name: str, inputs: int = 0, bits: int = 64) -> dict[str, Any]:
    return right(known[name], Case(inputs, (), bits))


def test_a_gradient_is_a_finite_difference(known: dict[str, Domain]) -> None:
    """Of the outputs times waves, as what runs gives them."""
    found = asked(known, "Square")["gradients"]["input"]
    assert found["low"] == found["high"] == pytest.approx([0.2 * 1, 6 * math.cos(1)], abs=1e-6)


def test_at_a_kink_all_between_the_two_slopes_is_right(known: dict[str, Domain]) -> None:
    found = asked(known, "Relu")["gradients"]["input"]
    seed = wave((3,))
    assert found["low"] == pytest.approx([0, 0, seed[2]], abs=1e-6)
    assert found["high"] == pytest.approx([0, seed[1], seed[2]], abs=1e-6)


def test_where_no_finite_slope_is_none_is_right(known: dict[str, Domain]) -> None:
    """At an infinite slope, at a jump, and beside a NaN that the definition gives."""
    assert asked(known, "Sqrt")["gradients"]["input"]["low"][0] is None
    assert asked(known, "Sqrt")["gradients"]["input"]["low"][1] == pytest.approx(0.25 * math.cos(1), abs=1e-6)
    assert [value is None for value in asked(known, "Step")["gradients"]["input"]["low"]] == [False, True, False]
    assert asked(known, "Log")["gradients"]["input"]["low"] == [None, None]


@pytest.mark.parametrize(("inputs", "values"), [(1, [nan, 1.0]), (2, [inf, 1.0])])
def test_what_is_not_finite_has_values_and_no_gradient(
    known: dict[str, Domain], inputs: int, values: list[float]
) -> None:
    found = asked(known, "Square", inputs)
    assert found["gradients"] == {}
    assert np.array_equal(found["outputs"]["output"]["values"], values, equal_nan=True)


def test_integers_and_empties(known: dict[str, Domain]) -> None:
    whole, empty = asked(known, "Square", 3), asked(known, "Square", 4)
    assert whole["outputs"]["output"] == {"kind": "i", "shape": [2], "values": [1, 4], "slack": [0.0, 0.0]}
    assert whole["gradients"] == {}
    assert empty["outputs"]["output"]["shape"] == [0, 2]
    assert empty["gradients"]["input"] == {"shape": [0, 2], "low": [], "high": [], "slack": []}


def test_a_domain_may_give_the_slope(known: dict[str, Domain]) -> None:
    found = asked(known, "Straight")
    assert found["outputs"]["output"]["values"] == [0, 2]
    assert found["gradients"]["input"]["low"] == pytest.approx([2, 2 * math.cos(1)], abs=1e-6)


def test_outputs_by_name_and_what_no_gradient_is_asked_for(known: dict[str, Domain]) -> None:
    found = asked(known, "Several")
    assert {name: (told["kind"], told["values"]) for name, told in found["outputs"].items()} == {
        "first": ("f", [3.0]),
        "second": ("f", [150.0]),
        "third": ("i", [7]),
        "fourth": ("O", [["a", 1]]),
    }
    assert list(found["gradients"]) == ["input"]
    assert found["gradients"]["input"]["low"] == pytest.approx([2.0], abs=1e-6)


def test_a_reference_may_refuse(known: dict[str, Domain]) -> None:
    assert asked(known, "Refuses") == {"refuses": "no element has an average"}


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_a_reference_gets_the_numbers_that_the_backend_has(known: dict[str, Domain], bits: int) -> None:
    held = float(np.array(0.1).astype(f"float{bits}"))
    assert asked(known, "Square", bits=bits)["outputs"]["output"]["values"][0] == held * held


def test_how_far_a_rounding_error_leads_is_told(known: dict[str, Domain]) -> None:
    """What cancels is as inexact as its inputs are; it is not what is right that has to be near 0."""
    for bits in (16, 32):
        found = asked(known, "Steep", bits=bits)["outputs"]["output"]
        assert found["values"] == [0, 0] and found["slack"] == pytest.approx([1e6 * EPS[bits]] * 2)


# How it is judged


def came(result: dict[str, Any], bits: int, change: Callable[[np.ndarray], Any] = lambda values: values) -> dict:
    """What a backend gives that has the right results, its values changed."""
    made: dict[str, Any] = {"notes": [], "outputs": {}, "gradients": {}}
    for name, told in result["outputs"].items():
        dtype = {"f": f"float{bits}", "i": "int64", "b": "bool", "O": "tuple"}[told["kind"]]
        values = told["values"]
        if told["kind"] == "f":
            with np.errstate(over="ignore"):
                values = np.asarray(change(np.asarray(values, f"float{bits}"))).astype(float).tolist()
        made["outputs"][name] = {"dtype": dtype, "shape": told["shape"], "values": values}
    for name, told in result["gradients"].items():
        values = [0.0 if value is None else value for value in told["low"]]
        made["gradients"][name] = {"dtype": f"float{bits}", "shape": told["shape"], "values": values}
    return made


def told(known: dict[str, Domain], name: str, bits: int = 32, inputs: int = 0, **results: dict) -> list[tuple]:
    """Kind, output or input, and backend of each fault."""
    case = Case(inputs, (), bits)
    found = faults(known[name], case, right(known[name], case), results)
    assert all(fault.words for fault in found)
    return [(fault.kind, fault.what, fault.backend) for fault in found]


def test_what_is_right_is_no_fault(known: dict[str, Domain]) -> None:
    for name, domain in known.items():
        for inputs in range(len(domain.inputs)):
            for bits in (16, 32, 64):
                result = asked(known, name, inputs, bits)
                if "refuses" not in result:
                    given = came(result, bits)
                    assert told(known, name, bits, inputs, numpy=given, jax=given) == [], (name, inputs, bits)


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_a_rounding_error_is_no_fault_and_a_wrong_number_is(known: dict[str, Domain], bits: int) -> None:
    result = asked(known, "Square", bits=bits)
    beside = came(result, bits, lambda values: np.nextafter(values, values + 1))
    assert told(known, "Square", bits, torch=beside) == []
    # By a few per thousand in 32 and 64 bits, and by a tenth in 16: it has three digits.
    wrong = came(result, bits, lambda values: values * (1.1 if bits == 16 else 1.001))
    assert told(known, "Square", bits, torch=wrong) == [("values", "output", "torch")]


def test_tolerance_follows_the_inputs(known: dict[str, Domain]) -> None:
    """A number that a rounding error of the input makes is right, though it is far from 0; a larger one is wrong."""
    result = asked(known, "Steep", bits=32)
    for factor, found in ((10, []), (1000, [("values", "output", "jax")])):
        given = came(result, 32, lambda values, factor=factor: values + factor * 1e6 * EPS[32])  # type: ignore[misc]
        assert told(known, "Steep", jax=given) == found


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_not_finite_is_no_number(known: dict[str, Domain], value: float) -> None:
    given = came(asked(known, "Square"), 32, lambda values: values + value)
    assert told(known, "Square", mlx=given) == [("values", "output", "mlx")]
    finite = came(asked(known, "Square", 1), 32, lambda values: np.nan_to_num(values))
    assert told(known, "Square", inputs=1, mlx=finite) == [("values", "output", "mlx")]


def test_what_is_beyond_the_precision_may_be_infinite(tmp_path: Path) -> None:
    text = """
@model("Large", inputs=[{"input": given(300.0)}])
def large(input):
    return input * input
"""
    known = written(tmp_path, text)
    for value, found in ((inf, []), (65504.0, []), (-inf, ["values"]), (1.0, ["values"]), (nan, ["values"])):
        given = came(asked(known, "Large", bits=16), 16, lambda values, value=value: np.full_like(values, value))  # type: ignore[misc]
        given["gradients"]["input"]["values"] = [nan]  # what flows back from it is anybody's
        assert [kind for kind, *_ in told(known, "Large", 16, numpy=given)] == found, value


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("dtype", {"dtype": "float64"}),
        ("dtype", {"dtype": "int64"}),
        ("shape", {"shape": [1, 2]}),
        ("shape", {"shape": [1], "values": [0.01]}),
    ],
)
def test_dtype_and_shape(known: dict[str, Domain], kind: str, change: dict[str, Any]) -> None:
    given = came(asked(known, "Square", bits=32), 32)
    given["outputs"]["output"] |= change
    assert told(known, "Square", torch=given) == [(kind, "output", "torch")]


def test_numbers_of_python_are_taken_for_arrays(known: dict[str, Domain]) -> None:
    given = came(asked(known, "Several"), 32)
    given["outputs"]["first"]["dtype"] = "float"
    given["outputs"]["third"]["dtype"] = "int"
    assert told(known, "Several", torch=given) == []
    given["outputs"]["fourth"]["values"] = [["a", 2]]
    assert told(known, "Several", torch=given) == [("values", "fourth", "torch")]


def test_outputs_that_lack_or_have_another_name(known: dict[str, Domain]) -> None:
    """The only output may have any name, as that of a model that a user named it in."""
    given = came(asked(known, "Square"), 32)
    given["outputs"] = {"loss": given["outputs"]["output"]}
    assert told(known, "Square", jax=given) == []
    several = came(asked(known, "Several"), 32)
    del several["outputs"]["second"]
    assert told(known, "Several", jax=several) == [("values", "second", "jax")]


def test_errors_deaths_and_values_where_there_are_none(known: dict[str, Domain]) -> None:
    results = {
        "numpy": {"notes": [], "error": "ValueError: no"},
        "torch": {"error": "the process died (exit status 3)"},
        "jax": {"offered": False},
    }
    assert told(known, "Square", **results) == [("raises", "", "numpy"), ("dies", "", "torch")]
    given = {"notes": [], "outputs": {"output": {"dtype": "float32", "shape": [], "values": [0.0]}}}
    refused = {"notes": [], "error": "ValueError: empty"}
    assert told(known, "Refuses", numpy=given, torch=refused) == [("accepts", "", "numpy")]
    without = came(asked(known, "Square"), 32) | {"gradient_error": "KeyError: 'input'"}
    assert told(known, "Square", mlx=without) == [("raises", "gradient", "mlx")]


def test_calls_that_change_what_they_should_not(known: dict[str, Domain]) -> None:
    given = came(asked(known, "Square"), 32) | {"notes": ["evaluating changes its input 'input'"]}
    assert told(known, "Square", numpy=given) == [("calls", "", "numpy")]


def test_random_values_are_compared_by_shape_and_dtype(known: dict[str, Domain]) -> None:
    given = came(asked(known, "Random"), 32, lambda values: values + 5)
    assert told(known, "Random", numpy=given) == []
    given["outputs"]["output"] |= {"dtype": "float16", "shape": [1, 3]}
    assert [kind for kind, *_ in told(known, "Random", numpy=given)] == ["dtype", "shape"]


def test_a_gradient_at_a_kink(known: dict[str, Domain]) -> None:
    """Both slopes are right, and all between them; that two backends differ is told, and what is outside is wrong."""
    result = asked(known, "Relu", bits=32)
    seed = wave((3,))[1]

    def given(at_kink: float) -> dict[str, Any]:
        made = came(result, 32)
        made["gradients"]["input"]["values"][1] = at_kink
        return made

    assert told(known, "Relu", numpy=given(0.0), torch=given(0.0)) == []
    assert told(known, "Relu", numpy=given(0.0), torch=given(seed), mlx=given(0.0)) == [("choice", "input", "torch")]
    assert told(known, "Relu", numpy=given(0.5 * seed)) == []
    for wrong in (-0.1, seed + 0.1, nan):
        assert ("gradient", "input", "numpy") in told(known, "Relu", numpy=given(wrong), torch=given(0.0))


def test_a_wrong_gradient(known: dict[str, Domain]) -> None:
    for values, found in (([0.2, 6 * math.cos(1)], []), ([0.2, 6.1 * math.cos(1)], [("gradient", "input", "jax")])):
        given = came(asked(known, "Square"), 32)
        given["gradients"]["input"]["values"] = values
        assert told(known, "Square", jax=given) == found
    anything = came(asked(known, "Sqrt"), 32)
    anything["gradients"]["input"]["values"][0] = inf  # where no finite number is right, none is wrong
    assert told(known, "Sqrt", jax=anything) == []
    lacking = came(asked(known, "Square"), 32) | {"gradients": {}}
    assert told(known, "Square", jax=lacking) == [("gradient", "input", "jax")]
    other = came(asked(known, "Square"), 32)
    other["gradients"]["input"]["shape"] = [1, 2]
    assert told(known, "Square", jax=other) == [("gradient", "input", "jax")]


def test_faults_are_brought_together_by_what_they_share(restricted: Domain) -> None:
    cases = draw.cases(restricted)
    wrong = [case for case in cases if restricted.chosen(case)["b"] == 1]
    found = [Fault("Restricted", name, case, "values", "output", "is 1, not 2") for case in wrong
             for name in ("numpy", "jax")]  # fmt: skip
    [group] = judge.grouped(found, {"Restricted": cases}, {"Restricted": restricted}, OFFERED)
    assert (group.condition, group.backends, group.count) == ("b=1", ("numpy", "jax"), 2 * len(wrong))
    assert group.first.case == min(wrong, key=lambda case: judge.size(restricted, case))


# What a program shows

PROGRAMS = """
import enum
import fractions

@model("Sum", options={"axis": [None, 1, (0, -1)], "keepdim": [False, True]},
       inputs={"input": [normal(2, 3), with_nan(2, 3), with_inf(2, 3), normal(0, 3), zeros(2, 3), normal(4, 20),
                         integers(0, 9, 20, 10), booleans(2, 2), normal(2, 2, 3, 3)]})
def sums(input, axis, keepdim):
    return np.sum(input, axis=axis, keepdims=keepdim)
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Domain:
    return written(tmp_path_factory.mktemp("domains") / "programs", PROGRAMS)["Sum"]


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("gradient", [False, True])
def test_a_program_runs_and_shows_the_case(shown: Domain, bits: int, told: bool, gradient: bool) -> None:
    """It prints what the reference gives, or the gradients of the waves."""
    for inputs in range(len(shown.inputs)):
        case = Case(inputs, (1 if inputs == 0 else 0, inputs % 2), bits, told)
        code = judge.program(shown, case, BACKENDS["numpy"], gradient)
        whole = shown.arrays(case)["input"].dtype.kind != "f"
        if gradient and whole:
            continue  # no input has one
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), np.errstate(all="ignore"):
            exec(code, {})
        assert ("'input'" if gradient else "'output'") in printed.getvalue()
        if inputs == 0 and not gradient:
            names = {"array": np.array, "np": np, "dtype": None, "float32": "float32"}
            found = eval(printed.getvalue(), names)["output"]
            assert np.allclose(found, shown.reference(**shown.arrays(case), **shown.chosen(case)), atol=1e-2)


@pytest.mark.parametrize("name", KNOWN)
def test_a_program_is_python_that_fits_a_page(name: str) -> None:
    turns = itertools.cycle(itertools.product(BACKENDS.values(), (False, True)))
    for case, (backend, gradient) in zip(draw.cases(KNOWN[name]), turns, strict=False):
        code = judge.program(KNOWN[name], case, backend, gradient)
        compile(code, name, "exec")
        assert max(map(len, code.splitlines())) <= 100, code


def test_members_of_enumerations_are_named(tmp_path: Path) -> None:
    text = """
import inspect

KIND = inspect.Parameter.KEYWORD_ONLY.__class__

@model("Kinds", options={"kind": [KIND.KEYWORD_ONLY, (KIND.VAR_KEYWORD,)]}, inputs=[{"input": normal(2)}])
def kinds(input, kind):
    return input
"""
    domain = written(tmp_path, text)["Kinds"]
    for place, words in ((0, "kind=_ParameterKind.KEYWORD_ONLY"), (1, "kind=(_ParameterKind.VAR_KEYWORD,)")):
        code = judge.program(domain, Case(0, (place,)), BACKENDS["mlx"], False)
        assert words in code and "from inspect import _ParameterKind\n" in code
        ast.parse(code)


# What is told of files that are not as they should be

DEFECT = """
[no-sum]
title = "On NumPy, the sum is wrong."
models = ["Sum"]
backends = ["numpy"]
kinds = ["values"]
when = "keepdim"
page = "cards#sum"
"""
WRONG = {
    "no toml": ("[no-sum\n", "tried.toml: "),
    "no table": ('title = "x"\n', "tried.toml: title stands outside of any defect"),
    "key": (
        DEFECT + 'kind = "x"\n',
        "tried.toml, [no-sum]: a defect has backends, kinds, models, page, title, when; look at kind",
    ),
    "lacks": (DEFECT.replace('backends = ["numpy"]\n', ""), "look at backends"),
    "text": (DEFECT.replace('["Sum"]', '"Sum"'), "tried.toml, [no-sum]: models is no list of names"),
    "list": (DEFECT.replace('"keepdim"', '["keepdim"]'), "tried.toml, [no-sum]: when is no text"),
    "backend": (DEFECT.replace('"numpy"', '"cupy"'), "backends: cupy is none of numpy, torch, jax, mlx"),
    "kind": (DEFECT.replace('"values"', '"value"'), "kinds: value is none of values, shape, "),
    "python": (DEFECT.replace('"keepdim"', '"keepdim and"'), "tried.toml, [no-sum]: when is no Python: "),
    "name": (DEFECT.replace('"keepdim"', '"keepdims"'), "tried.toml, [no-sum]: when, for Sum: NameError: "),
    "model": (DEFECT.replace('"Sum"', '"Sums"'), "tried.toml, [no-sum]: no domain of Sums"),
}


def command(folder: Path, *words: str) -> tuple[int, str, list[str]]:
    """Run the command in this process up to where a backend would run: its status, and what it printed and said."""
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        try:
            status = main([*words, "--docs", str(folder), "--store", str(folder / "store")])
        except SystemExit as end:
            status = int(end.code or 0)
    return status, printed.getvalue(), said.getvalue().splitlines()


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_of_defects_is_one_line(tmp_path: Path, what: str) -> None:
    text, words = WRONG[what]
    written(tmp_path / FOLDER, PROGRAMS, text)
    status, printed, said = command(tmp_path, f"numpy={sys.executable}")
    assert (status, printed, len(said)) == (1, "", 1), said
    assert said[0].startswith("FAILED tried.toml") and words in said[0]


def test_a_defect_of_a_name_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(DEFECT)
    (tmp_path / "b.toml").write_text(DEFECT)
    with pytest.raises(DefectsError, match=r"b\.toml, \[no-sum\]: a\.toml has a defect of that name"):
        read_defects(tmp_path)
    (tmp_path / "b.toml").unlink()
    (tmp_path / "a.toml").write_text(DEFECT * 2)
    with pytest.raises(DefectsError, match=r"a\.toml: .*no-sum"):
        read_defects(tmp_path)


BROKEN = {
    "syntax": ("def\n", "tried.py:4: SyntaxError: "),
    "argument": ('\n@model("A", inputs=[], input=[])\ndef a():\n    pass\n', "tried.py:5: TypeError: "),
    "twice": (PROGRAMS + PROGRAMS, "tried.py:17: ValueError: Sum has a domain in tried.py already"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_wrong_file_of_domains_is_one_line(tmp_path: Path, what: str) -> None:
    text, words = BROKEN[what]
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "tried.py").write_text(HEAD + text)
    status, printed, said = command(tmp_path, f"numpy={sys.executable}")
    assert (status, printed, len(said)) == (1, "", 1), said
    assert said[0].startswith(f"FAILED {words}")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((f"numpy={sys.executable}", "--model", "Sums", "--model", "Sum"), "no domain of Sums under "),
        (("numpy",), "write NAME=PYTHON, with one of numpy, torch, jax, mlx for the name, not numpy"),
        ((f"cupy={sys.executable}",), "for the name, not cupy="),
    ],
)
def test_a_bad_call_is_told_in_its_last_line(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    written(tmp_path / FOLDER, PROGRAMS)
    status, _, said = command(tmp_path, *words)
    assert status == 2 and told in said[-1] and not any("Traceback" in row for row in said)


# The domains of the pages

CARDS = {
    page.name.rpartition("/")[2]: found
    for page in find_pages(ROOT / "docs")
    if page.name.startswith("reference/models/") and (found := [card for card in cards(page) if card.build])
}


def lacking(card: Card) -> list[str]:
    """What the domain of a model lacks: itself, or options of the constructor.

    An option is each parameter but ``name``, and but those that name an input of the card's model: giving a value to an
    input there is the same as giving it later. Where the domain says how the model is built, a parameter without a
    default may be what it is built of, a model for one.
    """
    domain = KNOWN.get(card.name)
    if domain is None:
        return [card.name]
    model = build_model(card)
    inputs = {*(getattr(model, "input_keys", None) or ())}
    own = Path(inspect.getfile(domain.build)) == domain.source
    options = [
        parameter.name
        for parameter in inspect.signature(package.models()[card.name]).parameters.values()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        and parameter.name not in {"name", *inputs}
        and not (own and parameter.default is parameter.empty)
    ]
    return [f"{card.name}({option}=)" for option in options if option not in domain.options]


def test_every_model_of_a_card_has_a_domain_with_every_option() -> None:
    """Against the live signatures. Where this fails, a domain lacks what is named."""
    found = {page: [what for card in some for what in lacking(card)] for page, some in CARDS.items()}
    assert {page: what for page, what in found.items() if what} == {}


@pytest.mark.parametrize("name", [name for name, domain in KNOWN.items() if not domain.code])
def test_a_domain_is_of_a_model_and_its_options(name: str) -> None:
    """In the file of the page that has its card, and with no option that the constructor lacks."""
    domain = KNOWN[name]
    page = next((page for page, some in CARDS.items() if name in [card.name for card in some]), "")
    assert domain.source == HERE / f"{page}.py"
    if Path(inspect.getfile(domain.build)) != domain.source:
        assert domain.options.keys() <= inspect.signature(package.models()[name]).parameters.keys()


def test_what_domains_lack_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """This test's own: a model, and an option, that is taken away."""
    [card] = [card for card in CARDS["reductions"] if card.name == "Sum"]
    assert lacking(card) == []
    sums = KNOWN["Sum"]
    monkeypatch.setitem(KNOWN, "Sum", dataclasses.replace(sums, options={"axis": sums.options["axis"]}))
    assert lacking(card) == ["Sum(keepdim=)"]
    monkeypatch.delitem(KNOWN, "Sum")
    assert lacking(card) == ["Sum"]


def test_defects_of_the_pages_are_of_domains() -> None:
    """Each condition can be asked of every case of its models, and names nothing that these lack."""
    for defect in read_defects(HERE):
        assert {*defect.models} <= KNOWN.keys() and defect.page.startswith(("reference/models/", "concepts/"))
        for name in defect.models:
            pinned = [functools.partial(defect.holds, KNOWN[name])]
            assert any(defect.holds(KNOWN[name], case) for case in draw.cases(KNOWN[name], pinned=pinned)), name
