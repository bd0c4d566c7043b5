"""What layers may be given, and what is right."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy import special

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import (
    booleans,
    full,
    given,
    integers,
    normal,
    positive,
    signs,
    some_zeros,
    tiny,
    variants,
    with_inf,
)

ACTIVATIONS = {
    "Relu": lambda x: np.where(np.isnan(x), x, np.maximum(x, 0)),
    "Sigmoid": special.expit,
    "Softmax": lambda x: special.softmax(x, axis=-1) if x.size else x,
    "Tanh": np.tanh,
    "Buffer": lambda x: x,
}


def _linear(x, w, b=None, dimension=None):
    if dimension not in (None, w.shape[-1]):
        raise Refused(f"w has {w.shape[-1]} columns, not {dimension}")
    if x.shape[-1] != w.shape[0] or w.ndim != 2 or (b is not None and b.shape != (w.shape[-1],)):
        raise Refused("sizes do not fit")
    # a sum of products, term by term, so that 0 times inf is NaN wherever it stands
    product = (np.asarray(x, float)[..., :, None] * np.asarray(w, float)).sum(axis=-2)
    return product if b is None else product + b


DENSE = {"input": normal(2, 3), "w": normal(3, 4), "b": normal(4)}
DENSE_INPUTS = [
    *variants(DENSE, "input"),
    *variants(DENSE, "w", "some_zeros", "large", "with_nan", "with_inf")[1:],
    DENSE | {"b": with_inf(4)},
    DENSE | {"input": normal(2, 1, 3)},
    DENSE | {"input": normal(1, 2, 2, 3)},
    DENSE | {"input": normal(0, 3)},
    {"input": normal(2, 0), "w": normal(0, 4), "b": normal(4)},
    {"input": normal(1, 1), "w": normal(1, 1), "b": normal(1)},
    DENSE | {"input": integers(-3, 4, 2, 3)},
]


def _no_bias(inputs):
    return {name: value for name, value in inputs.items() if name != "b"}


@model(
    "Linear",
    options={"dimension": [None, 4, 3], "use_bias": [True, False]},
    inputs=[
        *DENSE_INPUTS,
        {"input": normal(1, 4096), "w": normal(4096, 1), "b": normal(1)},
        DENSE | {"b": normal(1)},
        *[_no_bias(one) for one in DENSE_INPUTS[::4]],
    ],
    where=lambda use_bias, b=None, **_: use_bias == (b is not None),
)
def linear(input, w, dimension, use_bias, b=None):
    return _linear(input, w, b, dimension)


AFFINE = {"input": normal(2, 3), "w": normal(3), "b": normal(3)}


@model(
    "ElementWiseAffine",
    inputs=[
        *variants(AFFINE, "input"),
        *variants(AFFINE, "w", "some_zeros", "with_inf")[1:],
        AFFINE | {"w": normal(2, 1)},
        AFFINE | {"w": normal(1), "b": normal(2, 1)},
        {"input": normal(3), "w": normal(2, 1), "b": normal(1)},
        AFFINE | {"input": normal(2, 1, 2, 3)},
        AFFINE | {"input": normal(0, 3)},
        AFFINE | {"input": integers(-3, 4, 2, 3)},
        AFFINE | {"input": booleans(2, 3)},
    ],
)
def affine(input, w, b):
    return w * np.asarray(input, float) + b


@model(
    "Layer",
    options={"activation": ["Relu", "Sigmoid", "Softmax", "Tanh", "Buffer"], "dimension": [None, 4]},
    inputs=[one for one in DENSE_INPUTS if one["w"].shape == (3, 4)],
    build=lambda models, activation, dimension: models.Layer(getattr(models, activation)(), dimension),
)
def layer(input, w, b, activation, dimension):
    return ACTIVATIONS[activation](_linear(input, w, b, dimension))


TWO = {"input": normal(2, 3), "w0": normal(3, 4), "b0": normal(4), "w1": normal(4, 2), "b1": normal(2)}


@model(
    "MLP",
    options={
        "activations": [["Relu", "Tanh"], ["Sigmoid", "Buffer"], ["Tanh", "Softmax"], ["Relu"]],
        "dimensions": [[4, 2], [None, None], [4, None], [4]],
        "input_name_templates": [None, {"weight": "w", "bias": "b"}, {"weight": "kernel", "bias": "offset"}],
    },
    inputs=[
        *variants(TWO, "input"),
        *variants(TWO, "w1", "some_zeros", "with_nan")[1:],
        TWO | {"input": normal(2, 1, 3)},
        TWO | {"input": normal(0, 3)},
        TWO | {"input": integers(-3, 4, 2, 3)},
        {"input": normal(2, 3), "w0": normal(3, 4), "b0": normal(4)},
        {"input": TWO["input"], **{f"kernel{n}": TWO[f"w{n}"] for n in (0, 1)},
         **{f"offset{n}": TWO[f"b{n}"] for n in (0, 1)}},
    ],
    where=lambda activations, dimensions, input_name_templates, **inputs: (
        len(activations) == len(dimensions) == len(inputs) // 2
        and ("w0" in inputs) == ((input_name_templates or {}).get("weight", "w") == "w")
    ),
    build=lambda models, activations, **options: models.MLP(
        [getattr(models, name)() for name in activations], **options
    ),
)  # fmt: skip
def mlp(input, activations, dimensions, input_name_templates, **parameters):
    names = {"weight": "w", "bias": "b"} | (input_name_templates or {})
    state = input
    for place, (activation, dimension) in enumerate(zip(activations, dimensions, strict=True)):
        w, b = (parameters[f"{names[kind]}{place}"] for kind in ("weight", "bias"))
        state = ACTIVATIONS[activation](_linear(state, w, b, dimension))
    return state


TABLE = {"embedding_matrix": normal(5, 3)}


# An index beyond the table is left out: MLX reads and writes past the end of the array there.
@model(
    "Embedding",
    options={"num_embeddings": [None, 5, 4], "dim": [None, 3, 2]},
    inputs=[
        {"input": given([[0, 2, 4], [1, 1, 1]])} | TABLE,
        {"input": given([3])} | TABLE,
        {"input": given(4, -1, -5)} | TABLE,
        {"input": integers(0, 5, 2, 1, 3)} | TABLE,
        {"input": integers(0, 5, 1, 2, 2, 2)} | TABLE,
        {"input": integers(0, 5, 0)} | TABLE,
        {"input": integers(0, 5, 2, 0)} | TABLE,
        {"input": integers(0, 5, 4096)} | TABLE,
        *[{"input": given([[0, 2], [-1, 4]]), "embedding_matrix": one["table"]}
          for one in variants({"table": normal(5, 3)}, "table", "some_zeros", "large", "with_nan", "with_inf")],
        {"input": given(0, 0, 0), "embedding_matrix": normal(1, 3)},
        {"input": given(0, 4), "embedding_matrix": integers(-3, 4, 5, 3)},
    ],
)  # fmt: skip
def embedding(input, embedding_matrix, num_embeddings, dim):
    for wanted, size in zip((num_embeddings, dim), embedding_matrix.shape, strict=True):
        if wanted not in (None, size):
            raise Refused(f"the matrix has {size} rows or columns, not {wanted}")
    return embedding_matrix[input]


def _normalized(x, axes, eps):
    x = np.asarray(x, float)
    mean = x.mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=axes, keepdims=True) + eps)


def _steep(eps, input):
    """Without eps, the slope at numbers of 1e-6 is so steep that no difference quotient tells it."""
    return eps == 0 and input.kind == "tiny"


ROWS = {"input": normal(2, 3, 3), "w": normal(3), "b": normal(3)}


@model(
    "LayerNorm",
    options={"use_scale": [True, False], "use_bias": [True, False], "eps": [1e-5, 0.0, 1e-3, 1.0]},
    inputs=[
        *[
            {key: value for key, value in one.items() if key in keys}
            for one in [
                *variants(ROWS, "input"),
                ROWS | {"input": full(5.0, 1, 2, 3)},
                ROWS | {"input": given([[[4.1, 4.2, 4.4], [4.0, 4.0, 4.5]]])},
                ROWS | {"input": normal(0, 2, 3)},
                ROWS | {"input": integers(-3, 4, 1, 2, 3)},
                {"input": normal(2, 3, 1), "w": normal(1), "b": normal(1)},
            ]
            for keys in [["input", "w", "b"], ["input"], ["input", "w"], ["input", "b"]]
            if "b" in keys or one["input"].kind in ("normal", "large", "integers")
        ],
        {"input": normal(1, 1, 4096)},
    ],
    where=lambda use_scale, use_bias, eps, w=None, b=None, **others: (
        (use_scale, use_bias) == (w is not None, b is not None) and not _steep(eps, others["input"])
    ),
)
def layer_norm(input, use_scale, use_bias, eps, w=1.0, b=0.0):
    return _normalized(input, -1, eps) * w + b


IMAGE = {"input": normal(2, 4, 2, 1), "weight": normal(1, 4, 1, 1), "bias": normal(1, 4, 1, 1)}
THREE = {"input": normal(1, 3, 2, 2), "weight": normal(1, 3, 1, 1), "bias": normal(1, 3, 1, 1)}


@model(
    "GroupNorm",
    sample=20,
    options={"num_groups": [2, 1, 4, 32], "use_scale": [True, False], "use_bias": [True, False],
             "eps": [1e-5, 0.0, 1e-3, 1.0]},
    inputs=[
        *variants(IMAGE, "input"),
        IMAGE | {"input": full(5.0, 1, 4, 1, 2)},
        IMAGE | {"input": normal(0, 4, 1, 2)},
        IMAGE | {"input": integers(-3, 4, 1, 4, 2, 2)},
        THREE,
        *[{key: value for key, value in one.items() if key in keys}
          for one in (IMAGE, IMAGE | {"input": normal(1, 4, 4, 2)})
          for keys in [["input"], ["input", "weight"], ["input", "bias"]]],
        {"input": normal(1, 32, 1, 1)},
    ],
    where=lambda use_scale, use_bias, eps, weight=None, bias=None, **others: (
        (use_scale, use_bias) == (weight is not None, bias is not None) and not _steep(eps, others["input"])
    ),
)  # fmt: skip
def group_norm(input, num_groups, use_scale, use_bias, eps, weight=1.0, bias=0.0):
    batch, channels, height, width = input.shape
    if channels % num_groups:
        raise Refused(f"{num_groups} groups do not divide {channels} channels")
    groups = input.reshape(batch, num_groups, channels // num_groups, height, width)
    return _normalized(groups, (2, 3, 4), eps).reshape(input.shape) * weight + bias


QKV = {"query": normal(1, 3, 2), "key": normal(1, 4, 2), "value": normal(1, 4, 3)}
SELF = {"query": normal(1, 3, 2), "key": normal(1, 3, 2), "value": normal(1, 3, 2)}
INF = float("inf")


# Dropout is 0 alone: with another number the model is random on PyTorch, and other backends refuse it.
@model(
    "ScaledDotProduct",
    options={"is_causal": [True, False], "scale": [None, 0.5, 1, 0, -1.0], "dropout_p": [0.0],
             "use_attn_mask": [False, True]},
    inputs=[
        *variants(SELF, "query", "some_zeros", "ties", "large", "with_nan", "with_inf"),
        *variants(SELF, "value", "large", "with_nan", "with_inf")[1:],
        QKV,
        {name: normal(3, 2) for name in SELF},
        {name: normal(2, 1, 3, 2) for name in SELF},
        {"query": normal(1, 2, 2), "key": normal(1, 1, 2), "value": normal(1, 1, 1)},
        {name: normal(0, 3, 2) for name in SELF},
        {name: integers(-3, 4, 1, 3, 2) for name in SELF},
        QKV | {"attn_mask": normal(3, 4)},
        QKV | {"attn_mask": given([[0.0, -INF, 0.0, -INF], [0.0] * 4, [0.0, -INF, -INF, -INF]])},
        QKV | {"attn_mask": given([[True, False, True, True], [True] * 4, [False, True, False, True]])},
        QKV | {"attn_mask": given([[-INF] * 4, [0.0] * 4, [0.0] * 4])},
        QKV | {"attn_mask": given([[False] * 4, [True] * 4, [True] * 4])},
        {name: normal(2, 1, 3, 2) for name in SELF} | {"attn_mask": normal(3, 3)},
    ],
    where=lambda is_causal, use_attn_mask, attn_mask=None, **_: (
        use_attn_mask == (attn_mask is not None) and not (use_attn_mask and is_causal)
    ),
    data={"attn_mask"},
)  # fmt: skip
def attention(query, key, value, is_causal, scale, dropout_p, use_attn_mask, attn_mask=None):
    query, key, value = (np.asarray(one, float) for one in (query, key, value))
    scores = query @ np.swapaxes(key, -1, -2) * (1 / np.sqrt(query.shape[-1]) if scale is None else scale)
    shape = scores.shape[-2:]
    if is_causal:
        attn_mask = np.tril(np.ones(shape, bool))
    if attn_mask is not None:
        scores = scores + (np.where(attn_mask, 0, -INF) if attn_mask.dtype == bool else attn_mask)
    if not scores.size:
        return np.zeros((*scores.shape[:-1], value.shape[-1]))
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (raised / raised.sum(axis=-1, keepdims=True)) @ value


@model(
    "PositionalEncoding",
    options={"hidden_dim": [4, 2, 3], "max_len": [5000, 10, 3, 1]},
    inputs={
        "input": [
            *[one["input"] for one in variants({"input": normal(1, 3, 4)}, "input")], normal(2, 4, 4), normal(1, 5, 2),
            normal(1, 1, 4), normal(0, 3, 4), normal(1, 0, 4), normal(4, 4), normal(2, 2), normal(1, 3, 3),
            normal(1, 3, 1), integers(-3, 4, 1, 3, 4),
        ]
    },
)  # fmt: skip
def positional_encoding(input, hidden_dim, max_len):
    if hidden_dim % 2:
        raise Refused("hidden_dim is odd")
    length, size = input.shape[-2:]
    if size != hidden_dim:
        raise Refused(f"vectors have {size} numbers, not {hidden_dim}")
    if length > max_len:
        raise Refused(f"a sequence of {length} is longer than {max_len}")
    angle = np.arange(length)[:, None] / 10000 ** (np.arange(0, hidden_dim, 2) / hidden_dim)
    return input + np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, hidden_dim)


COLUMN = {"input": normal(2, 3), "w": normal(3, 1), "b": normal(1)}
COLUMN_INPUTS = [
    *variants(COLUMN, "input"),
    *variants(COLUMN, "w", "zeros", "large", "with_nan")[1:],
    COLUMN | {"w": full(0.0, 3, 1), "b": full(0.0, 1)},
    COLUMN | {"input": normal(2, 1, 3)},
    COLUMN | {"input": normal(0, 3)},
    COLUMN | {"input": integers(-3, 4, 2, 3)},
    {"input": normal(1, 1), "w": normal(1, 1), "b": normal(1)},
]


@model("LogisticRegression", inputs=[*COLUMN_INPUTS, DENSE])
def logistic_regression(input, w, b):
    score = _linear(input, w, b, 1)
    return {"output": score, "probs_output": special.expit(score)}


@model("LinearSVM", inputs=[*COLUMN_INPUTS, DENSE], constant={"decision_output"})
def linear_svm(input, w, b):
    score = _linear(input, w, b, 1)
    return {"output": score, "decision_output": np.sign(score)}


def _products(count, degree):
    """The features of each product, by degree: combinations with repetition."""
    return [
        names for size in range(1, degree + 1) for names in itertools.combinations_with_replacement(range(count), size)
    ]


def _polynomial(degree):
    shape = (len(_products(2, degree)), 1)
    return {"input": normal(3, 2), "w": normal(*shape), "b": normal(1)}


@model(
    "PolynomialRegression",
    options={"degree": [2, 1, 3], "dimension": [None, 1]},
    inputs=[
        # no large numbers: their products are beyond half precision, as their sum is
        *variants(_polynomial(2), "input", "some_zeros", "ties", "tiny", "with_nan", "with_inf"),
        *variants(_polynomial(3), "input", "some_zeros", "ties", "tiny", "with_nan"),
        *variants(_polynomial(1), "input", "some_zeros", "with_nan"),
        _polynomial(2) | {"input": normal(0, 2)},
        _polynomial(2) | {"input": integers(-3, 4, 3, 2)},
        {"input": some_zeros(2, 1), "w": normal(2, 1), "b": normal(1)},
        {"input": normal(1, 3), "w": normal(9, 1), "b": normal(1)},
    ],
    where=lambda degree, w, **inputs: w.shape[0] == math.comb(inputs["input"].shape[1] + degree, degree) - 1,
)
def polynomial_regression(input, w, b, degree, dimension):
    columns = [np.prod(input[:, list(names)], axis=1) for names in _products(input.shape[1], degree)]
    return _linear(np.stack(columns, axis=1), w, b, dimension)


POINTS = {"input1": normal(4, 2), "input2": normal(3, 2), "w": normal(3, 1), "b": normal(1)}
RBF = {"sigma": given([1.5]), "l_scale": given([0.7])}
POLY = {"poly_coef": given(1.0), "degree": given(2.0)}


@model(
    "KernelizedSVM",
    options={"kernel": ["RBFKernel", "PolynomialKernel"]},
    inputs=[
        *[one | RBF for one in variants(POINTS, "input1")],
        POINTS | RBF | {"input1": normal(1, 1), "input2": normal(3, 1)},
        POINTS | RBF | {"w": signs(3, 1), "b": full(0.0, 1)},
        POINTS | RBF | {"input1": normal(0, 2)},
        *[one | POLY for one in variants(POINTS, "input1", "some_zeros", "ties", "tiny", "with_nan")],
        POINTS | POLY | {"degree": given(3.0)},
        {"input1": positive(2, 2), "input2": positive(3, 2), "w": normal(3, 1), "b": tiny(1)} | POLY
        | {"degree": given(1.5)},
    ],
    where=lambda kernel, **inputs: ("sigma" in inputs) == (kernel == "RBFKernel"),
    build=lambda models, kernel: models.KernelizedSVM(getattr(models, kernel)()),
    data={"degree"},
)  # fmt: skip
def kernelized_svm(input1, input2, w, b, kernel, sigma=None, l_scale=None, poly_coef=None, degree=None):
    if kernel == "RBFKernel":
        square = ((input1[:, None] - input2[None]) ** 2).sum(axis=-1)
        similar = l_scale**2 * np.exp(-square / (2 * sigma**2))
    else:
        similar = np.abs(input1 @ input2.T + poly_coef) ** degree
    return {"output": _linear(similar, w, b), "kernel": similar}
