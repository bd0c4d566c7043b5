"""Mithril's operators, each as nodes of an ONNX graph.

Mithril writes 41 of its operators once for all backends, as Python over
arrays: ``left + right``. Given tensors that record, these functions work as
they are. Below are the others. Each takes the graph and the inputs of the
primitive, under their names there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from mithril.backends.with_autograd import common_primitives
from mithril.core import Dtype
from onnx_graph import Graph, NotDoneError, NotExpressibleError, Tensor

#: From a formula key to the function that adds its nodes.
OPERATORS: dict[str, Callable[..., Any]] = {}

#: Operators that ONNX has under another name, with the kinds they take.
SAME = {
    "abs": "Abs",
    "cos": "Cos",
    "exp": "Exp",
    "isnan": "IsNaN",
    "log": "Log",
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "sign": "Sign",
    "sin": "Sin",
    "softplus": "Softplus",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
}
#: Those of them that also take integers.
OF_INTEGERS = {"abs", "relu", "sign"}

REDUCTIONS = {
    "reduce_max": "ReduceMax",
    "reduce_mean": "ReduceMean",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
    "reduce_sum": "ReduceSum",
}


def operator(function: Callable[..., Any]) -> Callable[..., Any]:
    """Enter a function in the table, under its own name."""
    OPERATORS[function.__name__.rstrip("_")] = function
    return function


def translate(graph: Graph, formula: str, inputs: dict[str, Any]) -> Any:
    """What an operator gives for these inputs.

    Raises
    ------
    ExportError
        If ONNX has nothing for it, or it is not written here.
    """
    if formula in OPERATORS:
        return OPERATORS[formula](graph, **inputs)
    if formula in SAME:
        value = graph.tensor(inputs["input"])
        if formula not in OF_INTEGERS:
            value = value.as_float()
        return graph.add(SAME[formula], value)
    if formula in REDUCTIONS:
        return reduce(graph, REDUCTIONS[formula], **inputs)
    common = common_primitives.common_primitive_func_dict
    if formula in common:
        return common[formula](*inputs.values())
    raise NotDoneError(f"no nodes are written for {formula}")


def reduce(
    graph: Graph, op: str, input: Tensor, axis: Any, keepdim: bool
) -> Tensor:
    """Reductions: ONNX counts no truth values, and rounds integer means."""
    value = input.as_float() if op == "ReduceMean" else input
    counted = value.cast(np.int64) if value.kind == "b" else value
    return graph.reduce(op, counted, axis, keepdim)


@operator
def variance(
    graph: Graph, input: Tensor, axis: Any, keepdim: bool, correction: float
) -> Tensor:
    value = input.as_float()
    mean = graph.reduce("ReduceMean", value, axis, True)
    squares = (value - mean) ** 2
    if not correction:
        return graph.reduce("ReduceMean", squares, axis, keepdim)
    axes = range(input.rank) if axis is None else np.atleast_1d(axis)
    count = math.prod(input.size(int(axis)) for axis in axes)
    total = graph.reduce("ReduceSum", squares, axis, keepdim)
    return total / (count - correction)


@operator
def reduce_argmax(
    graph: Graph, input: Tensor, axis: int | None, keepdim: bool
) -> Tensor:
    return arg(graph, "ArgMax", input, axis, keepdim)


@operator
def reduce_argmin(
    graph: Graph, input: Tensor, axis: int | None, keepdim: bool
) -> Tensor:
    return arg(graph, "ArgMin", input, axis, keepdim)


def arg(
    graph: Graph, op: str, input: Tensor, axis: int | None, keepdim: bool
) -> Tensor:
    """The first position of the largest or smallest element."""
    if axis is not None:
        return graph.add(op, input, axis=axis, keepdims=int(keepdim))
    found = graph.add(op, input.reshape(-1), axis=0, keepdims=0)
    return found.reshape([1] * input.rank if keepdim else ())


# Activations


@operator
def leaky_relu(graph: Graph, input: Tensor, slope: Any) -> Tensor:
    return graph.add("PRelu", *graph.match(input.as_float(), slope))


@operator
def gelu(graph: Graph, input: Tensor) -> Tensor:
    value = input.as_float()
    return value * (graph.add("Erf", value / math.sqrt(2)) + 1) / 2


@operator
def softmax(graph: Graph, input: Tensor, axis: int | None) -> Tensor:
    value = input.as_float()
    if axis is not None:
        return graph.add("Softmax", value, axis=axis)
    flat = graph.add("Softmax", value.reshape(-1), axis=0)
    return flat.reshape(value.sizes())


# Functions that stay finite


def log_of(graph: Graph, cutoff: Any, robust: bool) -> Callable[..., Tensor]:
    """The logarithm that a loss takes."""
    if robust:
        return lambda value: robust_log(graph, value, cutoff)
    return lambda value: graph.add("Log", value)


@operator
def robust_log(graph: Graph, input: Tensor, cutoff: Any) -> Tensor:
    size = abs(input.as_float())
    small, cutoff = size < cutoff, graph.tensor(cutoff)
    line = graph.add("Log", cutoff) + size / cutoff - 1.0
    curve = graph.add("Log", graph.where(small, cutoff, size))
    return graph.where(small, line, curve)


@operator
def robust_sqrt(graph: Graph, input: Tensor, cutoff: Any) -> Tensor:
    size = abs(input.as_float())
    line = size / graph.add("Sqrt", graph.tensor(cutoff))
    return graph.where(size < cutoff, line, graph.add("Sqrt", size))


@operator
def robust_power(
    graph: Graph, base: Tensor, exponent: Any, threshold: Any
) -> Tensor:
    size = abs(base.as_float())
    logs = graph.add("Log", graph.tensor(threshold)) / graph.add("Log", size)
    line = (exponent < 1 - logs) & (size < threshold)
    return graph.where(line, size / threshold, size**exponent)


@operator
def stable_reciprocal(graph: Graph, input: Tensor, cutoff: Any) -> Tensor:
    value, cutoff = input.as_float(), graph.tensor(cutoff)
    sign = graph.add("Sign", value)
    sign = sign + (1 - abs(sign))
    line = sign * 2 / cutoff - value / (cutoff * cutoff)
    return graph.where(abs(value) < cutoff, line, 1 / value)


@operator
def nan_to_num(
    graph: Graph, input: Tensor, nan: Any, posinf: Any, neginf: Any
) -> Tensor:
    if input.kind != "f":
        return input
    limits = np.finfo(input.dtype)
    above = float(limits.max) if posinf is None else posinf
    below = float(limits.min) if neginf is None else neginf
    missing = graph.add("IsNaN", input)
    value = graph.where(missing, 0.0 if nan is None else nan, input)
    value = graph.where(value == math.inf, above, value)
    return graph.where(value == -math.inf, below, value)


# Convolution and pooling


def both_ends(padding: Sequence[Any]) -> list[int]:
    """Padding as ONNX writes it: first all beginnings, then all ends."""
    pairs = [p if isinstance(p, list | tuple) else (p, p) for p in padding]
    return [*(first for first, _ in pairs), *(last for _, last in pairs)]


def conv(
    graph: Graph,
    input: Tensor,
    kernel: Tensor,
    stride: Sequence[int],
    padding: Sequence[Any],
    dilation: Sequence[int],
) -> Tensor:
    """A convolution over any number of axes."""
    return graph.add(
        "Conv",
        *graph.match(input, kernel),
        strides=list(stride),
        pads=both_ends(padding),
        dilations=list(dilation),
    )


@operator
def conv1d(
    graph: Graph,
    input: Tensor,
    kernel: Tensor,
    stride: int,
    padding: tuple[int, int],
    dilation: int,
) -> Tensor:
    return conv(graph, input, kernel, [stride], [padding], [dilation])


@operator
def conv1d_bias(graph: Graph, bias: Tensor, **inputs: Any) -> Tensor:
    return conv1d(graph, **inputs) + bias


@operator
def conv2d(graph: Graph, **inputs: Any) -> Tensor:
    return conv(graph, **inputs)


@operator
def conv2d_bias(graph: Graph, bias: Tensor, **inputs: Any) -> Tensor:
    return conv(graph, **inputs) + bias


def max_pool(
    graph: Graph,
    input: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[Any],
    dilation: Sequence[int],
) -> Tensor:
    """The largest number in each window.

    ONNX pads with minus infinity. Of Mithril's backends, NumPy and MLX pad
    with 0, JAX with minus infinity, and PyTorch with 0 where the padding is
    a pair for each axis.
    """
    pads = both_ends(padding)
    pairs = not isinstance(padding[0], int)
    if any(pads) and (
        graph.backend in ("numpy", "mlx")
        or (graph.backend == "torch" and pairs)
    ):
        half = len(padding)
        ends = [0, 0, *pads[:half], 0, 0, *pads[half:]]
        zero = graph.constant(0, input.dtype)
        padded = graph.add("Pad", input, graph.vector(ends), zero)
        pads = [0] * len(pads)
    else:
        padded = input
    return graph.add(
        "MaxPool",
        padded,
        kernel_shape=list(kernel_size),
        strides=list(stride),
        pads=pads,
        dilations=list(dilation),
    )


@operator
def max_pool1d(
    graph: Graph,
    input: Tensor,
    kernel_size: int,
    stride: int,
    padding: tuple[int, int],
    dilation: int,
) -> Tensor:
    sizes = ([kernel_size], [stride], [padding], [dilation])
    return max_pool(graph, input, *sizes)


@operator
def max_pool2d(graph: Graph, **inputs: Any) -> Tensor:
    return max_pool(graph, **inputs)


# Attention and recurrent cells


@operator
def scaled_dot_product_attention(
    graph: Graph,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout_p: float,
    attn_mask: Tensor | None,
    is_causal: bool,
    scale: float | None,
) -> Tensor:
    if dropout_p:
        raise NotDoneError("dropout inside of attention")
    if scale is None:
        scale = query.size(-1) ** -0.5
    scores = query @ key.swapaxes(-2, -1) * scale
    if is_causal:
        rows, columns = query.size(-2), key.size(-2)
        seen = graph.range(rows)[:, None] >= graph.range(columns)
        scores = graph.where(seen, scores, -math.inf)
    if attn_mask is not None:
        if attn_mask.kind == "b":
            scores = graph.where(attn_mask, scores, -math.inf)
        else:
            scores = scores + attn_mask
    return graph.add("Softmax", scores, axis=-1) @ value


@operator
def lstm_cell(
    graph: Graph,
    input: Tensor,
    prev_cell: Tensor,
    prev_hidden: Tensor,
    **parameters: Tensor,
) -> Tensor:
    """What PyTorch has one operator for; the other backends compose it."""
    joined = concat(graph, axis=-1, input1=input, input2=prev_hidden)
    forget, write, read, new = (
        joined @ parameters[f"w_{gate}"] + parameters[f"bias_{gate}"]
        for gate in "fioc"
    )
    forget, write, read = (
        graph.add("Sigmoid", gate) for gate in (forget, write, read)
    )
    cell = forget * prev_cell + write * graph.add("Tanh", new)
    hidden = read * graph.add("Tanh", cell)
    return graph.add("Concat", cell, hidden, axis=0)


@operator
def positional_encoding(
    graph: Graph, input: Tensor, hidden_dim: int, max_len: int
) -> Tensor:
    angles = np.arange(max_len)[:, None] / 10000 ** (
        np.arange(0, hidden_dim, 2) / hidden_dim
    )
    table = np.zeros((max_len, hidden_dim))
    table[:, 0::2], table[:, 1::2] = np.sin(angles), np.cos(angles)
    places = graph.constant(table, input.dtype)
    return input + places[None, : input.size(1)]


# Losses and metrics


@operator
def absolute_error(graph: Graph, input: Tensor, target: Tensor) -> Tensor:
    return abs(input - target)


@operator
def quantile_loss(
    graph: Graph, input: Tensor, target: Tensor, quantile: Any
) -> Tensor:
    error = target - input
    above, below = quantile * error, (quantile - 1) * error
    return graph.elementwise("Max", above, below)


@operator
def hinge_loss(graph: Graph, input: Tensor, target: Tensor) -> Tensor:
    return graph.elementwise("Max", 1.0 - target * input, 0.0)


@operator
def quad_hinge_loss(graph: Graph, input: Tensor, target: Tensor) -> Tensor:
    return hinge_loss(graph, input, target) ** 2


@operator
def kl_divergence(
    graph: Graph, input: Tensor, target: Tensor, cutoff: Any
) -> Tensor:
    guess, truth = (robust_log(graph, v, cutoff) for v in (input, target))
    return target * (truth - guess)


def class_weights(
    graph: Graph, input: Tensor, target: Tensor, weights: Any, labels: bool
) -> Tensor | None:
    """The weight of each class, or None where all weigh the same."""
    if weights is False:
        return None
    if weights is not True:
        return graph.constant(weights, input.dtype)
    classes = input.known(1, "weighing classes")
    if labels:
        target = graph.constant(np.eye(classes), input.dtype)[target]
    others = [axis for axis in range(target.rank) if axis != 1]
    counts = graph.reduce("ReduceSum", target, others)
    total = graph.reduce("ReduceSum", target, None)
    return 1 / counts * total / classes


def picked(graph: Graph, values: Tensor, target: Tensor) -> Tensor:
    """The element of each row that the label names."""
    if target.kind != "i":
        raise NotExpressibleError("labels that are no integers")
    places = graph.index(target[:, None])
    return graph.add("GatherElements", values, places, axis=1)[:, 0]


def cross_entropies(
    graph: Graph, logs: Tensor, target: Tensor, weights: Any, labels: bool
) -> Tensor:
    """Cross-entropy from the logarithms of probabilities."""
    weight = class_weights(graph, logs, target, weights, labels)
    if labels:
        loss = -picked(graph, logs, target)
        if weight is None:
            return loss
        return loss * weight[target]
    loss = target * logs
    if weight is not None:
        loss = loss * weight.reshape([1, -1] + [1] * (logs.rank - 2))
    return -graph.reduce("ReduceSum", loss, 1)


@operator
def cross_entropy(
    graph: Graph,
    input: Tensor,
    target: Tensor,
    weights: Any,
    categorical: bool,
    cutoff: Any,
    robust: bool,
) -> Tensor:
    logs = log_of(graph, cutoff, robust)(input)
    return cross_entropies(graph, logs, target, weights, categorical)


@operator
def cross_entropy_with_log_probs(
    graph: Graph,
    input: Tensor,
    target: Tensor,
    weights: Any,
    categorical: bool,
) -> Tensor:
    return cross_entropies(graph, input, target, weights, categorical)


@operator
def cross_entropy_with_logits(
    graph: Graph,
    input: Tensor,
    target: Tensor,
    weights: Any,
    categorical: bool,
    cutoff: Any,
    robust: bool,
) -> Tensor:
    log = log_of(graph, cutoff, robust)
    # As on the backends: only labels get the form that does not overflow.
    largest = graph.reduce("ReduceMax", input, 1, True)
    shifted = input - largest if categorical else input
    total = graph.reduce("ReduceSum", graph.add("Exp", shifted), 1, True)
    logs = shifted - log(total)
    return cross_entropies(graph, logs, target, weights, categorical)


def positive_weight(graph: Graph, labels: Tensor) -> Tensor:
    """How many labels are 0 for each that is 1."""
    mean = graph.reduce("ReduceMean", labels, None)
    return (1 - mean) / mean


@operator
def binary_cross_entropy(
    graph: Graph,
    input: Tensor,
    target: Tensor,
    pos_weight: Any,
    cutoff: Any,
    robust: bool,
) -> Tensor:
    log, target = log_of(graph, cutoff, robust), target.cast(input.dtype)
    if pos_weight is True:
        pos_weight = positive_weight(graph, target)
    ones = -float(pos_weight) if pos_weight is False else -pos_weight
    return ones * target * log(input) - (1 - target) * log(1 - input)


@operator
def binary_cross_entropy_with_logits(
    graph: Graph,
    input: Tensor,
    target: Tensor,
    pos_weight: Any,
    cutoff: Any,
    robust: bool,
) -> Tensor:
    target = target.cast(input.dtype)
    rest = graph.add("Exp", -abs(input)) + 1
    low = graph.elementwise("Min", input, 0.0)
    logs = low - log_of(graph, cutoff, robust)(rest)
    if pos_weight is True:
        pos_weight = positive_weight(graph, graph.add("Sigmoid", target))
    if not isinstance(pos_weight, bool):
        logs = ((pos_weight - 1) * target + 1) * logs
    return (1 - target) * input - logs


@operator
def primitive_accuracy(graph: Graph, input1: Tensor, input2: Any) -> Tensor:
    found = graph.add("ArgMax", input1, axis=1, keepdims=0)
    right = (found.reshape((-1, 1)) == input2).cast(graph.float)
    return graph.reduce("ReduceMean", right, None)


@operator
def auc_core(graph: Graph, input: Tensor, label: Tensor) -> Tensor:
    if graph.backend == "jax":  # A point for each of several equal scores.
        count = graph.vector([input.size(0)])
        levels = graph.add("TopK", input, count)
    else:
        levels = graph.add("Unique", input, sorted=1)[::-1]
    above = input >= levels[:, None]
    rates = []
    for sort in (label == 1, label != 1):
        total = graph.reduce("ReduceSum", sort.cast(graph.float), None)
        counted = (above & sort).cast(graph.float)
        rates.append(graph.reduce("ReduceSum", counted, 1) / total)
    return graph.stack(rates)


# Shapes


@operator
def shape(graph: Graph, input: Tensor) -> tuple[int | Tensor, ...]:
    return input.sizes()


@operator
def size(graph: Graph, input: Tensor, dim: Any) -> Any:
    if dim is None:
        return math.prod(input.sizes())
    if isinstance(dim, int):
        return input.size(dim)
    return tuple(input.size(axis) for axis in dim)


@operator
def length(graph: Graph, input: Tensor) -> int | Tensor:
    return len(input) if isinstance(input, list | tuple) else input.size(0)


@operator
def item(graph: Graph, input: Any) -> Tensor:
    return graph.tensor(input).item()


@operator
def flatten(
    graph: Graph, input: Tensor, start_dim: int, end_dim: int
) -> Tensor:
    sizes = list(input.sizes())
    end = end_dim % input.rank + 1
    sizes[start_dim:end] = [math.prod(sizes[start_dim:end])]
    return input.reshape(sizes)


@operator
def squeeze(graph: Graph, input: Tensor) -> Tensor:
    sizes = [input.known(n, "Squeeze") for n in range(input.rank)]
    return input.reshape([size for size in sizes if size != 1])


@operator
def broadcast_to(graph: Graph, input: Tensor, shape: Any) -> Tensor:
    return graph.expand(input, shape)


@operator
def concat(graph: Graph, axis: int | None, **inputs: Any) -> Tensor:
    parts = graph.match(*map(graph.tensor, inputs.values()))
    if axis is None:
        parts, axis = [part.reshape(-1) for part in parts], 0
    return graph.add("Concat", *parts, axis=axis)


@operator
def split(graph: Graph, input: Tensor, split_size: int, dim: int) -> Tensor:
    if not isinstance(split_size, int):
        raise NotDoneError("a split at given places")
    width = input.known(dim, "Split") // split_size
    index: list[Any] = [slice(None)] * input.rank
    parts = []
    for n in range(split_size):
        index[dim] = slice(n * width, (n + 1) * width)
        parts.append(input[tuple(index)])
    return graph.stack(parts)


@operator
def pad(graph: Graph, input: Tensor, pad_width: Sequence[Any]) -> Tensor:
    zero = graph.constant(0, input.dtype)
    return graph.add("Pad", input, graph.vector(both_ends(pad_width)), zero)


@operator
def where(graph: Graph, cond: Any, input1: Any, input2: Any) -> Tensor:
    return graph.where(cond, input1, input2)


@operator
def unique(graph: Graph, input: Tensor) -> Tensor:
    # ONNX Runtime has it for 64-bit integers only.
    wide = input.cast(np.int64) if input.kind == "i" else input
    return graph.add("Unique", wide, sorted=1).cast(input.dtype)


@operator
def logical_xor(graph: Graph, left: Any, right: Any) -> Tensor:
    left, right = (graph.tensor(v).cast(bool) for v in (left, right))
    return left ^ right


# Conversion and creation


@operator
def astype(graph: Graph, input: Tensor, dtype: Any) -> Tensor:
    return graph.tensor(input).cast(Dtype(dtype).name)


@operator
def dtype(graph: Graph, input: Tensor) -> Any:
    raise NotExpressibleError("the result is a type, which is no tensor")


@operator
def stop_gradient(graph: Graph, input: Tensor) -> Tensor:
    return input


@operator
def tensor_to_list(graph: Graph, input: Tensor) -> Tensor:
    return input


@operator
def to_tensor(graph: Graph, input: Any) -> Tensor:
    made = graph.tensor(input)
    kinds = {"f": graph.float, "i": graph.integer, "b": np.dtype(bool)}
    return made.cast(kinds[made.kind])


@operator
def arange(graph: Graph, start: Any, stop: Any, step: Any) -> Tensor:
    made = graph.elementwise("Range", start, stop, step)
    return made.cast(graph.float if made.kind == "f" else graph.integer)


@operator
def eye(graph: Graph, N: Any, M: Any) -> Tensor:  # noqa: N803
    rows = graph.range(N)[:, None]
    columns = graph.range(N if M is None else M)
    return (rows == columns).cast(graph.float)


@operator
def ones_with_zero_diag(graph: Graph, N: Any, M: Any) -> Tensor:  # noqa: N803
    return 1 - eye(graph, N, M)


# Geometry and linear algebra


@operator
def norm_modifier(graph: Graph, input: Tensor) -> Tensor:
    inner = ((input - 1.0) % 8.0) / 8.0 - 0.5
    return (1.0 - abs(inner) * 2.0) * 4.0 + 1.0


@operator
def distance_matrix(
    graph: Graph, left: Tensor, right: Tensor, norm: Any
) -> Tensor:
    apart = abs(left[:, None, :] - right[None, :, :])
    return graph.reduce("ReduceSum", apart**norm, 2)


@operator
def tsne_p_joint(
    graph: Graph,
    squared_distances: Tensor,
    target_perplexity: Any,
    threshold: Any,
) -> Tensor:
    """Halve an interval for the width of each row, a fixed number of times."""
    count = squared_distances.size(0)
    others = ones_with_zero_diag(graph, count, None)

    def shares(width: Tensor) -> Tensor:
        closeness = -squared_distances / (width * width * 2)
        weights = graph.add("Exp", closeness) * others
        return weights / graph.reduce("ReduceSum", weights, 1, True)

    def halve(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        middle = (low + high) / 2
        share = graph.elementwise("Max", shares(middle), threshold)
        share = graph.elementwise("Min", share, 1 - threshold)
        terms = share * graph.add("Log", share)
        entropy = -graph.reduce("ReduceSum", terms, 1, True)
        wide = graph.add("Exp", entropy) > target_perplexity
        return (
            graph.where(wide, low, middle),
            graph.where(wide, middle, high),
        )

    zeros = squared_distances[:, :1] * 0
    low, high = graph.repeat(50, [zeros, zeros + 1001], halve)
    width = (low + high) / 2
    # NumPy and PyTorch use the width of the column here, not of the row.
    columns = graph.backend in ("numpy", "torch")
    share = shares(width.T if columns else width)
    return (share + share.T) / (count * 2)


@operator
def polynomial_features(graph: Graph, input: Tensor, degree: int) -> Tensor:
    columns = [None]  # The constant, which makes the lower degrees.
    for n in range(input.known(1, "PolynomialFeatures")):
        columns.append(input[:, n : n + 1])
    made = []
    for chosen in combinations_with_replacement(columns, degree):
        factors = [column for column in chosen if column is not None]
        if factors:
            made.append(math.prod(factors[1:], start=factors[0]))
    return graph.add("Concat", *made, axis=1)


@operator
def trapezoid(graph: Graph, y: Tensor, x: Tensor | None) -> Tensor:
    middle = (y[..., 1:] + y[..., :-1]) / 2
    if x is not None:
        middle = (x[..., 1:] - x[..., :-1]) * middle
    return graph.reduce("ReduceSum", middle, -1)


def diagonal(graph: Graph, input: Tensor) -> Tensor:
    """The diagonal of a matrix, as a column."""
    places = graph.range(input.size(0))[:, None]
    return graph.add("GatherElements", input, places, axis=1)


@operator
def transposed_diag(graph: Graph, input: Tensor) -> Tensor:
    return diagonal(graph, input)


@operator
def cholesky(graph: Graph, input: Tensor) -> Tensor:
    """One column after the other, as ONNX has no such operator."""
    count = input.known(0, "Cholesky")
    done: list[Tensor] = []
    for n in range(count):
        column = input[n:, n : n + 1]
        if n:
            left = graph.add("Concat", *(c[n:] for c in done), axis=1)
            column = column - left @ left[:1].T
        root = column / graph.add("Sqrt", column[:1])
        top = graph.vector([n, 0, 0, 0])
        done.append(graph.add("Pad", root, top))
    return graph.add("Concat", *done, axis=1)


def solve_lower(graph: Graph, lower: Tensor, right: Tensor) -> Tensor:
    """``x`` in ``lower @ x = right``, one row after the other."""
    rows: list[Tensor] = []
    for n in range(lower.known(0, "solving equations")):
        row = right[n : n + 1]
        if n:
            known = graph.add("Concat", *rows, axis=0)
            row = row - lower[n : n + 1, :n] @ known
        rows.append(row / lower[n : n + 1, n : n + 1])
    return graph.add("Concat", *rows, axis=0)


@operator
def gpr_alpha(
    graph: Graph,
    label_mu_diff: Tensor,
    L: Tensor | None,  # noqa: N803
    K_term: Tensor,  # noqa: N803
) -> Tensor:
    if L is None:
        raise NotDoneError("solving equations without a factor")
    half = solve_lower(graph, L, label_mu_diff)
    # Upside down, an upper triangle is a lower one.
    return solve_lower(graph, L.T[::-1, ::-1], half[::-1])[::-1]


@operator
def gpr_v_outer(
    graph: Graph,
    K: Tensor,  # noqa: N803
    K_term: Tensor,  # noqa: N803
    L: Tensor | None,  # noqa: N803
) -> Tensor:
    if L is None:
        raise NotDoneError("least squares")
    half = solve_lower(graph, L, K)
    return half.T @ half


@operator
def eigvalsh(
    graph: Graph,
    K_term: Tensor,  # noqa: N803
    L: Tensor | None,  # noqa: N803
    threshold: Any,
) -> Tensor:
    if L is None:
        raise NotExpressibleError("eigenvalues")
    return diagonal(graph, L)[:, 0]
