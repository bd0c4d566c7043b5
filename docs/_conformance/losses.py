"""What losses may be given, and what is right."""

from __future__ import annotations

import numpy as np
from scipy import special

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import (
    covariance,
    distribution,
    full,
    given,
    halves,
    integers,
    large,
    normal,
    onehot,
    reals,
    signs,
    tiny,
    unit,
    variants,
    with_inf,
    with_nan,
)

PAIR = {"input": normal(2, 3), "target": normal(2, 3)}
PAIRS = [
    *variants(PAIR, "input"),
    PAIR | {"target": with_nan(2, 3)},
    PAIR | {"target": with_inf(2, 3)},
    {"input": halves(2, 3), "target": halves(2, 3)},
    {"input": given(1.0, 0.5, -2.0), "target": given(1.0, 0.5, 1.0)},
    {"input": normal(1), "target": normal(1)},
    {"input": normal(0, 3), "target": normal(0, 3)},
    {"input": normal(2, 1, 3), "target": normal(1, 2, 1)},
    {"input": normal(2, 3), "target": integers(-2, 3, 2, 3)},
    {"input": integers(-5, 6, 2, 3), "target": integers(-5, 6, 2, 3)},
]


@model("SquaredError", inputs=PAIRS)
def squared_error(input, target):
    return (input - target) ** 2


@model("AbsoluteError", inputs=PAIRS)
def absolute_error(input, target):
    return np.abs(input - target)


@model("QuantileLoss", options={"quantile": [0.5, 0.9, 0.0, 1.0, 1, 1.5, -1.0]}, inputs=PAIRS)
def quantile_loss(input, target, quantile):
    error = target - input
    return np.maximum(quantile * error, (quantile - 1) * error)


SCORED = {"input": normal(2, 3), "target": signs(2, 3)}
SCORES = [
    *variants(SCORED, "input"),
    SCORED | {"target": normal(2, 3)},
    SCORED | {"target": with_nan(2, 3)},
    {"input": given(1.0, -1.0, 0.5, 2.0), "target": given(1.0, -1.0, 1.0, 1.0)},
    {"input": normal(1), "target": signs(1)},
    {"input": normal(0, 3), "target": signs(0, 3)},
    {"input": normal(2, 1, 3), "target": signs(1, 2, 1)},
    {"input": normal(2, 3), "target": integers(-1, 2, 2, 3)},
    {"input": integers(-5, 6, 2, 3), "target": integers(-1, 2, 2, 3)},
]


# The page says that the target is data.
@model("HingeLoss", inputs=SCORES, data=["target"])
def hinge_loss(input, target):
    return np.maximum(0.0, 1.0 - target * input)


@model("QuadHingeLoss", inputs=SCORES, data=["target"])
def quad_hinge_loss(input, target):
    return np.maximum(0.0, 1.0 - target * input) ** 2


def made(name):
    """Build a loss; no cutoff is the default, the smallest normal number."""

    def build(models, *, cutoff, **chosen):
        return getattr(models, name)(**chosen, **({} if cutoff is None else {"cutoff": cutoff}))

    return build


def logarithm(p, robust, cutoff):
    """The logarithm of probabilities, below the cutoff a line."""
    if not robust or cutoff is None:
        return np.log(p)
    return np.where(np.abs(p) < cutoff, np.log(cutoff) + np.abs(p) / cutoff - 1, np.log(np.abs(p)))


#: Probabilities of which some are 0 or 1.
SURE = given([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.25, 0.5, 0.25])
CLASSES = [
    {"input": normal(3, 3), "target": given(2, 0, 1)},
    {"input": distribution(3, 3), "target": given(2, 0, 1)},
    {"input": distribution(3, 3), "target": distribution(3, 3)},
    {"input": normal(3, 3), "target": distribution(3, 3)},
    {"input": SURE, "target": given(0, 0, 1)},
    {"input": SURE, "target": distribution(3, 3)},
    {"input": SURE, "target": given([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])},
    {"input": distribution(3, 3), "target": given([1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0])},
    {"input": large(3, 3), "target": given(2, 0, 1)},
    {"input": large(3, 3), "target": distribution(3, 3)},
    {"input": full(-200.0, 3, 3), "target": distribution(3, 3)},
    {"input": full(-200.0, 3, 3), "target": given(2, 0, 1)},
    {"input": tiny(3, 3), "target": distribution(3, 3)},
    {"input": with_nan(3, 3), "target": given(2, 0, 1)},
    {"input": given([0.0, -np.inf, 1.0], [-np.inf, 0.0, 0.0], [1.0, 2.0, 3.0]), "target": given(1, 2, 0)},
    {"input": unit(2, 3, 2), "target": integers(0, 3, 2, 2)},
    {"input": unit(2, 3, 2), "target": unit(2, 3, 2)},
    {"input": unit(2, 1), "target": given(0, 0)},
    {"input": unit(0, 3), "target": integers(0, 3, 0)},
    {"input": normal(1, 4096), "target": given([7])},
    {"input": unit(3, 3), "target": given(-1, 0, 1)},
]
PROBABILITIES = ("distribution", "unit", "onehot")


