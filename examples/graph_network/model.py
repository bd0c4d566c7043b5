"""Graph networks: layers that pass messages along edges."""

import mithril as ml
import numpy as np
from mithril.models import (
    Add,
    Buffer,
    Divide,
    Exponential,
    LeakyRelu,
    Linear,
    Log,
    MatrixMultiply,
    Max,
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

LAYERS = ("mean", "attention", "gat")


def edge_weights(layer, adjacency):
    """What `edges` must hold, from 1 for an edge and 0 for none.

    Row i tells which nodes send to node i. No row may be empty.
    """
    if layer == "mean":
        return adjacency / adjacency.sum(axis=1, keepdims=True)
    return np.where(adjacency > 0, 0.0, -1e9)


def add_mean(model, i, width):
    """From x_i to mixed_i: the mean of the messages to each node."""
    k = f"layer{i}_"
    model += Linear(width)(
        input=f"x{i}", w=k + "w", b=k + "b", output=k + "message"
    )
    model += MatrixMultiply()(
        left="edges", right=k + "message", output=f"mixed{i}"
    )


def add_similarity(model, i, part):
    """Scores of layer i: how similar two messages are."""
    k = f"layer{i}_"
    model += Transpose(axes=(0, 2, 1))(
        input=k + "message", output=k + "turned"
    )
    model += MatrixMultiply()(
        left=k + "message", right=k + "turned", output=k + "products"
    )
    model += Multiply()(
        left=k + "products", right=part**-0.5, output=k + "score"
    )


def add_gat_scores(model, i):
    """Scores of layer i, as GAT computes them from two parameters."""
    k = f"layer{i}_"
    for end in ("to", "from"):
        model += MatrixMultiply()(
            left=k + "message", right=k + end, output=k + end + "_score"
        )
    model += Transpose(axes=(0, 2, 1))(
        input=k + "from_score", output=k + "from_row"
    )
    model += Add()(
        left=k + "to_score", right=k + "from_row", output=k + "pair"
    )
    model += LeakyRelu(slope=0.2)(input=k + "pair", output=k + "score")


def add_attention(model, i, width, heads, gat=False):
    """From x_i to mixed_i: a weighted mean of the messages."""
    k, part = f"layer{i}_", width // heads
    model += Linear(width)(
        input=f"x{i}", w=k + "w", b=k + "b", output=k + "joined"
    )
    nodes = getattr(model, k + "joined").shape()[0]
    model += Reshape()(
        input=k + "joined", shape=(nodes, heads, part), output=k + "parts"
    )
    # Afterwards: head, node, feature.
    model += Transpose(axes=(1, 0, 2))(input=k + "parts", output=k + "message")
    if gat:
        add_gat_scores(model, i)
    else:
        add_similarity(model, i, part)
    model += Add()(left=k + "score", right="edges", output=k + "masked")
    model += Softmax(axis=-1)(
        input=k + "masked", output=ml.IOKey(f"attention{i}")
    )
    model += MatrixMultiply()(
        left=f"attention{i}", right=k + "message", output=k + "heads"
    )
    model += Transpose(axes=(1, 0, 2))(
        input=k + "heads", output=k + "in_order"
    )
    model += Reshape()(
        input=k + "in_order", shape=(nodes, width), output=f"mixed{i}"
    )


def graph_network(layer, features, width, layers, classes, heads):
    """From x0 (N, features) and edges (N, N) to logits (N, classes)."""
    model = Model()
    model += Buffer()(input="x0", output="given")
    model.set_shapes({"x0": [None, features]})
    for i in range(layers):
        if layer == "mean":
            add_mean(model, i, width)
        else:
            add_attention(model, i, width, heads, gat=layer == "gat")
        model += Relu()(input=f"mixed{i}", output=f"x{i + 1}")
    model += Linear(classes)(
        input=f"x{layers}",
        w="head_w",
        b="head_b",
        output=ml.IOKey("logits"),
    )
    return model


def with_loss(model):
    """The model with the mean cross-entropy of the labeled nodes as loss.

    `label` (N, classes) holds a 1 for the class of a node, and a row of
    zeros for a node without a label.
    """
    model += Max(axis=-1, keepdim=True)(input="logits", output="largest")
    model += Subtract()(left="logits", right="largest", output="shifted")
    model += Exponential()(input="shifted", output="exponential")
    model += Sum(axis=-1, keepdim=True)(input="exponential", output="total")
    model += Log()(input="total", output="log_total")
    model += Subtract()(left="log_total", right="shifted", output="surprise")
    model += Multiply()(left="surprise", right="label", output="chosen")
    model += Sum()(input="chosen", output="sum")
    model += Sum()(input="label", output="labeled")
    model += Divide()(
        numerator="sum", denominator="labeled", output=ml.IOKey("cost")
    )
    train_model = TrainModel(model)
    train_model.add_loss(
        Buffer(), input="cost", reduce_steps=[Sum()], key_name="loss"
    )
    return train_model


def initial_parameters(layer, features, width, layers, classes, heads, rng):
    """Random weights and zeros for biases, as NumPy arrays."""

    def normal(*shape):
        return rng.normal(scale=shape[-2] ** -0.5, size=shape)

    values = {}
    for i in range(layers):
        k = f"layer{i}_"
        values[k + "w"] = normal(width if i else features, width)
        values[k + "b"] = np.zeros(width)
    values["head_w"] = normal(width, classes)
    values["head_b"] = np.zeros(classes)
    if layer == "gat":
        for i in range(layers):
            for end in ("to", "from"):
                part = width // heads
                values[f"layer{i}_{end}"] = normal(heads, part, 1)
    return values
