"""What activations may be given, and what is right."""

from __future__ import annotations

import numpy as np
from scipy import special

from mithril_docs.conformance.domain import model
from mithril_docs.conformance.values import booleans, full, given, halves, integers, normal, reals

INPUTS = {
    "input": [
        *reals(2, 3), halves(2, 3), normal(1), normal(4), normal(1, 2, 3, 2), normal(0, 3), full(-100.0, 1),
        full(30.0, 1), given(-2.0, -0.0, 0.0, 1e-3), integers(-5, 6, 2, 3),
    ]
}  # fmt: skip
#: A slope that is an input of the model, and not an option.
LEARNED = "TBD"


def _sigmoid(x):
    return special.expit(np.asarray(x, float))


@model("Relu", inputs=INPUTS)
def relu(input):
    return np.where(np.isnan(input), input, np.where(input > 0, input, 0)).astype(input.dtype)


def _leaky(models, slope):
    if slope != LEARNED:
        return models.LeakyRelu(slope=slope)
    from mithril import TBD

    whole = models.Model()
    whole += models.LeakyRelu(slope=TBD)(input="input", slope="learned")
    return whole


@model(
    "LeakyRelu",
    options={"slope": [0.01, 0.1, 1.0, 0.0, -1.0, 2.0, 1, LEARNED]},
    inputs=[
        *[{"input": one} for one in INPUTS["input"]],
        {"input": normal(2, 3), "learned": given(0.3)},
        {"input": halves(2, 3), "learned": given(-0.5)},
        {"input": normal(4), "learned": given(2.0)},
    ],
    where=lambda slope, learned=None, **_: (slope == LEARNED) == (learned is not None),
    build=_leaky,
)
def leaky_relu(input, slope, learned=None):
    return np.where(input > 0, input, (slope if learned is None else learned) * np.asarray(input, float))


@model("Gelu", inputs=INPUTS)
def gelu(input):
    return np.asarray(input, float) * special.ndtr(np.asarray(input, float))


@model("SiLU", inputs=INPUTS)
def silu(input):
    return input * _sigmoid(input)


@model("Sigmoid", inputs={"input": [*INPUTS["input"], booleans(2, 3)]})
def sigmoid(input):
    return _sigmoid(input)


@model("Tanh", inputs=INPUTS)
def tanh(input):
    return np.tanh(np.asarray(input, float))


@model("Softplus", inputs=INPUTS)
def softplus(input):
    return np.logaddexp(0.0, np.asarray(input, float))


def _fits(axis, input):
    return axis is None or -input.ndim <= axis < input.ndim


@model(
    "Softmax",
    options={"axis": [-1, 0, 1, None, -2]},
    inputs={
        "input": [
            *reals(2, 3), halves(2, 3), normal(4), normal(1), normal(4096), normal(1, 2, 3, 2), normal(0, 3),
            normal(2, 0), given(1000.0, float("-inf"), 1000.0), given(float("-inf"), float("-inf")),
            integers(-5, 6, 2, 3),
        ]
    },
    where=_fits,
)  # fmt: skip
def softmax(input, axis):
    if not input.size:
        return np.zeros(input.shape)
    raised = np.exp(input - np.max(input, axis=axis, keepdims=True))
    return raised / np.sum(raised, axis=axis, keepdims=True)