def zeros_in(draw):
    return draw.kind == "given" and "0.0" in draw.extra[0]


def cross_entropy_given(input, target, input_type, weights, categorical, robust, cutoff):
    """Whether the target is as it is said to be, the input too, and the weights are for its classes."""
    numbers = target.kind == "integers" or (target.kind == "given" and target.ndim == input.ndim - 1)
    fits = numbers == categorical and (isinstance(weights, str) or len(weights) == input.shape[1])
    if input_type == "probs":
        fits = fits and (input.kind in PROBABILITIES or input == SURE)
        # The default cutoff depends on the precision, which no reference knows.
        fits = fits and not (robust and cutoff is None and zeros_in(input))
    if input_type == "log_probs" and (input == SURE or input.kind in ("large", "full")):  # No logarithms of these.
        return False
    return fits and not (0 in input.shape and weights == "auto")


@model(
    "CrossEntropy",
    options={
        "input_type": ["logits", "probs", "log_probs"],
        "weights": ["", [1.0, 3.0, 0.5], "auto"],
        "categorical": [True, False],
        "robust": [False, True],
        "cutoff": [None, 0.1, 0.01],
    },
    inputs=CLASSES,
    where=cross_entropy_given,
    data=["target"],
    build=made("CrossEntropy"),
)
def cross_entropy(input, target, input_type, weights, categorical, robust, cutoff):
    count = input.shape[1]
    if categorical:
        if np.any((target < 0) | (target >= count)):
            raise Refused("there is no class of that number")
        target = np.moveaxis((target[..., None] == np.arange(count)) * 1.0, -1, 1)
    if input_type == "logits":  # The logarithm of a softmax is finite where the logits are.
        logs = special.log_softmax(input, axis=1)
    elif input_type == "probs":
        logs = logarithm(input, robust, cutoff)
    else:
        logs = input
    each = target.sum(axis=tuple(n for n in range(target.ndim) if n != 1))
    if weights == "":
        weights = np.ones(count)
    elif weights == "auto":  # A class without targets has no terms to be weighted.
        weights = np.where(each > 0, each.sum() / count / np.where(each > 0, each, 1), 0)
    weights = np.reshape(weights, (count, *[1] * (input.ndim - 2)))
    unused = (target == 0) & (categorical | ~np.isnan(logs))
    terms = np.where(unused, 0, -weights * target * logs)
    return terms.sum(axis=1)


LABELS = given(1.0, 0.0, 1.0, 0.0, 1.0, 1.0)
#: No infinite logits: 0 times infinity is NaN in PyTorch's own loss, too.
BINARY = [
    {"input": normal(6), "target": LABELS},
    {"input": unit(6), "target": LABELS},
    {"input": unit(6), "target": unit(6)},
    {"input": normal(6), "target": unit(6)},
    {"input": given(0.0, 0.0, 1.0, 1.0, 0.5, 0.25), "target": LABELS},
    {"input": given(0.0, 1.0, 0.0, 1.0, 1.0, 0.05), "target": unit(6)},
    {"input": given(0.0, 0.0, 0.0, 1.0, -1.0, 30.0), "target": LABELS},
    {"input": large(6), "target": LABELS},
    {"input": tiny(6), "target": LABELS},
    {"input": with_nan(6), "target": LABELS},
    {"input": unit(6), "target": full(0.0, 6)},
    {"input": unit(6), "target": full(1.0, 6)},
    {"input": unit(6), "target": integers(0, 2, 6)},
    {"input": unit(1), "target": given([1.0])},
    {"input": unit(0, 2), "target": unit(0, 2)},
    {"input": unit(2, 1, 3), "target": unit(2, 1, 3)},
]


