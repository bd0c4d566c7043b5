"""The comparator: when two values, two sets of named values or two runs of a cell agree, and what it says if not."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from mithril_docs.build.compare import apart, first_apart, other_outputs


@pytest.mark.parametrize(
    ("wanted", "found", "tolerance"),
    [
        (1, 1.0, 0),
        (True, 1, 0),
        (1.0, 1.25, 0.25),  # as far as is allowed
        (0.001, 0.101, 0.11),  # a small number: no nearer than it would be to 1
        (1000.0, 1090.0, 0.1),  # a large one: in proportion
        (-1000.0, -1090.0, 0.1),
        ([], [], 0),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.1], [2.9, 4.0]], 0.2),
        ([1.0, 1000.0], [1.05, 1050.0], 0.1),  # each by its own size
        (nan, nan, 0),
        ([nan, 1.0], [nan, 1.0], 0),
        ([inf, -inf, 1.0], [inf, -inf, 1.05], 0.1),
        ("float32", "float32", 0),
        ([[1], [1, 2]], [[1], [1, 2]], 0),  # rows of different lengths
        ({"a": 1}, {"a": 1}, 0),
    ],
)
def test_values_that_agree(wanted: Any, found: Any, tolerance: float) -> None:
    assert apart(wanted, found, tolerance) == ""


@pytest.mark.parametrize(
    ("wanted", "found", "tolerance", "words"),
    [
        (1.0, 1.5, 0.25, "differs by 0.5"),
        (1.0, 1.5, 0, "differs by 0.5"),
        (0.001, 0.301, 0.11, "differs by 0.3"),
        (1000.0, 1110.0, 0.1, "differs by 110"),
        (1.0, 10.0, 0.5, "differs by 9"),  # in proportion to what is wanted, not to what came
        ([1.0, 2.0, 3.0], [1.5, 2.25, 3.0], 0.1, "differs by 0.5"),  # the largest
        ([1000.0, 1.0], [1000.0, 1.5], 0.1, "differs by 0.5"),  # one large number excuses no other
        (1 / 3, 0.0, 0.1, "differs by 0.333"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], 1, "has shape (3,), not (2,)"),
        (1.0, [1.0], 1, "has shape (1,), not ()"),
        ([[1.0, 2.0]], [[1.0], [2.0]], 1, "has shape (2, 1), not (1, 2)"),
        ([nan, 1.0], [1.0, nan], 1, "has NaN in other places"),
        ([nan, 1.0], [1.0, 1.0], 1, "has NaN in other places"),
        (1.0, nan, 1, "has NaN in other places"),
        ([nan, 1.0], [nan, 2.0], 0.5, "differs by 1"),
        (inf, -inf, 1, "differs by inf"),
        (inf, 1e300, 1, "differs by inf"),
        (1.0, inf, 1, "differs by inf"),
        ([inf, 2.0], [inf, 1.0], 0.1, "differs by 1"),
        ("float32", "float64", 1, "is float64, not float32"),
        ("float32", 1.0, 1, "is 1.0, not float32"),
        ([[1], [1, 2]], [[1], [1, 3]], 1, "is [[1], [1, 3]], not [[1], [1, 2]]"),
    ],
)
def test_values_that_do_not(wanted: Any, found: Any, tolerance: float, words: str) -> None:
    assert apart(wanted, found, tolerance) == words


def test_the_first_name_that_is_apart() -> None:
    wanted = {"b": 1.0, "a": [1.0], "c": "float32"}
    assert first_apart(wanted, dict(reversed(wanted.items())), 0) == ""
    assert first_apart({}, {}, 0) == ""
    assert first_apart(wanted, wanted | {"b": 2.0, "c": "int8"}, 0.5) == "'b' differs by 1"
    assert first_apart(wanted, wanted | {"a": [1.0, 1.0], "b": 2.0}, 0.5) == "'a' has shape (2,), not (1,)"
    assert first_apart(wanted, {"b": 1.0, "a": [1.0]}, 0) == "'c' is only there on one of them"
    assert first_apart({"b": 1.0}, {"b": 1.0, "d": 1.0}, 0) == "'d' is only there on one of them"


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def shown(data: dict[str, Any], kind: str = "display_data", **more: Any) -> dict[str, Any]:
    return {"output_type": kind, "data": data, "metadata": {}, **more}


def error(message: str, *frames: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": "ValueError", "evalue": message, "traceback": list(frames)}


TEXT, PICTURE = {"text/plain": "1"}, {"text/plain": "<Figure>", "image/png": "aGk="}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([], []),
        ([stream("ab")], [stream("a"), stream("b")]),  # how it was cut
        ([stream("ab")], [stream("a"), stream("words", "stderr"), stream("b")]),
        ([stream("words", "stderr")], []),
        ([stream("one", "stderr")], [stream("other", "stderr")]),
        ([error("x", "/home/me/one.py")], [error("x", "/home/you/one.py", "more")]),
        ([shown(TEXT, "execute_result", execution_count=3)], [shown(TEXT, "execute_result", execution_count=None)]),
        ([shown(PICTURE)], [shown(dict(PICTURE))]),
    ],
)
def test_outputs_that_are_the_same(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    assert other_outputs(first, second) == other_outputs(second, first) == ""


@pytest.mark.parametrize(
    ("came", "words"),
    [
        ([stream("b"), shown(PICTURE), error("x")], "shows ('stdout', 'a'), came ('stdout', 'b')"),
        ([stream("a"), shown(PICTURE | {"image/png": "eW8="}), error("x")], "'image/png': 'eW8='"),
        ([stream("a"), shown(TEXT), error("x")], "came ('display_data', {'text/plain': '1'})"),
        ([stream("a"), shown(PICTURE, "execute_result"), error("x")], "came ('execute_result', "),
        (
            [stream("a"), shown(PICTURE), error("y")],
            "shows ('error', 'ValueError', 'x'), came ('error', 'ValueError', 'y')",
        ),
        ([shown(PICTURE), stream("a"), error("x")], "shows ('stdout', 'a'), came ('display_data', "),  # another order
        ([stream("a"), shown(PICTURE)], "shows 3 outputs, came 2"),
        ([stream("a"), shown(PICTURE), error("x"), stream("b")], "shows 3 outputs, came 4"),
        ([], "shows 3 outputs, came 0"),
    ],
)
def test_outputs_that_are_not(came: list[dict[str, Any]], words: str) -> None:
    assert words in other_outputs([stream("a"), shown(PICTURE), error("x")], came)


def test_a_long_difference_is_told_by_its_ends() -> None:
    words = other_outputs([stream("a" * 5000 + "z")], [stream("b" * 5000)])
    assert len(words) < 900 and "aaa … aaa" in words and "az')" in words
