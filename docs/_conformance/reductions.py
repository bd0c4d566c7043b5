"""What reductions may be given, and what is right."""

from __future__ import annotations

import numpy as np

from mithril_docs.conformance.domain import model
from mithril_docs.conformance.values import Draw, booleans, integers, normal, reals

OPTIONS = {"axis": [None, 0, -1, 1, (0, -1), (-1,)], "keepdim": [False, True]}
INPUTS = {
    "input": [*reals(2, 3), normal(3), normal(1), normal(2, 1, 3), normal(1, 2, 3, 2), normal(0, 3), normal(2, 0)]
}


def fits(axis: object, input: Draw, keepdim: bool = False) -> bool:
    """Whether the input has the axes, each once."""
    named = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
    places = [place % input.ndim for place in named if -input.ndim <= place < input.ndim]
    return len(places) == len(named) == len(set(places))


@model("Sum", options=OPTIONS, inputs={"input": [*INPUTS["input"], integers(-5, 6, 2, 3), booleans(2, 3)]}, where=fits)
def sums(input, axis, keepdim):
    return np.sum(input, axis=axis, keepdims=keepdim)


@model("Mean", options=OPTIONS, inputs=INPUTS, where=fits)
def mean(input, axis, keepdim):
    return np.mean(input, axis=axis, keepdims=keepdim)


@model("Prod", options=OPTIONS, inputs=INPUTS, where=fits)
def prod(input, axis, keepdim):
    return np.prod(input, axis=axis, keepdims=keepdim)