def binary_given(input, target, input_type, pos_weight, cutoff, robust):
    inside = input.kind == "unit" or (input.kind == "given" and not any(map(input.extra[0].count, ("-", "30", "inf"))))
    if input_type == "probs" and (not inside or (robust and cutoff is None and input.kind == "given")):
        return False
    return not (0 in input.shape and pos_weight == "auto")


def times(factor, value):
    """A product in which 0 times infinity is 0."""
    return np.where((factor == 0) & ~np.isnan(value), 0, factor * value)


@model(
    "BinaryCrossEntropy",
    options={
        "input_type": ["logits", "probs"],
        "pos_weight": [1.0, 2.0, 0.25, "auto"],
        "cutoff": [None, 0.1, 0.01],
        "robust": [False, True],
    },
    inputs=BINARY,
    where=binary_given,
    data=["target"],
    build=made("BinaryCrossEntropy"),
)
def binary_cross_entropy(input, target, input_type, pos_weight, cutoff, robust):
    target = target * 1.0
    if pos_weight == "auto":  # Negatives for each positive; without a positive there is nothing to weigh.
        share = target.mean()
        pos_weight = (1 - share) / share if share else 0.0
    if input_type == "logits":
        yes, no = -np.logaddexp(0, -input), -np.logaddexp(0, input)
    else:
        yes, no = logarithm(input, robust, cutoff), logarithm(1 - input, robust, cutoff)
    return -times(pos_weight * target, yes) - times(1 - target, no)


DISTRIBUTIONS = [
    {"input": distribution(2, 3), "target": distribution(2, 3)},
    {"input": given(0.25, 0.5, 0.25), "target": given(0.25, 0.5, 0.25)},
    {"input": given(0.5, 0.5, 0.0), "target": given(0.25, 0.75, 0.0)},
    {"input": given(0.0, 0.05, 0.95), "target": given(0.5, 0.25, 0.25)},
    {"input": given(0.5, 0.25, 0.25), "target": given(0.0, 0.05, 0.95)},
    {"input": unit(2, 3), "target": onehot(2, 3)},
    {"input": distribution(3), "target": given(np.nan, 0.5, 0.5)},
    {"input": given(np.nan, 0.5, 0.5), "target": distribution(3)},
    {"input": given(-0.25, 0.5, 0.75), "target": distribution(3)},
    {"input": distribution(3), "target": given(-0.25, 0.5, 0.75)},
    {"input": distribution(1, 3), "target": distribution(2, 3)},
    {"input": distribution(2, 3), "target": distribution(3)},
    {"input": unit(1), "target": unit(1)},
    {"input": unit(0, 3), "target": unit(0, 3)},
    {"input": unit(2, 1, 3), "target": unit(1, 2, 1)},
    {"input": unit(3), "target": integers(0, 2, 3)},
]


def divergence_given(input, target, cutoff):
    """The default cutoff depends on the precision, which no reference knows: it decides where an input is 0."""
    return cutoff is not None or not (zeros_in(input) and not zeros_in(target))


@model(
    "KLDivergence",
    options={"cutoff": [None, 0.1, 0.01]},
    inputs=DISTRIBUTIONS,
    where=divergence_given,
    build=made("KLDivergence"),
)
def kl_divergence(input, target, cutoff):
    if np.any(input < -1e-5) or np.any(target < -1e-5):  # A finite difference steps over 0.
        raise Refused("there are no negative probabilities")
    ratio = logarithm(target, True, cutoff) - logarithm(input, True, cutoff)
    return np.where((target == 0) & (cutoff is None), 0, target * ratio)


@model(
    "QuadraticFormRegularizer",
    inputs=[
        *[{"input": value, "kernel": covariance(3, 3)} for value in reals(3, 1)],
        {"input": normal(3, 1), "kernel": normal(3, 3)},
        {"input": normal(3, 1), "kernel": with_nan(3, 3)},
        {"input": normal(1, 1), "kernel": covariance(1, 1)},
        {"input": normal(0, 1), "kernel": normal(0, 0)},
        {"input": normal(64, 1), "kernel": full(1.0, 64, 64)},
        {"input": integers(-5, 6, 3, 1), "kernel": normal(3, 3)},
    ],
)
def quadratic_form(input, kernel):
    return input.T @ kernel @ input / 2
