"""Layers that Mithril lacks, or has with a fault, as models of their own.

Each reads `input` and gives `output`.
"""

from __future__ import annotations

from typing import Any

import mithril as ml
import numpy as np
from mithril.models import (
    Exponential,
    Mean,
    Model,
    Multiply,
    Relu,
    Sigmoid,
    Tanh,
    Variance,
)


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
