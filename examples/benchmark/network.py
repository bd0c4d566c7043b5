"""Cases for benchmark.py: a small network that predicts, trains, and does its work twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mithril as ml
import numpy as np
from mithril.models import Linear, Mean, Model, Relu, SquaredError, TrainModel

ROWS, WIDTH = 256, 256


def network() -> Model:
    """(rows, WIDTH) to (rows, WIDTH) in two layers."""
    model = Model()
    model += Linear(dimension=WIDTH)(input="x", w="w1", b="b1")
    model += Relu()
    model += Linear(dimension=WIDTH)(w="w2", b="b2", output=ml.IOKey("y"))
    return model


def numbers(backend: Any, *shapes: tuple[int, ...]) -> list[Any]:
    """Random arrays, the same in each run and on each backend."""
    rng = np.random.default_rng(0)
    return [backend.array(rng.normal(size=shape) / WIDTH**0.5) for shape in shapes]


def parameters(backend: Any) -> dict[str, Any]:
    """Weights and biases of the network."""
    w1, w2, b1, b2 = numbers(backend, (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH,), (WIDTH,))
    return {"w1": w1, "w2": w2, "b1": b1, "b2": b2}


def predict(backend: Any, jit: bool = False) -> Callable[[], Any]:
    """The outputs of a batch."""
    compiled = ml.compile(network(), backend, data_keys={"x"}, inference=True, jit=jit)
    params = parameters(backend)
    (x,) = numbers(backend, (ROWS, WIDTH))
    return lambda: compiled.evaluate(params, {"x": x})


def predict_with_jit(backend: Any) -> Callable[[], Any]:
    """The same, compiled by the framework's own compiler."""
    return predict(backend, jit=True)


def predict_twice(backend: Any) -> Callable[[], Any]:
    """The same batch twice: this takes twice as long, so it shows whether the measurement is right."""
    step = predict(backend)
    return lambda: [step(), step()]


def train(backend: Any) -> Callable[[], Any]:
    """The loss of a batch and all gradients."""
    model = TrainModel(network())
    model.add_loss(SquaredError(), input="y", target="t", reduce_steps=[Mean()])
    compiled = ml.compile(model, backend, data_keys={"x", "t"}, jit=False)
    params = parameters(backend)
    x, t = numbers(backend, (ROWS, WIDTH), (ROWS, WIDTH))
    return lambda: compiled.evaluate_all(params, {"x": x, "t": t})
