"""Layers that Mithril lacks, or has with a fault, as models of their own.

Each reads `input` and gives `output`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mithril as ml
import numpy as np
from mithril.models import (
    BaseModel,
    Buffer,
    Concat,
    Exponential,
    Mean,
    Model,
    Multiply,
    PrimitiveConvolution2D,
    Relu,
    Sigmoid,
    Tanh,
    Variance,
)

#: A connection of a model, or a formula of connections.
Value = Any


def normalization(axis: tuple[int, ...], eps: float) -> Model:
    """Mean 0 and variance 1 over any axes."""
    model = Model()
    model += Mean(axis=axis, keepdim=True)(input="input", output="mean")
    model += Variance(axis=axis, correction=0, keepdim=True)(
        input="input", output="variance"
    )
    centered = model.input - model.mean
    return with_output(model, centered / (model.variance + eps).sqrt())


def gelu_tanh() -> Model:
    """The approximation of GELU by tanh."""
    model = Model()
    model += Multiply()(left="input", right=0.5, output="half")
    x = model.input
    inner = (x + x * x * x * 0.044715) * float(np.sqrt(2 / np.pi))
    model += Tanh()(input=inner, output="gate")
    return with_output(model, model.half * (model.gate + 1.0))


def silu() -> Model:
    """Mithril's own `SiLU` has a gradient of nan far below 0."""
    model = Model()
    model += Sigmoid()(input="input", output="gate")
    return with_output(model, model.input * model.gate)


def elu(alpha: float) -> Model:
    """Built from two `Relu`, so that nothing overflows."""
    model = Model()
    model += Relu()(input="input", output="above")
    model += Relu()(input=-model.input, output="below")
    model += Exponential()(input=-model.below, output="power")
    curve = (model.power - 1.0) * alpha
    return with_output(model, model.above + curve)


def with_output(model: Model, value: Any) -> Model:
    """The model with this connection as its output."""
    model += Multiply()(left=value, right=1.0, output=ml.IOKey("output"))
    return model


def formula(
    function: Callable[..., Value],
    shapes: dict[str, tuple[int | None, ...]] | None = None,
) -> Model:
    """A model of what a function does with connections.

    Parameters
    ----------
    function
        Takes the model and the connection `input`, and others by name, adds
        to the model what it needs, and returns the output.
    shapes
        The shapes of these connections. Without, one cannot slice twice.
    """
    model = Model()
    keys = {
        name: ml.IOKey(name, shape=shape)
        for name, shape in (shapes or {"input": None}).items()
    }
    output = function(model, **keys)
    model.extend(Buffer(), input=output, output=ml.IOKey("output"))
    return model


def put(model: Model, part: BaseModel, *values: Value, **inputs: Any) -> Value:
    """Add a part, with its input or inputs, and return its output."""
    if len(values) == 1:
        inputs["input"] = values[0]
    else:
        inputs |= {f"input{k}": each for k, each in enumerate(values, 1)}
    model.extend(part, **inputs)
    return part.output


def convolve(
    model: Model,
    image: Value,
    kernel: Value,
    pads: tuple[tuple[int, int], ...],
    strides: tuple[int, ...],
    sizes: tuple[int, ...],
) -> Value:
    """A convolution that is right on every backend, gradients too.

    On NumPy the gradient is wrong for kernels of even size, so these get a
    row or column of zeros. On NumPy and MLX unequal strides are wrong, so
    then every pixel is computed and some are taken.
    """
    wide = []
    for axis, (before, after) in enumerate(pads):
        even = sizes[axis] % 2 == 0
        if even:
            edge = kernel[:, :, :1] if axis == 0 else kernel[:, :, :, :1]
            parts = (kernel, edge * 0.0)
            kernel = put(model, Concat(n=2, axis=axis + 2), *parts)
        wide.append((before, after + even))
    equal = len(set(strides)) == 1
    made = put(
        model,
        PrimitiveConvolution2D(use_bias=False),
        image,
        kernel=kernel,
        stride=strides if equal else (1, 1),
        padding=tuple(wide),
        dilation=(1, 1),
    )
    return made if equal else made[:, :, :: strides[0], :: strides[1]]
