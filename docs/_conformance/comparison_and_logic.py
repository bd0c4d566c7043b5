"""What comparisons, logical operators, shifts and choices may be given, and what is right."""

from __future__ import annotations

from typing import Any

import numpy as np

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import (
    booleans,
    full,
    given,
    halves,
    integers,
    normal,
    onehot,
    positive,
    reals,
    ties,
    with_inf,
    with_nan,
)

# A model without options tries its inputs in turns of precision, so the place in the list tells which one an input
# gets: integers that a float of 16, 32 or 64 bits cannot hold stand in a place of those bits.
PAIRS: list[dict[str, Any]] = [
    {"left": ties(2, 3), "right": ties(3)},
    {"left": halves(2, 3), "right": halves(2, 3)},
    {"left": given(2049, 4097, -2049), "right": given(2048.0, 4096.0, -2048.0)},
    {"left": with_nan(2, 3), "right": ties(3)},
    {"left": with_nan(2, 3), "right": with_nan(2, 3)},
    {"left": with_inf(2, 3), "right": with_inf(2, 3)},
    {"left": given(0.0, -0.0, 0.0), "right": given(-0.0, 0.0, 0.0)},
    {"left": integers(-3, 4, 2, 3), "right": integers(-3, 4, 3)},
    {"left": given(9007199254740993, 3), "right": given(9007199254740992.0, 3.0)},
    {"left": given(2048.0, 4096.0, -2048.0), "right": given(2049, 4097, -2049)},
    {"left": integers(-3, 4, 2, 3), "right": halves(2, 3)},
    {"left": booleans(2, 3), "right": booleans(3)},
    {"left": booleans(2, 3), "right": integers(-1, 2, 2, 3)},
    {"left": booleans(2, 3), "right": halves(2, 3)},
    {"left": ties(2, 1, 3), "right": ties(2, 1)},
    {"left": ties(0, 3), "right": ties(3)},
    {"left": ties(), "right": ties(3)},
    {"left": given(16777217, 3), "right": given(16777216.0, 3.0)},
]


def exact(array: np.ndarray) -> np.ndarray:
    """The same numbers as Python has them, whose comparisons do not round an integer."""
    return array.astype(object)


def truth(array: Any) -> np.ndarray:
    return np.asarray(array, dtype=bool)


# 16 bits cannot hold 16777217, and what is left of it is smaller than the float: no order is tried with it.
@model("Equal", inputs=PAIRS)
def equal(left, right):
    return truth(exact(left) == exact(right))


@model("NotEqual", inputs=PAIRS)
def not_equal(left, right):
    return truth(exact(left) != exact(right))


ORDERED = [
    {"left": given(2049, 4097, 3), "right": given(2048.0, 4096.0, 3.0)} if "9007199254740993" in repr(pair) else pair
    for pair in PAIRS[:-1]
]


@model("Greater", inputs=ORDERED)
def greater(left, right):
    return truth(exact(left) > exact(right))


@model("GreaterEqual", inputs=ORDERED)
def greater_equal(left, right):
    return truth(exact(left) >= exact(right))


@model("Less", inputs=ORDERED)
def less(left, right):
    return truth(exact(left) < exact(right))


@model("LessEqual", inputs=ORDERED)
def less_equal(left, right):
    return truth(exact(left) <= exact(right))


TRUTHS: list[dict[str, Any]] = [
    {"left": booleans(2, 3), "right": booleans(3)},
    {"left": booleans(2, 3), "right": booleans(2, 3)},
    {"left": booleans(2, 1, 3), "right": booleans(2, 1)},
    {"left": booleans(0, 3), "right": booleans(3)},
    {"left": booleans(), "right": booleans(3)},
    {"left": integers(0, 2, 2, 3), "right": integers(0, 2, 2, 3)},
    {"left": given(1, 6, 0, 2), "right": given(2, 3, 5, 2)},
    {"left": given(-1, 1, 0, 4), "right": given(True, True, False, False)},
    {"left": given(True, True, False, False), "right": given(-2, 4, 0, 1)},
    {"left": given(1, 6, 0, 2), "right": given(4, 8, 0, 0)},
    {"left": full(1.0, 3), "right": full(0.0, 3)},
    {"left": with_nan(3), "right": ties(3)},
]


@model("LogicalAnd", inputs=TRUTHS)
def logical_and(left, right):
    return np.logical_and(left, right)


@model("LogicalOr", inputs=TRUTHS)
def logical_or(left, right):
    return np.logical_or(left, right)


@model("LogicalXOr", inputs=TRUTHS)
def logical_xor(left, right):
    return np.logical_xor(left, right)


@model(
    "LogicalNot",
    inputs={
        "input": [
            booleans(2, 3), booleans(3), booleans(1), booleans(2, 1, 3), booleans(0, 3), booleans(), integers(0, 2, 3),
            integers(-3, 4, 2, 3), full(0, 3), full(1.0, 3), ties(2, 3),
        ]
    },
)  # fmt: skip
def logical_not(input):
    return np.logical_not(input)


