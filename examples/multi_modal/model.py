"""Two encoders that meet in one space, and the loss that trains them."""

from __future__ import annotations

import mithril as ml
import numpy as np
from mithril.models import (
    Add,
    Buffer,
    Divide,
    Exponential,
    Linear,
    Log,
    MatrixMultiply,
    Mean,
    Model,
    Multiply,
    Relu,
    Sqrt,
    Subtract,
    Sum,
    TrainModel,
    Transpose,
)


def add_encoder(model: Model, name: str) -> None:
    """Two linear layers and vectors of length 1, from `name`."""
    model += Linear(64)(
        input=name, w=f"{name}_w1", b=f"{name}_b1", output=f"{name}_wide"
    )
    model += Relu()(input=f"{name}_wide", output=f"{name}_active")
    model += Linear(16)(
        input=f"{name}_active",
        w=f"{name}_w2",
        b=f"{name}_b2",
        output=f"{name}_raw",
    )
    model += Multiply()(
        left=f"{name}_raw", right=f"{name}_raw", output=f"{name}_squares"
    )
    model += Sum(axis=-1, keepdim=True)(
        input=f"{name}_squares", output=f"{name}_sum"
    )
    model += Add()(left=f"{name}_sum", right=1e-6, output=f"{name}_safe")
    model += Sqrt()(input=f"{name}_safe", output=f"{name}_length")
    model += Divide()(
        numerator=f"{name}_raw",
        denominator=f"{name}_length",
        output=ml.IOKey(f"{name}_vector"),
    )


def encoder(name: str) -> Model:
    """A model of one encoder alone."""
    model = Model()
    add_encoder(model, name)
    return model


def add_direction(model: Model, scores: str, target: str, output: str) -> None:
    """The cross-entropy of each row of `scores`, as `output`."""
    model += Exponential()(input=scores, output=output + "_exp")
    model += Sum(axis=-1)(input=output + "_exp", output=output + "_total")
    model += Log()(input=output + "_total", output=output + "_log")
    model += Multiply()(left=scores, right=target, output=output + "_right")
    model += Sum(axis=-1)(input=output + "_right", output=output + "_score")
    model += Subtract()(
        left=output + "_log", right=output + "_score", output=ml.IOKey(output)
    )


def contrastive_model() -> TrainModel:
    """Both encoders, the scores, and the loss in both directions."""
    model = Model()
    add_encoder(model, "image")
    add_encoder(model, "text")
    model += Transpose(axes=(1, 0))(input="text_vector", output="columns")
    model += MatrixMultiply()(
        left="image_vector", right="columns", output="cosines"
    )
    model += Exponential()(input="log_scale", output="scale")
    model += Multiply()(left="cosines", right="scale", output="scores")
    model += Transpose(axes=(1, 0))(input="scores", output="turned")
    add_direction(model, "scores", "row_target", "image_to_text")
    add_direction(model, "turned", "column_target", "text_to_image")
    train_model = TrainModel(model)
    for key in ("image_to_text", "text_to_image"):
        train_model.add_loss(
            Buffer(), input=key, reduce_steps=[Mean()], key_name=key + "_loss"
        )
    return train_model


def initial_parameters(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random weights, zeros for biases, and a scale of 10."""
    values = {"log_scale": np.log([10.0])}
    # A word has about 6 pairs of letters: so many inputs are not 0.
    for name, size, filled in (("image", 64, 64), ("text", 729, 6)):
        spread = (2 / filled) ** 0.5
        values |= {
            f"{name}_w1": rng.normal(scale=spread, size=(size, 64)),
            f"{name}_b1": np.zeros(64),
            f"{name}_w2": rng.normal(scale=0.125, size=(64, 16)),
            f"{name}_b2": np.zeros(16),
        }
    return values
