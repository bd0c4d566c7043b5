"""Passes over the operators of a compiled model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from operators import primitive
from program import Program, Step

#: The operator behind `Linear` and attention.
MATMUL = "matrix_multiplication"

#: Operators whose two inputs may change places.
COMMUTATIVE = {"add", "multiplication", "equal", "not_equal"}

#: Operators that change nothing if their second input is this number.
NEUTRAL = {"multiplication": 1.0, "divide": 1.0, "subtract": 0.0}


def compute_once(program: Program) -> int:
    """Let steps that compute the same share one result."""
    found, seen = 0, {}
    for step in program.steps.copy():
        if is_random(program, step):
            continue
        inputs = [known_or_key(program, k) for k in step.inputs.values()]
        if step.formula in COMMUTATIVE:
            inputs.sort()
        same = seen.setdefault((step.formula, *inputs), step)
        if same is not step:
            program.remove(step, same.output)
            found += 1
    return found


def known_or_key(program: Program, key: str) -> str:
    """A text that is equal for constants of the same value."""
    value = program.value(key)
    array = isinstance(value, program.backend.get_backend_array_type())
    if array or key not in program.store.data_values:
        return key
    return f"{type(value).__name__} {value!r}"


def is_random(program: Program, step: Step) -> bool:
    """Whether a step draws random numbers: attention with dropout does."""
    dropout = step.inputs.get("dropout_p")
    return dropout is not None and program.value(dropout) != 0.0


def merge_linear(program: Program) -> int:
    """One operator for a product, its bias and the ReLU behind them."""
    found = 0
    for add in [s for s in program.steps if s.formula == "add"]:
        for first, second in (("left", "right"), ("right", "left")):
            product = program.maker(add.inputs[first], MATMUL)
            bias = add.inputs[second]
            if product is None or not is_linear(program, product, bias):
                continue
            old, formula = [product, add], "merged_linear"
            (relu, *_) = program.readers(add.output) or [None]
            if program.private(add.output) and relu.formula == "relu":
                old, formula = [*old, relu], "merged_linear_relu"
            wires = {
                "input": product.inputs["left"],
                "weight": product.inputs["right"],
                "bias": bias,
            }
            model = primitive(formula, *wires)
            program.replace(old, Step(model, wires, old[-1].output))
            found += 1
            break
    return found


def is_linear(program: Program, product: Step, bias: str) -> bool:
    """Whether a product and its bias are what `Linear` makes."""
    weights = program.sizes(product.inputs["right"])
    return (
        program.private(product.output)
        and weights is not None
        and len(weights) == 2
        and weights[1] is not None
        and program.sizes(bias) == weights[1:]
        and program.least_rank(product.inputs["left"]) >= 2
    )


def fuse_attention(program: Program) -> int:
    """The operator of the framework for softmax(q @ k.T * scale) @ v."""
    if "fused_attention" not in program.backend.registered_primitives:
        return 0
    found = 0
    for mix in [s for s in program.steps if s.formula == MATMUL]:
        weights = program.maker(mix.inputs["left"], "softmax")
        scores = weights and program.maker(weights.inputs["input"])
        old, factor = [mix, weights, scores], 1.0
        if scores is None:
            continue
        if (scaled := scale_of(program, scores)) is not None:
            factor, key = scaled
            scores = program.maker(key)
            old.append(scores)
        if scores is None or scores.formula != MATMUL:
            continue
        query, turned = scores.inputs["left"], scores.inputs["right"]
        swap = program.maker(turned)
        scaling = program.maker(query)
        old.append(swap)
        scaled = scaling and scale_of(program, scaling)
        if scaled is not None and program.private(query):
            factor, query = factor * scaled[0], scaled[1]
            old.append(scaling)
        if swap is None or not swaps_last_axes(program, swap):
            continue
        value = mix.inputs["right"]
        inner = [step.output for step in old[1:]]
        parts = (query, swap.inputs["input"], value)
        if (
            not all(program.private(key) for key in inner)
            or program.value(weights.inputs["axis"]) not in (-1, 3)
            or any(len(program.sizes(key) or ()) != 4 for key in parts)
        ):
            continue
        scale = program.add_number(f"{mix.output}_scale", factor)
        wires = dict(zip(("query", "key", "value"), parts, strict=True))
        wires["scale"] = scale
        model = primitive("fused_attention", *wires)
        program.replace([*old[1:], mix], Step(model, wires, mix.output))
        found += 1
    return found


def scale_of(program: Program, step: Step) -> tuple[float, str] | None:
    """A known factor and what it multiplies, if a step does that."""
    if step.formula not in ("multiplication", "divide"):
        return None
    one, other = step.inputs.values()
    number = program.constant(other)
    if step.formula == "multiplication" and number is None:
        one, other = other, one
        number = program.constant(other)
    if number is None or number.size != 1:
        return None
    factor = number.item()
    return (1 / factor if step.formula == "divide" else factor), one


def swaps_last_axes(program: Program, step: Step) -> bool:
    """Whether a step turns (..., n, m) into (..., m, n)."""
    if step.formula == "transpose":
        axes = program.value(step.inputs["axes"])
        return axes is not None and tuple(axes) == (0, 1, 3, 2)
    if step.formula == "swapaxes":
        axes = {program.value(step.inputs[n]) for n in ("axis1", "axis2")}
        return axes in ({-1, -2}, {2, 3})
    return False


def fold_linear(program: Program) -> int:
    """Put known factors, summands and products into known weights."""
    found = 0
    while any(rule(program) for rule in RULES):
        found += 1
    return found


def fold_product(program: Program) -> bool:
    """(x @ a) @ b becomes x @ (a @ b), if that is less work."""
    for step, inner, weight in foldable(program, MATMUL):
        first = program.constant(inner.inputs["right"])
        if first is None or first.ndim != 2:
            continue
        rows, middle = first.shape
        if rows * weight.shape[1] <= middle * (rows + weight.shape[1]):
            key = program.add_array(f"{step.output}_w", first @ weight)
            wires = {"left": inner.inputs["left"], "right": key}
            program.replace(
                [inner, step], Step(step.model, wires, step.output)
            )
            return True
    return False


def fold_factor(program: Program) -> bool:
    """(x * a) @ w becomes x @ (a[:, None] * w)."""
    for step, inner, weight in foldable(program, "multiplication"):
        if (pair := constant_side(program, inner, weight)) is None:
            continue
        x, factor = pair
        key = program.add_array(f"{step.output}_w", factor[:, None] * weight)
        wires = {"left": x, "right": key}
        program.replace([inner, step], Step(step.model, wires, step.output))
        return True
    return False


def fold_summand(program: Program) -> bool:
    """(x + a) @ w becomes x @ w + a @ w."""
    for step, inner, weight in foldable(program, "add"):
        if (pair := constant_side(program, inner, weight)) is None:
            continue
        x, summand = pair
        key = program.add_array(f"{step.output}_b", summand @ weight)
        product = program.add_result(f"{step.output}_product", step.output)
        program.replace(
            [inner, step],
            Step(step.model, step.inputs | {"left": x}, product),
            Step(inner.model, {"left": product, "right": key}, step.output),
        )
        return True
    return False


def fold_summands(program: Program) -> bool:
    """(x + a) + b becomes x + (a + b)."""
    for step in program.steps:
        if step.formula != "add":
            continue
        for x, b in sides(step):
            inner, last = program.maker(x, "add"), program.constant(b)
            if inner is None or last is None or not program.private(x):
                continue
            for start, a in sides(inner):
                first = program.constant(a)
                if first is None or first.shape != last.shape:
                    continue
                key = program.add_array(f"{step.output}_b", first + last)
                wires = {"left": start, "right": key}
                program.replace(
                    [inner, step], Step(step.model, wires, step.output)
                )
                return True
    return False


def foldable(
    program: Program, formula: str
) -> Iterator[tuple[Step, Step, np.ndarray]]:
    """Products by known weights, and what alone computes their left side."""
    for step in program.steps:
        if step.formula == MATMUL:
            inner = program.maker(step.inputs["left"], formula)
            weight = program.constant(step.inputs["right"])
            if inner is None or weight is None or weight.ndim != 2:
                continue
            if program.private(inner.output):
                yield step, inner, weight


def sides(step: Step) -> Iterator[tuple[str, str]]:
    """The two inputs of a sum or a product, in both orders."""
    left, right = step.inputs.values()
    yield left, right
    yield right, left


def constant_side(
    program: Program, step: Step, weight: np.ndarray
) -> tuple[str, np.ndarray] | None:
    """What is not known, and the number for each row of the weights."""
    rows = len(weight)
    for x, key in sides(step):
        known = program.constant(key)
        if known is None or program.last(x) != rows:
            continue
        if known.size == 1 or known.shape == (rows,):
            return x, np.broadcast_to(known.ravel(), (rows,))
    return None


RULES: list[Callable[[Program], bool]] = [
    fold_summand,
    fold_summands,
    fold_factor,
    fold_product,
]


def drop_for_inference(program: Program) -> int:
    """Take out what changes nothing once a model has been trained."""
    if not program.compiled.inference:
        return 0
    found = 0
    for step in program.steps.copy():
        if (key := unchanged(program, step)) is not None:
            program.remove(step, key)
            found += 1
        elif "dropout_p" in step.inputs and is_random(program, step):
            step.inputs["dropout_p"] = program.add_number(
                f"{step.output}_dropout", 0.0
            )
            found += 1
    return found


def unchanged(program: Program, step: Step) -> str | None:
    """The input that a step returns as it is, if it does."""
    if step.formula not in NEUTRAL:
        return None
    pairs = list(sides(step))
    for x, key in pairs if step.formula in COMMUTATIVE else pairs[:1]:
        known = program.constant(key)
        if known is None or (known != NEUTRAL[step.formula]).any():
            continue
        given = program.maker(x) is None
        if given and step.output in program.outputs.values():
            continue  # An output must be computed.
        if is_float(program, x) and keeps_sizes(program, x, known):
            return x
    return None


def is_float(program: Program, key: str) -> bool:
    """Whether a key surely holds floats: integers times 1.0 become some."""
    if program.compiled.data[key]._type is float:
        return True
    step = program.maker(key)
    if step is None or step.formula not in KEEP_FLOATS:
        return False
    return any(is_float(program, read) for read in step.inputs.values())


def keeps_sizes(program: Program, key: str, other: np.ndarray) -> bool:
    """Whether a key has the sizes of what it is combined with, or more."""
    if other.size == 1:
        return other.ndim <= program.least_rank(key)
    sizes = program.sizes(key)
    if sizes is None or len(sizes) < other.ndim:
        return False
    last = sizes[len(sizes) - other.ndim :]
    return all(a in (1, b) for a, b in zip(other.shape, last, strict=True))


#: Operators that return floats if any of their inputs holds floats.
KEEP_FLOATS = {
    *("add", "subtract", "multiplication", "matrix_multiplication"),
    *("relu", "reshape", "transpose"),
}

#: All passes, in an order that suits most models.
PASSES = [
    drop_for_inference,
    compute_once,
    fold_linear,
    fuse_attention,
    merge_linear,
]