# Results that 16 bits hold, for how an integer overflows is the framework's.
SHIFTS: list[dict[str, Any]] = [
    {"input": integers(-9, 10, 2, 3), "shift": integers(0, 4, 3)},
    {"input": integers(-9, 10, 2, 3), "shift": integers(0, 9, 2, 3)},
    {"input": integers(-9, 10, 2, 1, 3), "shift": integers(0, 9, 2, 1)},
    {"input": integers(-9, 10, 0, 3), "shift": integers(0, 4, 3)},
    {"input": integers(5, 6), "shift": integers(0, 4, 3)},
    {"input": full(0, 3), "shift": integers(0, 9, 3)},
    {"input": given(-5, 7, 1000), "shift": full(64, 3)},
    {"input": given(-5, 7, 1000), "shift": given(64, 65, 70)},
    {"input": given(-6, 7, 1000), "shift": given(-1, -2, -3)},
    {"input": given(-6, 7, 1000), "shift": given(0, -1, 1)},
    {"input": booleans(2, 3), "shift": integers(0, 4, 3)},
    {"input": normal(3), "shift": integers(0, 4, 3)},
]


def shifted(input: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if np.any(shift < 0):
        raise Refused("a shift is not negative")
    if input.dtype.kind == "f":
        raise Refused("floats have no bits to shift")
    numbers = np.broadcast_arrays(input.astype(object) * 1, shift.astype(object))
    return numbers[0], numbers[1]


@model("ShiftLeft", inputs=SHIFTS)
def shift_left(input, shift):
    # Beyond 64 places no bit of an integer of a framework is left.
    numbers, places = shifted(input, shift)
    return np.where(places < 64, numbers * 2**places, 0).astype(int)


@model("ShiftRight", inputs=SHIFTS)
def shift_right(input, shift):
    numbers, places = shifted(input, shift)
    return (numbers // 2**places).astype(int)


THREE = {"cond": booleans(2, 3), "input1": normal(2, 3), "input2": normal(2, 3)}


@model(
    "Where",
    inputs=[
        THREE,
        *(THREE | {"input1": draw} for draw in reals(2, 3)[1:]),
        *(THREE | {"input2": draw} for draw in (with_nan(2, 3), with_inf(2, 3), integers(-3, 4, 2, 3))),
        {"cond": booleans(3), "input1": normal(2, 3), "input2": normal(3)},
        {"cond": booleans(2, 1), "input1": normal(3), "input2": normal(1)},
        {"cond": booleans(2, 1, 3), "input1": normal(), "input2": normal(2, 1)},
        THREE | {"input1": integers(-3, 4, 2, 3), "input2": integers(-3, 4, 2, 3)},
        THREE | {"input1": booleans(2, 3), "input2": booleans(2, 3)},
        {"cond": booleans(0, 3), "input1": normal(0, 3), "input2": normal(3)},
        THREE | {"cond": integers(0, 2, 2, 3)},
        THREE | {"cond": integers(-2, 3, 2, 3)},
        THREE | {"cond": onehot(2, 3)},
        THREE | {"cond": ties(2, 3)},
        THREE | {"cond": with_nan(2, 3)},
    ],
    data=["cond"],
)
def where(cond, input1, input2):
    return np.where(cond != 0, input1, input2)


@model(
    "IsNan",
    inputs={
        "input": [
            *reals(2, 3), normal(3), with_nan(1), with_nan(2, 1, 3), normal(0, 3), with_nan(), integers(-5, 6, 2, 3),
            booleans(2, 3),
        ]
    },
)  # fmt: skip
def is_nan(input):
    return input != input


@model(
    "NanToNum",
    options={
        "nan": [0.0, -1.5, np.inf, np.nan, None],
        "posinf": [None, 9.0, 0.0, -9.0, np.inf],
        "neginf": [None, -9.0, 0.0, 9.0, -np.inf],
    },
    inputs={
        "input": [
            *reals(2, 3), given(np.nan, np.inf, -np.inf, 1.0), normal(3), with_nan(1), with_nan(2, 1, 3), normal(0, 3),
            positive(), integers(-5, 6, 2, 3), booleans(2, 3),
        ]
    },
)  # fmt: skip
def nan_to_num(input, nan, posinf, neginf):
    # PyTorch says what None means for nan: 0. The largest number of 64 bits is beyond those of any other precision.
    most = np.finfo(float).max
    if input.dtype.kind != "f":
        return input
    output = np.where(np.isnan(input), 0.0 if nan is None else nan, input)
    output = np.where(input == np.inf, most if posinf is None else posinf, output)
    return np.where(input == -np.inf, -most if neginf is None else neginf, output)
