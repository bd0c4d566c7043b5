"""What models that rearrange, join, cut and measure tensors may be given, and what is right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import (
    Draw,
    booleans,
    given,
    integers,
    normal,
    reals,
    some_zeros,
    ties,
    with_inf,
    with_nan,
)

#: Values that are moved, not computed with.
MOVED = [with_nan(2, 3), with_inf(2, 3), integers(-5, 6, 2, 3), booleans(2, 3)]


def fits(array: Draw, *axes: int) -> bool:
    """Whether an array has these axes, each once."""
    places = [place % array.ndim for place in axes if -array.ndim <= place < array.ndim]
    return len(places) == len(axes) == len(set(places))


def each_fits(input: Draw, **axes: int) -> bool:
    """Whether an array has each of these axes; two of them may be the same."""
    return all(fits(input, axis) for axis in axes.values())


def all_fit(input: Draw, axes: Any) -> bool:
    """Whether these are all axes of an array, each once."""
    named = [axes] if isinstance(axes, int) else range(input.ndim) if axes is None else axes
    return len(named) == input.ndim and fits(input, *named)


def takes(input: Draw, index: Any) -> bool:
    """Whether an array has all that an index names."""
    try:
        np.zeros(input.shape)[index]
    except IndexError:
        return False
    return True


@model(
    "Reshape",
    options={"shape": [(3, 2), (6,), (-1,), (2, -1), (-1, 1, 3), (6, 1), (2, 1, 3, 1), (3, 0), (), [3, 2], (-1, -1)]},
    inputs={"input": [normal(2, 3), *MOVED, normal(6), normal(1, 2, 3), normal(1, 3, 2, 1), normal(0, 3), normal(1)]},
)
def reshape(input, shape):
    if list(shape).count(-1) > 1:
        raise Refused("one size alone can be worked out")
    known = math.prod(size for size in shape if size != -1)
    if input.size != known and not (-1 in shape and known and input.size % known == 0):
        raise Refused("the number of elements is another")
    return input.reshape(shape)


@model(
    "Flatten",
    options={"start_dim": [0, 1, -1, -2, 2], "end_dim": [-1, 1, 0, -2, 2, 3]},
    inputs={
        "input": [
            normal(2, 3, 2), normal(2, 3), normal(3), normal(1), normal(2, 1, 3), normal(1, 2, 3, 2), normal(0, 3),
            normal(2, 0, 3), *MOVED,
        ]
    },
    where=each_fits,
)  # fmt: skip
def flatten(input, start_dim, end_dim):
    start, end = start_dim % input.ndim, end_dim % input.ndim
    if start > end:
        raise Refused("the last dimension to join comes before the first")
    shape = input.shape
    return input.reshape(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


@model(
    "Squeeze",
    inputs={
        "input": [
            normal(2, 1, 3), normal(2, 3), normal(1, 3), normal(1), normal(1, 1), normal(1, 2, 1, 3), normal(0, 1, 3),
            normal(), with_nan(1, 3), with_inf(1, 3), integers(-5, 6, 2, 1, 3), booleans(2, 1, 3),
        ]
    },
)  # fmt: skip
def squeeze(input):
    return input.reshape([size for size in input.shape if size != 1])


@model(
    "BroadcastTo",
    options={"shape": [(2, 3), (3,), (1, 3), (2, 2, 3), (4, 2, 1, 3), (2, 1, 3), (0, 3), (1,), (), (-1, 3)]},
    inputs={
        "input": [
            normal(3), normal(1), normal(2, 1), normal(1, 3), normal(2, 3), normal(1, 1), normal(2, 1, 3), normal(),
            normal(0, 3), with_nan(3), with_inf(1, 3), integers(-5, 6, 3), booleans(1, 3),
        ]
    },
)  # fmt: skip
def broadcast_to(input, shape):
    try:
        return np.broadcast_to(input, shape).copy()
    except ValueError:
        raise Refused("the shape of the input does not spread to this one") from None


@model(
    "Transpose",
    options={
        "axes": [
            None, (1, 0), (0, 1), (0,), (0, 2, 1), (2, 0, 1), (1, 2, 0), (-1, 0, 1), (-1, -3, -2), (1, -1, 0), (0, -1),
            (-1, -2), (3, 0, 1, 2), (-1,), (), [1, 0], 0,
        ]
    },
    inputs={
        "input": [
            normal(2, 3), normal(2, 2, 2), normal(2, 3, 2), normal(3), normal(1), normal(1, 2, 3, 2), normal(0, 3),
            normal(2, 2), normal(), *MOVED,
        ]
    },
    where=all_fit,
)  # fmt: skip
def transpose(input, axes):
    return np.transpose(input, axes)


@model(
    "SwapAxes",
    options={"axis1": [0, 1, -1, -2, 2], "axis2": [1, 0, -1, -2, 2]},
    inputs={
        "input": [
            normal(2, 3), normal(2, 3, 2), normal(3), normal(1), normal(1, 2, 3, 2), normal(0, 3), normal(1, 3), *MOVED,
        ]
    },
    where=each_fits,
)  # fmt: skip
def swap_axes(input, axis1, axis2):
    return np.swapaxes(input, axis1, axis2)


# No index beyond the end, for MLX reads whatever lies there, and no rows without elements, which end its process.
@model(
    "PermuteTensor",
    inputs=[
        {"input": normal(4, 3), "indices": given(2, 0, 3, 1)},
        {"input": normal(3), "indices": given(2, 0, 1)},
        {"input": normal(3), "indices": given(1, 2, 0)},
        {"input": normal(3), "indices": given(0, 1, 2)},
        {"input": normal(3), "indices": given(2, 2, 0)},
        {"input": normal(4, 3), "indices": given(0, 0, 0, 0)},
        {"input": normal(3), "indices": given(-1, 0, 1)},
        {"input": normal(3), "indices": given(-1, -3, -2)},
        {"input": normal(1), "indices": given([0])},
        {"input": normal(2, 1, 3), "indices": given(1, 0)},
        {"input": with_nan(3), "indices": given(2, 0, 1)},
        {"input": with_inf(3), "indices": given(2, 0, 1)},
        {"input": integers(-5, 6, 3), "indices": given(2, 0, 1)},
        {"input": booleans(3), "indices": given(2, 0, 1)},
        {"input": normal(3), "indices": given(2, 0)},
        {"input": normal(3), "indices": given(2, 0, 1, 1)},
    ],
)
def permute_tensor(input, indices):
    return np.stack([input[place] for place in indices])


TWO = {"input1": normal(2, 3), "input2": normal(2, 3)}


@model(
    "Concat",
    options={"n": [2, 3, 1], "axis": [0, 1, -1, None, -2]},
    inputs=[
        {"input1": normal(1, 3), "input2": normal(2, 3)},
        TWO,
        {"input1": normal(2, 1), "input2": normal(2, 3)},
        {"input1": normal(3), "input2": normal(1)},
        {"input1": normal(2, 1, 3), "input2": normal(2, 2, 3)},
        {"input1": normal(0, 3), "input2": normal(2, 3)},
        {"input1": normal(), "input2": normal()},
        TWO | {"input2": with_nan(2, 3)},
        TWO | {"input1": with_inf(2, 3)},
        TWO | {"input1": integers(-5, 6, 2, 3)},
        {"input1": integers(-5, 6, 2, 3), "input2": integers(-5, 6, 2, 3)},
        TWO | {"input2": booleans(2, 3)},
        {"input1": booleans(2, 3), "input2": integers(-5, 6, 2, 3)},
        {"input1": booleans(2, 3), "input2": booleans(2, 3)},
        TWO | {"input3": normal(2, 3)},
        TWO | {"input3": integers(-5, 6, 2, 3)},
        {"input1": normal(3), "input2": normal(3), "input3": normal(3)},
        {"input1": normal(2, 3)},
        {"input1": normal(3)},
    ],
    where=lambda n, axis, **inputs: len(inputs) == n and joins(axis, [draw.shape for draw in inputs.values()]),
)
def concat(n, axis, **inputs):
    given = [np.atleast_1d(value) for value in inputs.values()]
    return np.concatenate(given, axis=axis)


def joins(axis: int | None, shapes: list[tuple[int, ...]]) -> bool:
    """Whether arrays of these shapes can be joined; those without dimensions count as vectors."""
    if axis is None:
        return True
    count = {max(len(shape), 1) for shape in shapes}
    if len(count) > 1 or not -min(count) <= axis < min(count):
        return False
    others = [[size for place, size in enumerate(shape) if place != axis % len(shape)] for shape in shapes if shape]
    return all(other == others[0] for other in others)


# What MLX does not survive is left out here, too.
@model(
    "TensorItem",
    options={
        "index": [
            0, -1, 2, slice(0, 2), slice(None), slice(-2, None), slice(1, 1), slice(2, 9), slice(None, None, 2),
            slice(None, None, -1), (..., 1), (2, 0), (-1, -1), (None, 1), None, ..., (slice(None), 1),
            (slice(1, None), 0), (slice(None), slice(0, 1)), (0, ...), (..., None, 0), (..., slice(None, None, -1)),
        ]
    },
    inputs={
        "input": [
            normal(3, 2), normal(3), normal(3, 2, 2), normal(3, 1), with_nan(3, 2), with_inf(3, 2),
            integers(-5, 6, 3, 2), booleans(3, 2), ties(3, 2),
        ]
    },
    where=takes,
)  # fmt: skip
def tensor_item(input, index):
    return np.array(input[index])


# A step of 0 ends the process on MLX.
@model(
    "TensorSlice",
    options={"start": [None, 1, 0, -2, 9, -9], "stop": [None, 3, 0, -1, 9, -9], "step": [None, 1, 2, 3, -1, -2]},
    inputs={
        "input": [
            normal(4, 2), normal(4), normal(1), normal(4, 1, 3), normal(0, 2), normal(4, 0), with_nan(4), with_inf(4),
            integers(-5, 6, 4), booleans(4),
        ]
    },
)  # fmt: skip
def tensor_slice(input, start, stop, step):
    return input[start:stop:step].copy()


@model(
    "Item",
    inputs={
        "input": [
            normal(1), normal(1, 1), normal(), given([0.0]), given([np.nan]), given([np.inf]), given([3]),
            given([[-3]]), given([True]), normal(2), normal(0), normal(1, 3),
        ]
    },
    constant=["output"],
)  # fmt: skip
def item(input):
    if input.size != 1:
        raise Refused("the tensor has not one element")
    return input.reshape(-1).tolist()[0]


@model(
    "Unique",
    inputs={
        "input": [
            normal(4), normal(2, 3), ties(2, 3), some_zeros(6), given(0.0, -0.0, 1.0), with_nan(6),
            given(np.nan, 1.0, np.nan), with_inf(6), normal(1), normal(0), normal(2, 0), normal(), integers(0, 4, 9),
            integers(-5, 6, 2, 3), booleans(4),
        ]
    },
)  # fmt: skip
def unique(input):
    return np.unique(input)


SIZED = [
    normal(2, 3), normal(3), normal(1), normal(1, 2, 3), normal(1, 3, 2, 1), normal(0, 3), normal(2, 0),
    integers(-5, 6, 2, 3), booleans(2, 3),
]  # fmt: skip


@model("Shape", inputs={"input": [*SIZED, normal()]}, constant=["output"])
def shape(input):
    return input.shape


@model(
    "Size",
    options={"dim": [None, 0, -1, 1, (0,), (1, 0), (-1, 0), (0, 0), (), 2, -3]},
    inputs={"input": [*SIZED, normal()]},
    constant=["output"],
)
def size(input, dim):
    axes = () if dim is None else (dim,) if isinstance(dim, int) else dim
    if not all(-input.ndim <= axis < input.ndim for axis in axes):
        raise Refused("there is no such dimension")
    if dim is None:
        return input.size
    return input.shape[dim] if isinstance(dim, int) else tuple(input.shape[axis] for axis in dim)


@model("Length", inputs={"input": [*SIZED, *reals(2, 3)[5:], normal()]})
def length(input):
    if input.ndim == 0:
        raise Refused("a tensor without dimensions has no length")
    return len(input)
