"""A model of the GPT family, its parameters, and how to load GPT-2's."""

import mithril as ml
import numpy as np
from mithril.models import (
    Add,
    Buffer,
    Concat,
    Embedding,
    Exponential,
    LayerNorm,
    Linear,
    Log,
    MatrixMultiply,
    Max,
    Mean,
    Model,
    Multiply,
    Reshape,
    ScaledDotProduct,
    Subtract,
    Sum,
    Tanh,
    TrainModel,
    Transpose,
)


def tanh_gelu():
    """The GELU of GPT-2: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³)))."""
    gelu = Model()
    gelu += Multiply()(left="input", right="input", output="square")
    gelu += Multiply()(left="square", right="input", output="cube")
    gelu += Multiply()(left="cube", right=0.044715, output="bend")
    gelu += Add()(left="input", right="bend", output="bent")
    gelu += Multiply()(left="bent", right=0.7978845608, output="scaled")
    gelu += Tanh()(input="scaled", output="tanh")
    gelu += Add()(left="tanh", right=1.0, output="gate")
    gelu += Multiply()(left="gate", right="input", output="gated")
    gelu += Multiply()(left="gated", right=0.5, output=ml.IOKey("output"))
    return gelu


def add_attention(model, i, width, heads, cached):
    """Attention of block i, from x_i to mid_i."""
    h, shape = f"h_{i}_", model.token.shape()
    samples, length = shape[0], shape[1]
    model += LayerNorm()(
        input=f"x_{i}", w=h + "ln_1_weight", b=h + "ln_1_bias", output=h + "a"
    )
    model += Linear(3 * width)(
        input=h + "a",
        w=h + "attn_c_attn_weight",
        b=h + "attn_c_attn_bias",
        output=h + "qkv",
    )
    model += Reshape()(
        input=h + "qkv",
        shape=(samples, length, 3, heads, width // heads),
        output=h + "parts",
    )
    # Afterwards: query, key or value; sample; head; position; feature.
    split = Transpose(axes=(2, 0, 3, 1, 4))
    model += split(input=h + "parts")
    query, key, value = (split.output[part] for part in range(3))
    for name, new in (("key", key), ("value", value)):
        output = ml.IOKey(f"{name}_{i}")
        if cached:
            model += Concat(n=2, axis=2)(
                input1=f"past_{name}_{i}", input2=new, output=output
            )
        else:
            model += Buffer()(input=new, output=output)
    model += ScaledDotProduct(is_causal=not cached)(
        query=query, key=f"key_{i}", value=f"value_{i}", output=h + "heads"
    )
    model += Transpose(axes=(0, 2, 1, 3))(
        input=h + "heads", output=h + "in_order"
    )
    model += Reshape()(
        input=h + "in_order",
        shape=(samples, length, width),
        output=h + "joined",
    )
    model += Linear(width)(
        input=h + "joined",
        w=h + "attn_c_proj_weight",
        b=h + "attn_c_proj_bias",
        output=h + "attended",
    )
    model += Add()(left=f"x_{i}", right=h + "attended", output=f"mid_{i}")


def add_mlp(model, i, width):
    """The two linear layers of block i, from mid_i to x_(i+1)."""
    h = f"h_{i}_"
    model += LayerNorm()(
        input=f"mid_{i}",
        w=h + "ln_2_weight",
        b=h + "ln_2_bias",
        output=h + "m",
    )
    model += Linear(4 * width)(
        input=h + "m",
        w=h + "mlp_c_fc_weight",
        b=h + "mlp_c_fc_bias",
        output=h + "wide",
    )
    model += tanh_gelu()(input=h + "wide", output=h + "active")
    model += Linear(width)(
        input=h + "active",
        w=h + "mlp_c_proj_weight",
        b=h + "mlp_c_proj_bias",
        output=h + "fed",
    )
    model += Add()(left=f"mid_{i}", right=h + "fed", output=f"x_{i + 1}")


def gpt(vocabulary, context, width, layers, heads, cached=False):
    """(samples, length) tokens to (samples, length, vocabulary) logits."""
    model = Model()
    model += Embedding(vocabulary, width)(
        input="token", embedding_matrix="wte_weight", output="meaning"
    )
    model += Embedding(context, width)(
        input="position", embedding_matrix="wpe_weight", output="place"
    )
    model += Add()(left="meaning", right="place", output="x_0")
    for i in range(layers):
        add_attention(model, i, width, heads, cached)
        add_mlp(model, i, width)
    model += LayerNorm()(
        input=f"x_{layers}", w="ln_f_weight", b="ln_f_bias", output="final"
    )
    model += Transpose(axes=(1, 0))(input="wte_weight", output="head")
    model += MatrixMultiply()(
        left="final", right="head", output=ml.IOKey("logits")
    )
    return model


def with_loss(model):
    """The model with the mean cross-entropy of the next token as its loss."""
    model += Max(axis=-1, keepdim=True)(input="logits", output="largest")
    model += Subtract()(left="logits", right="largest", output="shifted")
    model += Exponential()(input="shifted", output="exponential")
    model += Sum(axis=-1)(input="exponential", output="total")
    model += Log()(input="total", output="log_total")
    model += Multiply()(left="shifted", right="next", output="chosen")
    model += Sum(axis=-1)(input="chosen", output="score")
    model += Subtract()(
        left="log_total", right="score", output=ml.IOKey("surprise")
    )
    train_model = TrainModel(model)
    train_model.add_loss(
        Buffer(), input="surprise", reduce_steps=[Mean()], key_name="loss"
    )
    return train_model


def parameter_shapes(vocabulary, context, width, layers, **others):
    """The shape of each parameter of `gpt`, by its name."""
    shapes = {
        "wte_weight": (vocabulary, width),
        "wpe_weight": (context, width),
    }
    linear = {
        "attn_c_attn": (width, 3 * width),
        "attn_c_proj": (width, width),
        "mlp_c_fc": (width, 4 * width),
        "mlp_c_proj": (4 * width, width),
    }
    norms = [f"h_{i}_ln_{k}" for i in range(layers) for k in (1, 2)] + ["ln_f"]
    for name in norms:
        shapes |= {f"{name}_weight": (width,), f"{name}_bias": (width,)}
    for i in range(layers):
        for name, (rows, columns) in linear.items():
            shapes[f"h_{i}_{name}_weight"] = (rows, columns)
            shapes[f"h_{i}_{name}_bias"] = (columns,)
    return shapes


def initial_parameters(config, rng):
    """Random weights, zeros for biases and ones for norms, as NumPy arrays."""
    values = {}
    for name, shape in parameter_shapes(**config).items():
        if name.endswith("_bias"):
            values[name] = np.zeros(shape)
        elif "ln_" in name:
            values[name] = np.ones(shape)
        else:
            embedding = name in ("wte_weight", "wpe_weight")
            scale = (shape[1] if embedding else shape[0]) ** -0.5
            if name.endswith("c_proj_weight"):  # These add to the input.
                scale /= (2 * config["layers"]) ** 0.5
            values[name] = rng.normal(scale=scale, size=shape)
    return values


def from_gpt2(checkpoint, config):
    """Parameters from arrays that are named as in a GPT-2 checkpoint."""
    values = {}
    for name, value in checkpoint.items():
        name = name.removeprefix("transformer.")
        # The causal mask, and the tied head that some files repeat.
        if name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        if name == "lm_head.weight":
            continue
        values[name.replace(".", "_")] = value
    expected = parameter_shapes(**config)
    if different := expected.keys() ^ values.keys():
        raise ValueError(f"missing or unknown: {', '.join(sorted(different))}")
    for name, shape in expected.items():
        if values[name].shape != shape:
            raise ValueError(f"{name}: {values[name].shape}, expected {shape}")
    return values
