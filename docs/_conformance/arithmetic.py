"""What models of arithmetic may be given, and what is right."""

from __future__ import annotations

from typing import Any

import mithril as ml
import numpy as np

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import Draw, booleans, given, halves, integers, normal, positive, reals

SHAPES = [normal(), normal(1), normal(2, 1, 3), normal(1, 2, 1, 2), normal(0, 3)]
WHOLE = [booleans(2, 3), integers(-5, 6, 2, 3), integers(-5, 6, 3), booleans(3)]
INPUT = {"input": [*reals(2, 3), *SHAPES, *WHOLE]}
INTEGERS = integers(1, 6, 3)
TRUTHS = [booleans(2, 3), given(True, False, True)]


def pairs(left: str, right: str, of_right: list[Draw]) -> list[dict[str, Any]]:
    """Two inputs: numbers of each kind, shapes that are broadcast, integers and Booleans."""
    joint = [
        *((value, of_right[0]) for value in reals(2, 3)),
        *((normal(2, 3), value) for value in of_right[1:]),
        (normal(2, 1), positive(1, 3)),
        (normal(), positive(2, 3)),
        (normal(1, 2, 1, 2), positive(3, 1)),
        (normal(0, 3), positive(3)),
        (integers(-5, 6, 2, 3), INTEGERS),
        (normal(2, 3), INTEGERS),
        (integers(-5, 6, 2, 3), positive(3)),
        tuple(TRUTHS),
        (TRUTHS[0], INTEGERS),
        (normal(2, 3), TRUTHS[1]),
    ]
    return [{left: one, right: other} for one, other in joint]


OPERANDS = pairs("left", "right", [normal(3), Draw("with_inf", (3,)), Draw("with_nan", (3,)), Draw("zeros", (3,))])
BIG = {"left": given(2147483647, -5), "right": given(1, 2)}
BIG_FACTOR = {"left": given(2147483647, -5), "right": given(2, 2)}


@model("Add", inputs=[*OPERANDS, BIG])
def add(left, right):
    return np.add(left, right)


@model("Subtract", inputs=[*OPERANDS, {"left": given(-2147483647, -5), "right": given(2, 2)}])
def subtract(left, right):
    if left.dtype == right.dtype == bool:
        raise Refused("truth values have no difference")
    return np.subtract(left, right)


@model("Multiply", inputs=[*OPERANDS, BIG_FACTOR])
def multiply(left, right):
    return np.multiply(left, right)


RATIOS = pairs(
    "numerator", "denominator", [positive(3), given(0.0, 0.5, -2.0), Draw("with_inf", (3,)), Draw("with_nan", (3,))]
)
BY_ZERO = [
    {"numerator": given(1, -1, 0), "denominator": given(0, 0, 0)},
    {"numerator": given(1.0, -1.0, 0.0), "denominator": given(0.0, 0.0, 0.0)},
]


@model("Divide", inputs=[*RATIOS, *BY_ZERO])
def divide(numerator, denominator):
    return np.divide(numerator, denominator)


@model("FloorDivide", inputs=[
    *RATIOS, *BY_ZERO, {"numerator": halves(2, 3), "denominator": given(-0.5, 1.5, 2.0)},
    {"numerator": integers(-9, 10, 2, 3), "denominator": given(-2, 3, 4)},
])  # fmt: skip
def floor_divide(numerator, denominator):
    if denominator.dtype.kind in "ib" and numerator.dtype.kind in "ib" and not denominator.all():
        raise Refused("an integer divided by 0 is no integer")
    return np.floor_divide(numerator, denominator)


#: What ``ml.Constant`` names, in the precision of the backend.
CONSTANTS = {
    ml.Constant.MIN_POSITIVE_NORMAL: {16: 6.103515625e-05, 32: 1.1754943508222875e-38, 64: 2.2250738585072014e-308},
    ml.Constant.STABLE_RECIPROCAL_THRESHOLD: {
        16: 0.007812809993849843, 32: 1.0842021951e-19, 64: 1.4916681462400413e-153,
    },
}  # fmt: skip


def constant(value: Any, bits: int) -> Any:
    """A number, or what a constant is in a precision; all as the backend holds it."""
    return float(np.dtype(f"float{bits}").type(CONSTANTS[value][bits] if value in CONSTANTS else value))


CUTOFFS = [ml.Constant.MIN_POSITIVE_NORMAL, 0.25, 0.5, 1, 2, 1e-3]
ROBUST = {"robust": [False, True]}
ABOUT_ZERO = [given(-0.25, 0.0, 0.25, 0.04, -0.04, 1.0), Draw("zeros", (2, 3)), positive(2, 3)]


def sensible(robust, threshold, base, exponent):
    """With a threshold that is to be refused, the first inputs are enough."""
    return robust or threshold == ml.Constant.MIN_POSITIVE_NORMAL or (base == positive(2, 3) and exponent == normal(3))


THRESHOLDS = {"threshold": [ml.Constant.MIN_POSITIVE_NORMAL, 0.25, 0.5, 1e-3]}


