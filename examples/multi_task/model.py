"""A network for two tasks, and the losses that train it."""

from __future__ import annotations

import mithril as ml
import numpy as np
from mithril.models import (
    Add,
    Buffer,
    Exponential,
    Linear,
    Log,
    Mean,
    Minus,
    Model,
    Multiply,
    Relu,
    SquaredError,
    Subtract,
    Sum,
    TrainModel,
)


def two_tasks() -> Model:
    """The upper half of an image to logits and to the lower half."""
    model = Model()
    model += Linear(8)(input="upper", w="w1", b="b1", output="wide")
    model += Relu()(input="wide", output="trunk")
    model += Linear(10)(
        input="trunk", w="w_digit", b="b_digit", output=ml.IOKey("logits")
    )
    model += Linear(32)(
        input="trunk", w="w_draw", b="b_draw", output=ml.IOKey("drawing")
    )
    return model


def add_losses(model: Model) -> None:
    """Add `loss_digit` and `loss_draw`, each with the shape (1,)."""
    model += Exponential()(input="logits", output="exponential")
    model += Sum(axis=1)(input="exponential", output="total")
    model += Log()(input="total", output="log_total")
    model += Multiply()(left="logits", right="label", output="chosen")
    model += Sum(axis=1)(input="chosen", output="score")
    model += Subtract()(left="log_total", right="score", output="each_digit")
    model += Mean(axis=0, keepdim=True)(
        input="each_digit", output=ml.IOKey("loss_digit")
    )
    model += SquaredError()(
        input="drawing", target="lower", output="each_pixel"
    )
    model += Mean(axis=1)(input="each_pixel", output="each_drawing")
    model += Mean(axis=0, keepdim=True)(
        input="each_drawing", output=ml.IOKey("loss_draw")
    )


def by_hand() -> TrainModel:
    """The loss with weights that you choose."""
    model = two_tasks()
    add_losses(model)
    model += Multiply()(
        left="loss_digit", right="weight_digit", output="part_digit"
    )
    model += Multiply()(
        left="loss_draw", right="weight_draw", output="part_draw"
    )
    model += Add()(
        left="part_digit", right="part_draw", output=ml.IOKey("both")
    )
    return trainable(model)


def trainable(model: Model) -> TrainModel:
    """The model with `both` as the loss to minimize."""
    train_model = TrainModel(model)
    train_model.add_loss(
        Buffer(), input="both", reduce_steps=[Sum()], key_name="loss"
    )
    return train_model


def add_part(model: Model, task: str) -> None:
    """exp(-s) loss + s, where s is a parameter."""
    model += Minus()(input=f"s_{task}", output=f"minus_{task}")
    model += Exponential()(input=f"minus_{task}", output=f"weight_{task}")
    model += Multiply()(
        left=f"loss_{task}", right=f"weight_{task}", output=f"scaled_{task}"
    )
    model += Add()(
        left=f"scaled_{task}", right=f"s_{task}", output=f"part_{task}"
    )


def by_uncertainty() -> TrainModel:
    """The loss with weights that are learned."""
    model = two_tasks()
    add_losses(model)
    add_part(model, "digit")
    add_part(model, "draw")
    model += Add()(
        left="part_digit", right="part_draw", output=ml.IOKey("both")
    )
    return trainable(model)


def initial_parameters(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random weights, and zeros for biases."""
    sizes = {"1": (32, 8), "_digit": (8, 10), "_draw": (8, 32)}
    values = {}
    for name, (inputs, outputs) in sizes.items():
        scale = (2 / inputs) ** 0.5
        values["w" + name] = rng.normal(scale=scale, size=(inputs, outputs))
        values["b" + name] = np.zeros(outputs)
    return values
