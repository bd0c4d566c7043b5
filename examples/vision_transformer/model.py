"""A vision transformer and its parameters."""

from __future__ import annotations

from typing import Any

import mithril as ml
import numpy as np
from mithril.models import (
    Add,
    BroadcastTo,
    Buffer,
    Concat,
    Exponential,
    LayerNorm,
    Linear,
    Log,
    MatrixMultiply,
    Max,
    Mean,
    Model,
    Multiply,
    Relu,
    Reshape,
    Softmax,
    Subtract,
    Sum,
    TrainModel,
    Transpose,
)


def add_patches(model: Model, side: int, patch: int) -> Any:
    """From `image` (N, side, side) to `patches` (N, count, numbers).

    Returns the connection that holds N.
    """
    across = side // patch
    model += Buffer()(input="image", output="pixels")
    samples = model.image.shape()[0]
    model += Reshape()(
        input="pixels",
        shape=(samples, across, patch, across, patch),
        output="grid",
    )
    # Afterwards: sample; patch row, patch column; pixel row, pixel column.
    model += Transpose(axes=(0, 1, 3, 2, 4))(input="grid", output="squares")
    model += Reshape()(
        input="squares",
        shape=(samples, across**2, patch**2),
        output=ml.IOKey("patches"),
    )
    return samples


def add_attention(
    model: Model, i: int, samples: Any, length: int, width: int, heads: int
) -> None:
    """Attention of block i, from x_i to mid_i."""
    b, part = f"block{i}_", width // heads
    model += LayerNorm()(
        input=f"x{i}", w=b + "norm1_w", b=b + "norm1_b", output=b + "normed"
    )
    model += Linear(3 * width)(
        input=b + "normed", w=b + "qkv_w", b=b + "qkv_b", output=b + "qkv"
    )
    model += Reshape()(
        input=b + "qkv",
        shape=(samples, length, 3, heads, part),
        output=b + "parts",
    )
    # Afterwards: query, key or value; sample; head; position; feature.
    split = Transpose(axes=(2, 0, 3, 1, 4))
    model += split(input=b + "parts")
    query, key, value = (split.output[k] for k in range(3))
    model += Multiply()(left=query, right=part**-0.5, output=b + "query")
    model += Transpose(axes=(0, 1, 3, 2))(input=key, output=b + "keys")
    model += MatrixMultiply()(
        left=b + "query", right=b + "keys", output=b + "scores"
    )
    model += Softmax(axis=-1)(
        input=b + "scores", output=ml.IOKey(f"attention{i}")
    )
    model += MatrixMultiply()(
        left=f"attention{i}", right=value, output=b + "heads"
    )
    model += Transpose(axes=(0, 2, 1, 3))(
        input=b + "heads", output=b + "in_order"
    )
    model += Reshape()(
        input=b + "in_order",
        shape=(samples, length, width),
        output=b + "joined",
    )
    model += Linear(width)(
        input=b + "joined", w=b + "out_w", b=b + "out_b", output=b + "out"
    )
    model += Add()(left=f"x{i}", right=b + "out", output=f"mid{i}")


def add_mlp(model: Model, i: int, width: int) -> None:
    """The two linear layers of block i, from mid_i to x_(i+1)."""
    b = f"block{i}_"
    model += LayerNorm()(
        input=f"mid{i}", w=b + "norm2_w", b=b + "norm2_b", output=b + "again"
    )
    model += Linear(2 * width)(
        input=b + "again", w=b + "up_w", b=b + "up_b", output=b + "wide"
    )
    model += Relu()(input=b + "wide", output=b + "active")
    model += Linear(width)(
        input=b + "active", w=b + "down_w", b=b + "down_b", output=b + "fed"
    )
    model += Add()(left=f"mid{i}", right=b + "fed", output=f"x{i + 1}")


def vit(
    side: int, patch: int, width: int, layers: int, heads: int, classes: int
) -> Model:
    """(N, side, side) images to (N, classes) logits."""
    model, length = Model(), (side // patch) ** 2 + 1
    samples = add_patches(model, side, patch)
    model += Linear(width)(
        input="patches", w="patch_w", b="patch_b", output="tokens"
    )
    model += BroadcastTo()(
        input="class_token", shape=(samples, 1, width), output="first"
    )
    model += Concat(n=2, axis=1)(input1="first", input2="tokens", output="all")
    model += Add()(left="all", right="position", output="x0")
    for i in range(layers):
        add_attention(model, i, samples, length, width, heads)
        add_mlp(model, i, width)
    model += LayerNorm()(
        input=f"x{layers}", w="norm_w", b="norm_b", output="final"
    )
    model += Linear(classes)(
        input=model.final[:, 0],
        w="head_w",
        b="head_b",
        output=ml.IOKey("logits"),
    )
    return model


def with_loss(model: Model) -> TrainModel:
    """The model with the mean cross-entropy as its loss."""
    model += Max(axis=-1, keepdim=True)(input="logits", output="largest")
    model += Subtract()(left="logits", right="largest", output="shifted")
    model += Exponential()(input="shifted", output="exponential")
    model += Sum(axis=-1)(input="exponential", output="total")
    model += Log()(input="total", output="log_total")
    model += Multiply()(left="shifted", right="label", output="chosen")
    model += Sum(axis=-1)(input="chosen", output="score")
    model += Subtract()(
        left="log_total", right="score", output=ml.IOKey("surprise")
    )
    train_model = TrainModel(model)
    train_model.add_loss(
        Buffer(), input="surprise", reduce_steps=[Mean()], key_name="loss"
    )
    return train_model


def initial_parameters(
    side: int,
    patch: int,
    width: int,
    layers: int,
    heads: int,
    classes: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Random weights, zeros for biases and ones for norms."""

    def linear(name: str, inputs: int, outputs: int) -> dict[str, np.ndarray]:
        weights = rng.normal(scale=inputs**-0.5, size=(inputs, outputs))
        return {f"{name}_w": weights, f"{name}_b": np.zeros(outputs)}

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}_w": np.ones(width), f"{name}_b": np.zeros(width)}

    length = (side // patch) ** 2 + 1
    values = linear("patch", patch**2, width)
    values["class_token"] = rng.normal(size=(1, 1, width))
    values["position"] = rng.normal(size=(length, width))
    for i in range(layers):
        b = f"block{i}_"
        values |= norm(b + "norm1") | norm(b + "norm2")
        values |= linear(b + "qkv", width, 3 * width)
        values |= linear(b + "out", width, width)
        values |= linear(b + "up", width, 2 * width)
        values |= linear(b + "down", 2 * width, width)
    return values | norm("norm") | linear("head", width, classes)