@model("Power", where=sensible, options=ROBUST | THRESHOLDS, inputs=[
    {"base": positive(2, 3), "exponent": normal(3)},
    *({"base": value, "exponent": given(2.0, 3.0, 1.0)} for value in reals(2, 3)),
    {"base": normal(2, 3), "exponent": given(0.5, -1.0, 0.0)},
    {"base": given(0.0, 0.0, 0.0, 0.0, 0.0), "exponent": given(0.0, 0.5, 1.0, 2.0, -1.0)},
    {"base": given(0.04, 0.1, -0.1, 0.25, 0.3), "exponent": given(0.5, 2.0, 0.5, 0.5, -1.0)},
    {"base": given(0.0, 0.0, 0.0), "exponent": given(0.5, 1.0, 2.0)},
    {"base": given(0.0, 2.0), "exponent": given(0.0, 0.0)},
    {"base": positive(2, 1), "exponent": normal(1, 3)},
    {"base": positive(), "exponent": normal(2, 3)},
    {"base": positive(2, 3), "exponent": normal()},
    {"base": positive(1, 2, 1, 2), "exponent": normal(3, 1)},
    {"base": positive(0, 3), "exponent": normal(3)},
    {"base": positive(3), "exponent": given(np.inf, -np.inf, np.nan)},
    {"base": integers(-5, 6, 2, 3), "exponent": given(0, 2, 3)},
    {"base": given(2, 3), "exponent": given(-1, -2)},
    {"base": normal(2, 3), "exponent": given(0, 2, 3)},
    {"base": integers(1, 6, 2, 3), "exponent": given(0.5, -1.0, 2.0)},
])  # fmt: skip
def power(base, exponent, robust, threshold, bits):
    if not robust and threshold != ml.Constant.MIN_POSITIVE_NORMAL:
        raise Refused("a threshold belongs to robust=True")
    whole = base.dtype.kind == exponent.dtype.kind == "i"
    if whole and (exponent < 0).any():
        raise Refused("an integer to a negative power is no integer")
    if not robust:
        return np.power(base, exponent)
    limit, size = constant(threshold, bits), np.abs(base).astype(float)
    found = size**exponent
    found = np.where(size < limit, np.fmin(found, size / limit), found)
    return found.astype(int) if whole else found


@model("Minus", inputs=INPUT)
def minus(input):
    if input.dtype == bool:
        raise Refused("truth values have no negative")
    return -input


@model("Absolute", inputs=INPUT)
def absolute(input):
    return np.abs(input)


@model("Sign", inputs=INPUT, constant=["output"])
def sign(input):
    return np.sign(input.astype(int) if input.dtype == bool else input)


@model("Square", inputs={"input": [*INPUT["input"], given(50000, -3)]})
def square(input):
    return input * input


@model("Sqrt", options=ROBUST | {"cutoff": CUTOFFS}, inputs={"input": [*INPUT["input"], *ABOUT_ZERO, given(0, 2, 4)]})
def sqrt(input, robust, cutoff, bits):
    if not robust:
        return np.sqrt(input.astype(float))
    limit, size = constant(cutoff, bits), np.abs(input.astype(float))
    return np.where(size < limit, size / np.sqrt(limit), np.sqrt(size))


@model("Exponential", inputs={"input": [*INPUT["input"], given(-104.0, 11.0, 12.0, 88.0, 89.0)]})
def exponential(input):
    return np.exp(input.astype(float))


@model("Log", options=ROBUST | {"cutoff": CUTOFFS}, inputs={"input": [*INPUT["input"], *ABOUT_ZERO, given(0, 2, 4)]})
def log(input, robust, cutoff, bits):
    if not robust:
        return np.log(input.astype(float))
    limit, size = constant(cutoff, bits), np.abs(input.astype(float))
    return np.where(size < limit, np.log(limit) + size / limit - 1, np.log(size))


@model("Sine", inputs=INPUT)
def sine(input):
    return np.sin(input.astype(float))


@model("Cosine", inputs=INPUT)
def cosine(input):
    return np.cos(input.astype(float))


def tangent(input, cutoff, bits):
    """The stable reciprocal without what is constant about 0: of the same slope, but with no huge numbers."""
    limit = constant(cutoff, bits)
    if limit > 1e-6:
        return stable_reciprocal(input, cutoff, bits)
    return np.where(np.abs(input) < limit, -input / limit**2, 1 / input)


@model(
    "StableReciprocal",
    options={"cutoff": [ml.Constant.STABLE_RECIPROCAL_THRESHOLD, 0.5, 0.25, 1, 2, 1e-3]},
    inputs={"input": [*INPUT["input"], *ABOUT_ZERO, given(1, 4, -2)]},
    slope=tangent,
    # About 1e-6, no finite difference stays on one side of the pole.
    where=lambda input, cutoff: cutoff != ml.Constant.STABLE_RECIPROCAL_THRESHOLD or input.kind != "tiny",
)
def stable_reciprocal(input, cutoff, bits):
    limit, value = constant(cutoff, bits), input.astype(float)
    side = np.where(value < 0, -1, 1)
    near = np.abs(value) < limit
    return np.where(near, 2 * side / limit - value / limit**2, 1 / value)
