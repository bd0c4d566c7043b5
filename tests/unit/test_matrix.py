"""The matrix: which sign a model gets on a backend, the reasons behind it, and the counts."""

from __future__ import annotations

from typing import Any

import pytest

from mithril_docs.models.cards import Card
from mithril_docs.reference.capabilities import Capability, Level, Reason
from mithril_docs.reference.matrix import limits_of, table_of
from mithril_docs.results import ModelResult

ALL_BITS = {"16": "", "32": "", "64": ""}


def result(**changes: Any) -> ModelResult:
    """A result of a model that can do everything, but for the changes."""
    numbers = {"values": {"output": [1.0]}, "gradients": {"input": [2.0]}, "jit_values": {"output": [1.0]}}
    return ModelResult("", **({"gradient": "", "jit": "", "precision": ALL_BITS} | numbers | changes))


def model(name: str, abstract: str = "", **results: ModelResult | None) -> Capability:
    build = "" if abstract else f"{name}()"
    return Capability(Card(name, "models", 1, build, "", (), abstract, "", ()), results)


FAILED = {"gradient": None, "jit": None, "precision": {}, "values": {}, "gradients": {}, "jit_values": {}}
#: What came of a model on NumPy and on JAX, its level on JAX, and the first reason.
CASES = {
    "agrees": ({}, {}, Level.WORKS, None),
    "nearly agrees": ({}, {"values": {"output": [1.00009]}, "jit_values": {"output": [1.0]}}, Level.WORKS, None),
    "nothing to differentiate": ({"gradient": None}, {"gradient": None, "gradients": {}}, Level.WORKS, None),
    "error": ({}, {"forward": "KeyError: 'x'", **FAILED}, Level.FAILS, ("no", ("forward",), "KeyError: 'x'")),
    "gradient": ({}, {"gradient": "E: g", "gradients": {}}, Level.PARTLY, ("no", ("gradient",), "E: g")),
    "jit": ({}, {"jit": "E: j", "jit_values": {}}, Level.PARTLY, ("no", ("jit",), "E: j")),
    "precision": (
        {},
        {"precision": ALL_BITS | {"16": "E: half"}},
        Level.PARTLY,
        ("no", ("16 bits",), "E: half"),
    ),
    "values": (
        {},
        {"values": {"output": [3.0]}, "jit_values": {"output": [3.0]}},
        Level.DIFFERS,
        ("differs", ("values",), "'output' differs by 2 from NumPy's"),
    ),
    "gradients": (
        {},
        {"gradients": {"input": [2.5]}},
        Level.DIFFERS,
        ("differs", ("gradients",), "'input' differs by 0.5 from NumPy's"),
    ),
    "jit's values": (
        {},
        {"jit_values": {"output": [1.5]}},
        Level.DIFFERS,
        ("differs", ("jit",), "'output' differs by 0.5 with jit from without"),
    ),
    "other numbers count more than an error": (
        {},
        {"gradients": {"input": [2.5]}, "jit": "E: j"},
        Level.DIFFERS,
        ("differs", ("gradients",), "'input' differs by 0.5 from NumPy's"),
    ),
    "nothing to compare with": (
        {"forward": "E: f", **FAILED},
        {},
        Level.WORKS,
        ("none", ("values", "gradients"), "not compared, because NumPy raises an error here"),
    ),
    "no gradient to compare with": (
        {"gradient": "E: g", "gradients": {}},
        {},
        Level.WORKS,
        ("none", ("gradients",), "not compared, because NumPy raises an error here"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_sign_comes_from_what_was_measured(name: str) -> None:
    on_numpy, on_jax, level, reason = CASES[name]
    found = model("Relu", numpy=result(**on_numpy), jax=result(**on_jax))
    summary = found.summary("jax", frozenset(ALL_BITS))
    assert summary.level == level
    assert (summary.reasons[0] if summary.reasons else None) == (reason and Reason(*reason))


def test_a_reason_tells_what_works_too() -> None:
    """Where it does, and where a mark alone would say that nothing does."""
    found = model("Relu", numpy=result(), jax=result(jit="E: j"))
    works = found.summary("jax", frozenset({"32"})).reasons[-1]
    assert works == ("yes", ("forward", "gradient", "values", "gradients", "32 bits"), "")


def test_a_precision_that_a_backend_lacks_is_told_once() -> None:
    """It is no model's fault: the cells do not count it, and the table names it."""
    lacking = ALL_BITS | {"64": "E: none"}
    models = [model(name, numpy=result(), mlx=result(precision=lacking)) for name in ("Relu", "Sine")]
    made = table_of(models)
    assert made.missing == {"numpy": {}, "mlx": {"64": "E: none"}}
    assert made.counts["mlx"] == {Level.WORKS: 2}


def test_reasons_that_repeat_are_stored_once() -> None:
    broken = result(forward="E: f", **FAILED)
    models = [model("sine", numpy=result(), jax=broken), model("Relu", numpy=broken, jax=broken)]
    made = table_of([*models, model("Base", abstract="It is abstract.", numpy=None, jax=None)])
    assert [row.card.name for row in made.rows] == ["Base", "Relu", "sine"]
    assert [(cell.level, cell.entry) for row in made.rows for cell in row.cells.values()] == [
        (Level.NOTHING, 1), (Level.NOTHING, 1), (Level.FAILS, 2), (Level.FAILS, 2), (Level.WORKS, 0), (Level.FAILS, 2),
    ]  # fmt: skip
    assert [entry.models for entry in made.entries] == [
        {"numpy": ["Base"], "jax": ["Base"]},
        {"numpy": ["Relu"], "jax": ["Relu", "sine"]},
    ]
    assert made.counts["jax"] == {Level.NOTHING: 1, Level.FAILS: 2}


def test_the_limits_of_a_backend() -> None:
    """Other numbers first, then errors, then what fails in part; models that fail in one way stand together."""
    broken = result(forward="E: f", **FAILED)
    on_jax = {
        "Add": result(jit="E: j", jit_values={}),
        "Relu": broken,
        "Sine": broken,
        "Sqrt": result(values={"output": [3.0]}, jit_values={"output": [3.0]}),
        "Tanh": result(),
    }
    made = table_of(model(name, numpy=result(), jax=found) for name, found in on_jax.items())
    limits = [(limit.level, [row.card.name for row in limit.rows]) for limit in limits_of(made, "jax")]
    assert limits == [(Level.DIFFERS, ["Sqrt"]), (Level.FAILS, ["Relu", "Sine"]), (Level.PARTLY, ["Add"])]
    assert limits_of(made, "numpy") == []


def test_what_was_not_run_is_no_failure() -> None:
    summary = model("Relu", numpy=result(), jax=None).summary("jax", frozenset())
    assert summary == (Level.NOTHING, (Reason("none", (), "This build did not run it."),))
