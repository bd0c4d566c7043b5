"""What convolutions and poolings may be given, and what is right."""

from __future__ import annotations

import functools

import numpy as np
from mithril.utils.utils import PaddingType

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import Draw, booleans, given, integers, normal, reals, ties

SAME, VALID = PaddingType.SAME, PaddingType.VALID


def pair(value: object) -> tuple:
    """One number for both axes, or a number for each."""
    return value if isinstance(value, tuple) else (value, value)


def edges(padding: object, window: tuple[int, ...]) -> list[tuple[int, int]]:
    """How many numbers are added before and after each axis, whatever the padding is given as."""
    if padding == SAME and isinstance(padding, PaddingType):
        if any(size % 2 == 0 for size in window):
            raise Refused("'same' is half of a window of odd size on each side")
        return [(size // 2, size // 2) for size in window]
    if isinstance(padding, PaddingType):
        return [(0, 0)] * len(window)
    if isinstance(padding, int):
        return [(padding, padding)] * len(window)
    if len(window) == 1:
        return [padding]
    return [pair(side) for side in padding]


def sizes(shape: tuple[int, ...], window: tuple[int, ...], stride: tuple, padding: list, dilation: tuple) -> list[int]:
    """How many windows fit along each axis."""
    return [
        (size + sum(ends) - apart * (length - 1) - 1) // step + 1
        for size, length, step, ends, apart in zip(shape, window, stride, padding, dilation, strict=True)
    ]


def windows(array: np.ndarray, window: tuple[int, ...], stride: object, padding: object, dilation: object, fill: float):
    """Every place of a window, and what all windows hold there."""
    axes = len(window)
    stride, dilation = ((v,) if axes == 1 else pair(v) for v in (stride, dilation))
    padding = edges(padding, window)
    counts = sizes(array.shape[-axes:], window, stride, padding, dilation)
    if min(counts) < 1:
        raise Refused("the window is longer than what it moves over")
    padded = array
    if padding != [(0, 0)] * axes:
        padded = np.pad(array, [(0, 0)] * (array.ndim - axes) + padding, constant_values=fill)
    for place in np.ndindex(*window):
        spans = [
            slice(n * apart, n * apart + step * (count - 1) + 1, step)
            for n, apart, step, count in zip(place, dilation, stride, counts, strict=True)
        ]
        yield place, padded[(..., *spans)]


def convolved(input, kernel, bias, stride, padding, dilation):
    """The sum of the input's windows, weighted by the kernel."""
    total = 0
    for place, part in windows(input, kernel.shape[2:], stride, padding, dilation, 0):
        total = total + np.einsum("nc...,oc->no...", part, kernel[(..., *place)])
    return total if bias is None else total + bias


def largest(input, kernel_size, stride, padding, dilation):
    """The largest number of each window; what is added never is it."""
    if stride is None:
        stride = kernel_size if len(kernel_size) > 1 else kernel_size[0]
    fill = {"f": -np.inf, "i": np.iinfo(np.int64).min, "b": False}[input.dtype.kind]
    return np.max([part for _, part in windows(input, kernel_size, stride, padding, dilation, fill)], axis=0)


def fits(window: tuple[int, ...], input: Draw, stride: object, padding: object, dilation: object) -> bool:
    """Whether there is a window. One that is longer than its signal is tried with the plainest options alone."""
    axes = len(window)
    if padding == SAME and isinstance(padding, PaddingType) and any(size % 2 == 0 for size in window):
        return stride in (1, (1, 1)) and dilation in (1, (1, 1)) and 0 not in input.shape
    steps, apart = ((v,) if axes == 1 else pair(v) for v in (stride, dilation))
    counts = sizes(input.shape[-axes:], window, steps, edges(padding, window), apart)
    plain = (stride, padding, dilation) in [(1, 0, 1), ((1, 1), (0, 0), (1, 1)), (1, (0, 0), 1)]
    return min(counts) >= 1 or (min(counts) == 0 and plain)


def layer_fits(kernel, kernel_size=None, out_channels=None, use_bias=True, bias=None, **rest) -> bool:
    """Whether the options are those of the kernel, and whether there is a bias where one is wanted."""
    window = kernel.shape[2:]
    told = (kernel_size,) if len(window) == 1 else pair(kernel_size)
    return (
        (bias is not None) == use_bias
        and (kernel_size is None or told == window)
        and out_channels in (None, kernel.shape[0])
        and fits(window, **rest)
        # MLX ends the process for an empty batch with dilation.
        and (0 not in rest["input"].shape or rest["dilation"] in (1, (1, 1)))
    )


def layer(input: Draw, kernel: Draw, bias: Draw | None = None) -> dict[str, Draw]:
    """The inputs of a layer, with or without a bias."""
    return {"input": input, "kernel": kernel} | ({} if bias is None else {"bias": bias})


def layers(real: list[Draw], kernel: Draw, bias: Draw, others: list[tuple[Draw, Draw]]) -> list[dict[str, Draw]]:
    """Layers without a bias, and some with one: its shape follows from the kernel's."""
    ones = (1,) * (kernel.ndim - 2)
    bare = [layer(value, kernel) for value in real]
    bare += [layer(real[0], kernel.as_(kind)) for kind in ("some_zeros", "with_nan", "large")]
    bare += [layer(*both) for both in others]
    biased = [(real[0], kernel), (real[5], kernel), *others[:4]]
    return [layer(i, k, normal(1, k.shape[0], *ones)) for i, k in biased] + bare + [layer(real[0], kernel, bias)]


SIGNALS = layers(
    reals(1, 2, 6), normal(2, 2, 3), normal(1, 2, 1).as_("with_nan"),
    [
        (normal(2, 2, 6), normal(3, 2, 3)),
        (normal(1, 1, 6), normal(2, 1, 2)),
        (normal(1, 2, 6), normal(1, 2, 1)),
        (normal(1, 2, 6), normal(2, 2, 4)),
        (normal(0, 2, 6), normal(2, 2, 3)),
        (normal(1, 1, 2), normal(1, 1, 3)),
        (normal(1, 1024, 1), normal(1, 1024, 1)),
        (integers(-5, 6, 1, 2, 6), integers(-5, 6, 2, 2, 3)),
        (integers(-5, 6, 1, 2, 6), normal(2, 2, 3)),
        (booleans(1, 2, 6), normal(2, 2, 3)),
    ],
)  # fmt: skip
IMAGES = layers(
    reals(1, 1, 5, 5), normal(1, 1, 3, 3), normal(1, 1, 1, 1).as_("with_nan"),
    [
        (normal(2, 2, 3, 4), normal(3, 2, 3, 3)),
        (normal(1, 1, 5, 5), normal(2, 1, 2, 2)),
        (normal(1, 2, 3, 4), normal(1, 2, 1, 3)),
        (normal(1, 1, 4, 6), normal(1, 1, 3, 3)),
        (normal(1, 1, 5, 5), normal(1, 1, 1, 1)),
        (normal(1, 1, 5, 5), normal(1, 1, 2, 3)),
        (normal(1, 1, 5, 5), normal(1, 1, 3, 1)),
        (normal(0, 1, 5, 5), normal(1, 1, 3, 3)),
        (normal(1, 1, 2, 5), normal(1, 1, 3, 3)),
        (normal(1, 1024, 1, 1), normal(1, 1024, 1, 1)),
        (integers(-5, 6, 1, 1, 5, 5), integers(-5, 6, 1, 1, 3, 3)),
        (integers(-5, 6, 1, 1, 5, 5), normal(1, 1, 3, 3)),
        (booleans(1, 1, 5, 5), normal(1, 1, 3, 3)),
    ],
)  # fmt: skip


@model(
    "Convolution1D",
    options={
        "stride": [1, 2, 3],
        "padding": [0, 1, (2, 0), (1, 2), SAME, VALID],
        "dilation": [1, 2],
        "use_bias": [False, True],
        "kernel_size": [None, 3],
        "out_channels": [None, 2],
    },
    inputs=SIGNALS,
    where=layer_fits,
)
def convolution1d(input, kernel, stride, padding, dilation, bias=None, **_):
    return convolved(input, kernel, bias, stride, padding, dilation)


@model(
    "Convolution2D",
    options={
        "stride": [(1, 1), 1, 2, (1, 2), (2, 1)],
        "padding": [(0, 0), 1, (1, 0), ((1, 0), (0, 2)), SAME, VALID],
        "dilation": [(1, 1), 1, 2, (1, 2)],
        "use_bias": [False, True],
        "kernel_size": [None, 3, (3, 3), (1, 3)],
        "out_channels": [None, 1],
    },
    inputs=IMAGES,
    where=layer_fits,
)
def convolution2d(input, kernel, stride, padding, dilation, bias=None, **_):
    return convolved(input, kernel, bias, stride, padding, dilation)


def with_sizes(inputs: list[dict[str, Draw]], plain: dict[str, object], *others: dict[str, object]):
    """Inputs of an operation that takes its sizes as inputs, too: each with the plain ones, the first few with all."""
    few = [inputs[0], *(v for v in inputs if v["input"].shape[0] == 2)]
    return [v | plain for v in inputs] + [v | plain | other for other in others for v in few]


@model(
    "PrimitiveConvolution1D",
    options={"use_bias": [True, False]},
    inputs=with_sizes(
        SIGNALS, {"stride": 1, "padding": (0, 0), "dilation": 1},
        {"stride": 2}, {"padding": (2, 0)}, {"padding": 1}, {"dilation": 2}, {"stride": 2, "padding": (1, 1)},
    ),
    where=layer_fits,
)  # fmt: skip
def primitive_convolution1d(input, kernel, stride, padding, dilation, bias=None, **_):
    return convolved(input, kernel, bias, stride, padding, dilation)


@model(
    "PrimitiveConvolution2D",
    options={"use_bias": [True, False]},
    inputs=with_sizes(
        IMAGES, {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)},
        {"stride": (2, 2)}, {"stride": (1, 2)}, {"stride": (2, 1)}, {"padding": (1, 0)},
        {"padding": ((1, 0), (0, 2))}, {"dilation": (2, 2), "padding": (1, 1)},
        {"dilation": (1, 2), "padding": (0, 1)},
        {"stride": 2}, {"padding": 1}, {"dilation": 1},
    ),
    where=layer_fits,
)  # fmt: skip
def primitive_convolution2d(input, kernel, stride, padding, dilation, bias=None, **_):
    return convolved(input, kernel, bias, stride, padding, dilation)


def pool_fits(kernel_size, input, stride, padding, dilation, two=False) -> bool:
    """Whether each window holds a number of the input, and no number is one of several largest in two windows.

    In two windows, the right gradient is any of too many numbers to tell.
    """
    window = pair(kernel_size) if two else (kernel_size,)
    stride = kernel_size if stride is None else stride
    steps, apart = (pair(v) if two else (v,) for v in (stride, dilation))
    if isinstance(padding, PaddingType) and padding == SAME and any(size % 2 == 0 for size in window):
        return set(steps) == set(apart) == {1}
    if input.kind in ("ties", "some_zeros") and any(
        step <= gap * (size - 1) for step, size, gap in zip(steps, window, apart, strict=True)
    ):
        return False
    shape, ends = input.shape[-len(window) :], edges(padding, window)
    counts = sizes(shape, window, steps, ends, apart)
    return min(counts) > 0 and all(
        any(0 <= n * step - before + k * gap < length for k in range(size))
        for count, step, (before, _), size, gap, length in zip(counts, steps, ends, window, apart, shape, strict=True)
        for n in range(count)
    )


def apart(*shape: int) -> list[Draw]:
    """Numbers of every kind but those that a finite difference cannot tell apart."""
    return [value for value in reals(*shape) if value.kind != "tiny"]


NEGATIVE = given([[[-3.0, -1.0, -2.0, -5.0, -4.0, -6.0]]])
RUNS = [*apart(1, 2, 6), ties(1, 1, 6), NEGATIVE, normal(2, 1, 7), normal(1, 1, 1), normal(0, 2, 6),
        normal(1, 3, 2, 3), normal(1, 6), integers(-5, 6, 1, 2, 6), booleans(1, 2, 6)]  # fmt: skip
PICTURES = [*apart(1, 1, 4, 5), ties(1, 1, 4, 4), integers(1, 9, 1, 1, 4, 5), normal(2, 2, 2, 3), normal(1, 1, 1, 1),
            normal(0, 1, 4, 5), normal(1, 4, 5), booleans(1, 1, 4, 5)]  # fmt: skip


@model(
    "MaxPool1D",
    options={
        "kernel_size": [2, 1, 3, 4],
        "stride": [None, 1, 2, 3],
        "padding": [(0, 0), 1, (1, 0), (0, 1), SAME, VALID],
        "dilation": [1, 2],
    },
    inputs={"input": RUNS},
    where=pool_fits,
)
def max_pool1d(input, kernel_size, stride, padding, dilation):
    return largest(input, (kernel_size,), stride, padding, dilation)


@model(
    "MaxPool2D",
    options={
        "kernel_size": [2, (2, 2), 3, (1, 2), (2, 3)],
        "stride": [None, 1, 2, (1, 2), (2, 1)],
        "padding": [(0, 0), 1, (1, 0), (1, 1), ((1, 0), (0, 1)), SAME, VALID],
        "dilation": [1, 2, (1, 2)],
    },
    inputs={"input": PICTURES},
    where=functools.partial(pool_fits, two=True),
)
def max_pool2d(input, kernel_size, stride, padding, dilation):
    return largest(input, pair(kernel_size), stride, padding, dilation)


@model(
    "PrimitiveMaxPool1D",
    inputs=[
        {"input": run, "kernel_size": 2, "stride": 2, "padding": (0, 0), "dilation": 1} | other
        for run, other in [
            *((run, {}) for run in RUNS if run.shape != (1, 1, 1)),
            *((RUNS[0], {"padding": padding}) for padding in [(1, 0), (0, 1), 1]),
            (RUNS[0], {"kernel_size": 3, "stride": 1}),
            (RUNS[0], {"stride": 1, "dilation": 2}),
        ]
    ],
    where=pool_fits,
)
def primitive_max_pool1d(input, kernel_size, stride, padding, dilation):
    return largest(input, (kernel_size,), stride, padding, dilation)


@model(
    "PrimitiveMaxPool2D",
    inputs=[
        {"input": image, "kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)} | other
        for image, other in [
            *((image, {}) for image in PICTURES if image.shape != (1, 1, 1, 1)),
            *((PICTURES[0], {"padding": padding}) for padding in [(1, 0), ((1, 0), (0, 1)), 1]),
            *((PICTURES[0], {"kernel_size": size}) for size in [(1, 2), (3, 3), 2]),
            *((PICTURES[0], {"stride": stride}) for stride in [(1, 2), (2, 1), (1, 1), 2]),
            *((PICTURES[0], {"stride": (1, 1), "dilation": dilation}) for dilation in [(2, 2), (1, 2), 1]),
        ]
    ],
    where=functools.partial(pool_fits, two=True),
)
def primitive_max_pool2d(input, kernel_size, stride, padding, dilation):
    return largest(input, pair(kernel_size), stride, padding, dilation)


@model(
    "StrideConverter",
    inputs=[{"input": stride, "kernel_size": size} for stride in [None, 1, 3, (2, 1)] for size in [3, (3, 2)]],
)
def stride_converter(input, kernel_size):
    return kernel_size if input is None else input


@model(
    "PaddingConverter1D",
    inputs=[
        {"input": padding, "kernel_size": size} for padding in [0, 1, (1, 2), SAME, VALID] for size in [3, 1, 5, 2]
    ],
)
def padding_converter1d(input, kernel_size):
    return edges(input, (kernel_size,))[0]


@model(
    "PaddingConverter2D",
    inputs=[
        {"input": padding, "kernel_size": size}
        for padding in [0, 1, (1, 2), ((1, 2), (3, 4)), ((1, 1), (2, 2)), SAME, VALID]
        for size in [(3, 3), (3, 5), (2, 3)]
    ],
)
def padding_converter2d(input, kernel_size):
    ends = edges(input, kernel_size)
    # Two numbers say the same as two pairs of equal numbers, and are what the page promises for all but pairs.
    return tuple(ends) if isinstance(input, tuple) and isinstance(input[0], tuple) else tuple(end for end, _ in ends)


@model("TupleConverter", inputs=[{"input": value} for value in [2, 0, (2, 3), ((1, 2), (3, 4)), None]])
def tuple_converter(input):
    return (input, input) if isinstance(input, int) else input
