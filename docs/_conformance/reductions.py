"""What reductions may be given, and what is right."""

from __future__ import annotations

import numpy as np

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import Draw, booleans, full, given, integers, normal, reals

#: The last two name an axis twice, or an axis that no input has.
AXES = [None, 0, -1, (0, 1), (0, -1), (-2, -1), (), (0, -2), 4]
OPTIONS = {"axis": AXES, "keepdim": [False, True]}
SHAPES = [normal(3), normal(), normal(2, 1, 3), normal(1, 2, 3, 2), normal(0, 3), normal(2, 0)]
WHOLE = [integers(-5, 6, 2, 3), booleans(2, 3)]
INPUTS = {"input": [*reals(2, 3), *SHAPES, *WHOLE, normal(4096)]}


def fits(axis: object, input: Draw, **_: object) -> bool:
    """Whether the input has the axes; an axis that no input has, or one named twice, is a case to refuse."""
    named = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return axis == 4 or all(-input.ndim <= place < input.ndim for place in named)


def refusing(axis: object, input: np.ndarray, filled: bool = False) -> None:
    """Raise where axes are not there or there twice; if it must be ``filled``, also where there is no element."""
    named = range(input.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    places = [place % input.ndim for place in named if -input.ndim <= place < input.ndim]
    if len(places) < len(named):
        raise Refused("there is no such axis")
    if len(set(places)) < len(places):
        raise Refused("an axis is named twice")
    if filled and any(input.shape[place] == 0 for place in places):
        raise Refused("no elements have no largest or smallest one")


@model("Sum", options=OPTIONS, inputs=INPUTS, where=fits)
def sums(input, axis, keepdim):
    refusing(axis, input)
    return np.sum(input, axis=axis, keepdims=keepdim)


@model("Mean", options=OPTIONS, inputs={"input": [*INPUTS["input"], full(60000.0, 4)]}, where=fits)
def mean(input, axis, keepdim):
    refusing(axis, input)
    return np.mean(input, axis=axis, keepdims=keepdim)


@model("Prod", options=OPTIONS, inputs={"input": [*INPUTS["input"][:-1], full(0.0, 2, 3)]}, where=fits)
def prod(input, axis, keepdim):
    refusing(axis, input)
    return np.prod(input, axis=axis, keepdims=keepdim)


@model("Max", options=OPTIONS, inputs=INPUTS, where=fits)
def largest(input, axis, keepdim):
    refusing(axis, input, filled=True)
    return np.max(input, axis=axis, keepdims=keepdim)


@model("Min", options=OPTIONS, inputs=INPUTS, where=fits)
def smallest(input, axis, keepdim):
    refusing(axis, input, filled=True)
    return np.min(input, axis=axis, keepdims=keepdim)


PLACES = {"axis": [None, 0, -1, 1, 4, (0, 1)], "keepdim": [False, True]}


@model("ArgMax", options=PLACES, inputs=INPUTS, where=fits)
def place_of_largest(input, axis, keepdim):
    if isinstance(axis, tuple):
        raise Refused("it takes one axis or none")
    refusing(axis, input, filled=True)
    return np.argmax(input, axis=axis, keepdims=keepdim)


@model("ArgMin", options=PLACES, inputs=INPUTS, where=fits)
def place_of_smallest(input, axis, keepdim):
    if isinstance(axis, tuple):
        raise Refused("it takes one axis or none")
    refusing(axis, input, filled=True)
    return np.argmin(input, axis=axis, keepdims=keepdim)


@model(
    "Variance",
    options=OPTIONS | {"correction": [0.0, 0, 1, 1.0, 0.5, 2.0, 3, None]},
    inputs={"input": [*INPUTS["input"], full(0.1, 6), given(1000.25, 1000.5, 1001.0)]},
    where=fits,
)
def variance(input, axis, keepdim, correction):
    refusing(axis, input)
    if correction is None:
        raise Refused("None is no number to subtract")
    return np.var(input, axis=axis, ddof=correction, keepdims=keepdim)


@model("L1", inputs=INPUTS)
def l1(input):
    return np.sum(np.abs(input))


@model("L2", inputs=INPUTS)
def l2(input):
    return np.sum(input * input) / 2
