"""What models between tensors and Python values may be given, what models that create tensors, and what is right."""

from __future__ import annotations

import math

import numpy as np

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import Draw, booleans, given, halves, integers, normal, reals

TENSORS = [
    *reals(2, 3), normal(), normal(1), normal(0, 3), normal(2, 0), normal(2, 1, 3), normal(1, 2, 3, 1),
    integers(-5, 6, 2, 3), booleans(2, 3),
]  # fmt: skip


@model("Buffer", inputs={"input": [*TENSORS, normal(4096)]})
def buffer(input):
    return input


def leaves(value: object) -> list[object]:
    """The numbers in nested lists and tuples."""
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list | tuple) else [value]


LISTS = [
    [[1.0, 2.0], [3.0, 4.0]], 3, 2.5, True, [1, 2], [[1, 2], [3, 4.5]], ((1, 2), (3, 4.5)), [True, 2], [True, 0.5],
    [True, False], [True, 2, 0.5], [[[1], [2]], [[3], [4]]], [math.nan, math.inf, -math.inf], [1e300, 1e-300],
    [30000, -30000], [40000], [2**31 - 1, -(2**31)], [2**31], [-(2**31) - 1], [2**62], 2**31, [2**31, 0.5],
    [16777217, 0.5], [], [[]], [[], []], [[1, 2], [3]],
]  # fmt: skip


@model("ToTensor", inputs={"input": LISTS})
def to_tensor(input):
    if input == [[1, 2], [3]]:
        raise Refused("the rows have different lengths")
    kinds = {type(leaf) for leaf in leaves(input)}
    # Without elements, nothing says what the tensor holds: floats, as everywhere else.
    return np.array(input, float if float in kinds or not kinds else int if int in kinds else bool)


@model("TensorToList", inputs={"input": TENSORS}, data=["input"])
def tensor_to_list(input):
    return input.tolist()


VALUES = [
    {"input1": 1.0, "input2": 2.0}, {"input1": 1, "input2": 2.5}, {"input1": True, "input2": 0}, {"input1": 7},
    {"input1": [4, 5]}, {"input1": (1, 2), "input2": [3.5]}, {"input1": [], "input2": ()},
    {"input1": math.nan, "input2": -math.inf}, {"input1": 2**40, "input2": 1e300},
    {"input1": 1, "input2": (2, 3), "input3": [4]}, {"input1": [[1, 2], [3]], "input2": 0, "input3": False},
]  # fmt: skip


def as_many(n: int, **values: object) -> bool:
    """Whether there are as many inputs as the model has."""
    return n == len(values)


@model("ToList", options={"n": [2, 1, 3]}, inputs=VALUES, where=as_many)
def to_list(n, **values):
    return [values[f"input{place + 1}"] for place in range(n)]


@model("ToTuple", options={"n": [2, 1, 3]}, inputs=VALUES, where=as_many)
def to_tuple(n, **values):
    return tuple(values[f"input{place + 1}"] for place in range(n))


SEQUENCES = [
    (4, 5, 6), [4, 5, 6], (4, 5, 6, 7), [[1, 2], [3.5]], (1.5, 2, True), [math.nan, math.inf], (2**40, 1e300), [7], (),
    [],
]  # fmt: skip


@model("ScalarItem", options={"index": [1, 0, -1, 2, -3, 4, -5]}, inputs={"input": SEQUENCES})
def scalar_item(input, index):
    if not -len(input) <= index < len(input):
        raise Refused("the index is beyond the end")
    return input[index]


PLACES = [None, 1, 0, 3, -1, -2, 8, -9]


@model(
    "PrimitiveSlice",
    options={"start": PLACES, "stop": PLACES, "step": [None, 1, 2, -1, -2, 5, 0]},
    inputs={"input": SEQUENCES},
)
def primitive_slice(input, start, stop, step):
    if step == 0:
        raise Refused("the step is 0")
    return input[start:stop:step]


@model(
    "PrimitiveUnion",
    options={"n": [2, 1, 3]},
    inputs=[
        {"input1": (1, 2), "input2": (3,)}, {"input1": (1, 2), "input2": (2, 3)}, {"input1": 1, "input2": (2.5, 3)},
        {"input1": 1, "input2": 1}, {"input1": (), "input2": ()}, {"input1": (True, 2), "input2": False},
        {"input1": (math.nan,), "input2": math.inf}, {"input1": (1, 2)}, {"input1": 3}, {"input1": ()},
        {"input1": 1, "input2": (2.5, 3), "input3": 4}, {"input1": (), "input2": 2**40, "input3": (1e300, 2)},
        {"input1": [1, 2], "input2": (3,)}, {"input1": (1, 2), "input2": [3]}, {"input1": [1, 2]},
    ],
    where=as_many,
)  # fmt: skip
def primitive_union(n, **values):
    if any(isinstance(value, list) for value in values.values()):
        raise Refused("a list is neither a number nor a tuple of numbers")
    parts = [value if isinstance(value, tuple) else (value,) for value in values.values()]
    return tuple(item for part in parts for item in part)


DTYPES = ["float32", "float16", "float64", "int32", "int16", "int64", "bool"]


def whole(input: Draw, dtype: str) -> bool:
    """Whether the new type has such numbers: there are no integers that stand for NaN and infinities."""
    return not dtype.startswith("int") or input.kind not in ("with_nan", "with_inf")


def slope_of_cast(input, dtype):
    return input if dtype.startswith("float") else np.zeros(input.shape, int)


def build_cast(models, dtype):
    import mithril

    return models.Cast(getattr(mithril, dtype))


@model(
    "Cast",
    options={"dtype": DTYPES},
    inputs={"input": [*TENSORS, halves(2, 3), given([-0.0, 0.0, 0.4, -0.4])]},
    where=whole,
    slope=slope_of_cast,
    build=build_cast,
    slack=10,  # what flows back through 16 bits is rounded to them
    dtype=lambda dtype: dtype,
)
def cast(input, dtype):
    return input.astype(dtype)


@model("DType", inputs={"input": [booleans(2, 3), booleans(), booleans(0, 3)]})
def dtype(input):
    return "Dtype.bool"


def within(start: float, stop: float, step: float) -> bool:
    """Whether the range holds one to a thousand numbers, and how many does not hang on rounding.

    An empty range raises an error where all three numbers are constants, as the page says.
    """
    count = (stop - start) / step
    return 0 < count <= 1000 and (count == round(count) or abs(count - round(count)) > 1e-6)


@model(
    "Arange",
    options={
        "start": [0, 1, 5, -3, 0.5, -2.5, 1e6, 30000],
        "stop": [5, 8, 1, 0, -4, 2.5, 1.3, 1e6 + 4, 40000],
        "step": [1, 2, -1, -2, 0.5, 0.1, -0.25, 1000, 3.0],
    },
    inputs=[{}],
    where=within,
)
def arange(start, stop, step):
    return np.arange(start, stop, step)


SIZES = {"N": [3, 1, 2, 0, 5, 100, -1], "M": [None, 3, 1, 2, 0, 7, -1]}


@model("Eye", options=SIZES, inputs=[{}])
def eye(**sizes):
    return identity(**sizes)


@model("EyeComplement", options=SIZES, inputs=[{}])
def eye_complement(**sizes):
    return 1 - identity(**sizes)


def identity(**sizes: int | None) -> np.ndarray:
    rows, columns = sizes["N"], sizes["M"]
    if rows < 0 or (columns or 0) < 0:
        raise Refused("a size is negative")
    return np.eye(rows, columns)
