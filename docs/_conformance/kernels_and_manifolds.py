"""What kernels, Gaussian processes and layouts of points may be given, and what is right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import brentq
from scipy.special import xlogy

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import (
    Draw,
    given,
    integers,
    normal,
    positive,
    reals,
    some_zeros,
    tiny,
    unit,
    variants,
    zeros,
)  # fmt: skip

ONE = given([1.0])
ROWS = {"input1": normal(3, 2), "input2": normal(4, 2), "sigma": ONE, "l_scale": ONE}


@model(
    "RBFKernel",
    inputs=[
        *variants(ROWS, "input1", "some_zeros", "ties", "tiny", "with_nan", "with_inf"),
        *variants(ROWS, "input2", "some_zeros", "with_nan"),
        *[ROWS | {"sigma": given([value])} for value in (2.0, -1.5, 0.25, 100.0, math.nan)],
        *[ROWS | {"l_scale": given([value])} for value in (2.0, -1.5, 0.0, math.inf)],
        ROWS | {"input1": normal(1, 1), "input2": normal(1, 1)},
        ROWS | {"input1": normal(0, 2)},
        ROWS | {"input1": Draw("full", (3, 2), (100.0,))},  # squares of thousands are too large for 16 bits
        ROWS | {"input1": integers(-2, 3, 3, 2), "input2": integers(-2, 3, 4, 2)},
    ],
)
def rbf_kernel(input1, input2, sigma, l_scale):
    squares = ((input1[:, None] - input2[None]) ** 2).sum(axis=2)
    return l_scale**2 * np.exp(-squares / (2 * sigma**2))


PAIRS = {"input1": positive(3, 2), "input2": positive(4, 2), "poly_coef": given(1.0), "degree": given(2.0)}
MIXED = PAIRS | {"input1": normal(3, 2), "input2": normal(4, 2)}


def set_to(values: dict[str, Draw], **numbers: float) -> dict[str, Draw]:
    """The inputs with some that are a single number."""
    return values | {name: Draw("full", (), (number,)) for name, number in numbers.items()}


@model(
    "PolynomialKernel",
    options={"robust": [True, False]},
    inputs=[
        *[set_to(values, poly_coef=1.0, degree=power) for power in (2.0, 3.0, 1.0, 0.5) for values in (PAIRS, MIXED)],
        *[set_to(PAIRS, poly_coef=c, degree=power) for c, power in ((0.0, 0.0), (-0.5, -1.0), (100.0, 2.5))],
        *[set_to(MIXED | {"input1": draw}, poly_coef=0.0, degree=3.0) for draw in reals(3, 2)[1:]],
        set_to(PAIRS | {"input1": normal(1, 1), "input2": normal(1, 1)}, poly_coef=0.5, degree=4.0),
        set_to(PAIRS | {"input1": normal(0, 2)}, poly_coef=1.0, degree=2.0),
        set_to(PAIRS | {"input1": integers(-3, 4, 3, 2), "input2": integers(-3, 4, 4, 2)}, poly_coef=1.0, degree=3.0),
    ],
)
def polynomial_kernel(input1, input2, poly_coef, degree, robust):
    base = input1 @ input2.T + poly_coef
    return (np.abs(base) if robust else base) ** degree


LOWER = given([[2.0, 0.0, 0.0], [0.5, 1.5, 0.0], [-1.0, 0.25, 1.0]])
KERNEL = given([[4.0, 1.0, -2.0], [1.0, 2.5, -0.125], [-2.0, -0.125, 2.0625]])  # LOWER times its transpose
SYSTEM = {"label_mu_diff": normal(3, 1), "L": LOWER, "K_term": KERNEL}
SMALL = {"L": given([[1.5]]), "K_term": given([[2.25]])}
NONE = {"L": None, "K_term": KERNEL}


def solved(values: np.ndarray, L: np.ndarray | None, K_term: np.ndarray) -> np.ndarray:  # noqa: N803
    """The kernel matrix's inverse times the values. Of `L`, the lower triangle counts."""
    if L is None:
        return np.linalg.solve(K_term, values)
    if not np.all(np.isfinite(values)):
        return np.linalg.inv(np.tril(L) @ np.tril(L).T) @ values
    return solve_triangular(L, solve_triangular(L, values, lower=True), trans="T", lower=True)


@model(
    "GPRAlpha",
    inputs=[
        *variants(SYSTEM, "label_mu_diff", "some_zeros", "ties", "large", "tiny"),
        SYSTEM | NONE, SYSTEM | NONE | {"label_mu_diff": some_zeros(3, 1)},
        SYSTEM | SMALL | {"label_mu_diff": normal(1, 1)},
        SYSTEM | SMALL | {"label_mu_diff": normal(1, 1), "L": None},
    ],
)  # fmt: skip
def gpr_alpha(label_mu_diff, L, K_term):  # noqa: N803
    return solved(label_mu_diff, L, K_term)


OUTER = {"K": given([[1.0, 0.5, -0.25], [0.75, 2.0, 0.0], [-1.0, 0.5, 1.5]]), "K_term": KERNEL, "L": LOWER}


@model(
    "GPRVOuter",
    inputs=[
        *variants(OUTER, "K", "normal", "some_zeros", "ties", "large", "tiny", "covariance"),
        OUTER | NONE, OUTER | NONE | {"K": normal(3, 3)}, OUTER | SMALL | {"K": normal(1, 1)},
        OUTER | SMALL | {"K": normal(1, 1), "L": None},
    ],
)  # fmt: skip
def gpr_v_outer(K, K_term, L):  # noqa: N803
    return K.T @ solved(K, L, K_term)


FIT = {"labels": normal(3, 1), "mu": normal(3, 1), "L": LOWER, "K_term": KERNEL, "alpha": normal(3, 1)}
LONE = {"labels": normal(1, 1), "mu": normal(1, 1), "alpha": normal(1, 1)}


@model(
    "GPRLoss",
    options={"robust": [False, True]},
    inputs=[
        *variants(FIT, "labels", "some_zeros", "large", "tiny", "with_nan"),
        FIT | {"mu": zeros(3, 1)}, FIT | {"alpha": zeros(3, 1)},
        FIT | {"L": given([[1e-3, 0.0, 0.0], [0.5, 100.0, 0.0], [-1.0, 0.25, 1.0]])},
        FIT | NONE, FIT | SMALL | LONE, FIT | LONE | SMALL | {"L": None},
    ],
    data=["labels"],
)  # fmt: skip
def gpr_loss(labels, mu, L, K_term, alpha, robust):  # noqa: N803
    half = np.linalg.slogdet(K_term)[1] / 2 if L is None else np.log(np.diag(L)).sum()
    return ((labels - mu).T @ alpha).sum() / 2 + half + len(labels) / 2 * math.log(2 * math.pi)


PROCESS = {
    "label": normal(3, 1), "s": given([0.1]), "k": KERNEL, "k_star": KERNEL, "mu": normal(3, 1),
}  # fmt: skip


@model(
    "GaussProcessRegressionCore",
    inputs=[
        *variants(PROCESS, "label", "some_zeros", "large", "tiny"),
        *[PROCESS | {"s": given([value])} for value in (1.0, 0.0, 100.0)],
        PROCESS | {"mu": zeros(3, 1)}, PROCESS | {"k_star": given((np.eye(3) * 5).tolist())},
        PROCESS | {"k_star": zeros(3, 3)},
        {"label": normal(1, 1), "s": ONE, "k": given([[4.0]]), "k_star": given([[4.0]]), "mu": normal(1, 1)},
    ],
    data=["label"],
)  # fmt: skip
def gauss_process(label, s, k, k_star, mu):
    noisy = (k + k.T) / 2 + s * np.eye(len(k))
    lower = cholesky(noisy, lower=True)
    alpha = solved(label - mu, lower, noisy)
    variance = np.diag(k_star - k.T @ solved(k, lower, noisy))[:, None]
    return {
        "prediction": mu + k.T @ alpha,
        "confidence": s + np.abs(variance),
        "loss": gpr_loss(label, mu, lower, noisy, alpha, False),
    }


def modified(norm: np.ndarray) -> np.ndarray:
    """The norm between 1 and 5, as `NormModifier` defines it."""
    return 4 * (1 - 2 * np.abs((norm - 1) % 8 / 8 - 0.5)) + 1


STRESS = {"distances": positive(3, 3), "pred_distances": positive(3, 3), "norm": given(2.0)}
HOLLOW = {
    "distances": given([[0.0, 3.0, 1.0], [3.0, 0.0, 2.0], [1.0, 2.0, 0.0]]),
    "pred_distances": given([[0.0, 16.0, 4.0], [16.0, 0.0, 2.25], [4.0, 2.25, 0.0]]),
    "norm": given(2.0),
}
NORMS = (2.0, 1.0, 1.5, 3.0, 5.0, 6.0, 9.0, 0.0, -1.0, -4.5, 100.0)


@model(
    "MDSCore",
    options={"exact_distances": [True, False], "robust": [True, False]},
    inputs=[
        *[set_to(STRESS, norm=norm) for norm in NORMS],
        HOLLOW, set_to(HOLLOW, norm=3.0), set_to(HOLLOW, norm=1.0),
        STRESS | {"pred_distances": STRESS["distances"]},
        STRESS | {"distances": unit(1, 1), "pred_distances": unit(1, 1)},
        STRESS | {"distances": Draw("full", (3, 3), (math.nan,))},
    ],
    where=lambda norm, robust, distances, **_: robust or norm.extra != (1.0,) or distances.kind != "given",
    data=["distances"],
)  # fmt: skip
def mds_core(distances, pred_distances, norm, exact_distances, robust):
    n = modified(norm)
    exact = distances if exact_distances else distances ** (1 / n)
    return ((np.abs(exact - pred_distances ** (1 / n)) ** n).sum() / (exact**n).sum()) ** (1 / n)


def powered(points: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Distances of each two points, to the power of the norm."""
    return (np.abs(points[:, None] - points[None]) ** modified(norm)).sum(axis=2)


LAYOUT = {"input": HOLLOW["distances"], "coords": normal(3, 2), "norm": given(2.0)}
FORMS = ["distances", "powered_distances", "points"]


def fits_layout(input: Draw, coords: Draw, prediction_dim: int, input_type: str, **_: Any) -> bool:
    """Whether the points have so many coordinates, and the input is square where it holds distances."""
    return coords.shape[1] == prediction_dim and (input_type == "points" or input.shape[0] == input.shape[1])


def fits_mds(**values: Any) -> bool:
    """Whether the inputs fit together, and not all distances are 0."""
    return fits_layout(**values) and not (values["input"].kind == "full" and values["input_type"] == "points")


@model(
    "MDS",
    options={"prediction_dim": [2, 1, 3], "input_type": FORMS},
    inputs=[
        *[set_to(LAYOUT, norm=norm) for norm in (2.0, 1.0, 3.0, 1.5, 0.0)],
        LAYOUT | {"coords": normal(3, 1)}, LAYOUT | {"coords": normal(3, 3)},
        set_to(LAYOUT | {"coords": normal(3, 1)}, norm=3.0),
        LAYOUT | {"input": normal(3, 4)}, LAYOUT | {"input": normal(3, 4), "coords": normal(3, 1)},
        LAYOUT | {"coords": Draw("with_nan", (3, 2))},
        LAYOUT | {"input": normal(2, 2).as_("full", 1.5), "coords": normal(2, 2)},
    ],
    where=fits_mds,
    data=["input"],
)  # fmt: skip
def mds(input, coords, norm, prediction_dim, input_type):
    distances = powered(input, norm) if input_type == "points" else input
    stress = mds_core(distances, powered(coords, norm), norm, input_type == "distances", True)
    return {"output": stress, "predicted_coords": coords}


def joint(squares: np.ndarray, perplexity: float) -> np.ndarray:
    """The joint probabilities of t-SNE. Where no sigma gives the perplexity, sigma goes to 0."""
    count = len(squares)
    if perplexity >= count - 1:
        raise Refused("there are no more neighbors than the perplexity")
    rows = np.zeros((count, count))
    for place in range(count):
        others = np.delete(squares[place], place)
        others = others - others.min()

        def chances(log_sigma: float, others: np.ndarray = others) -> np.ndarray:
            weights = np.exp(-others / (2 * math.exp(log_sigma) ** 2))
            return weights / weights.sum()

        def excess(log_sigma: float, chances=chances) -> float:
            found = chances(log_sigma)
            return 2 ** (-xlogy(found, found).sum() / math.log(2)) - perplexity

        low = math.log(1e-4 * math.sqrt(others.max() or 1))
        at = low if excess(low) >= 0 else brentq(excess, low, low + 30, xtol=1e-14, rtol=1e-14)
        rows[place, np.arange(count) != place] = chances(at)
    return (rows + rows.T) / (2 * count)


def squares_of(points: list[list[float]]) -> Draw:
    array = np.array(points)
    return given(((array[:, None] - array[None]) ** 2).sum(axis=2).tolist())


SQUARES = [
    squares_of([[0.0], [2.0], [3.0]]),
    squares_of([[0.0], [2.0], [3.0], [7.0]]),
    squares_of([[0.0, 10.0], [20.0, -5.0], [7.5, 30.0], [-10.0, -20.0]]),
]
# The middle point has two nearest neighbors, so that no sigma gives it fewer than two.
EVEN = squares_of([[0.0], [1.0], [2.0]])


def in_seconds(squared_distances: Draw, target_perplexity: float, threshold: str) -> bool:
    """Few cases of a perplexity that no sigma gives: on JAX, each searches for half a minute."""
    return squared_distances != EVEN or (target_perplexity == 1.5 and threshold == "EPSILON")


def build_joint(models: Any, target_perplexity: float, threshold: str) -> Any:
    import mithril

    return models.TsnePJoint(target_perplexity, threshold=mithril.Constant[threshold])


@model(
    "TsnePJoint",
    sample=4,  # each of many seconds on JAX
    options={"target_perplexity": [1.5, 2.5, 20.0], "threshold": ["EPSILON", "MIN_POSITIVE_NORMAL"]},
    inputs={"squared_distances": [*SQUARES, EVEN]},
    where=in_seconds,
    data=["squared_distances"],
    build=build_joint,
)
def tsne_p_joint(squared_distances, target_perplexity, threshold):
    return joint(squared_distances, target_perplexity)


POINTS = {
    "input": given([[0.0, 1.0, 0.5], [2.0, -0.5, 1.0], [0.75, 3.0, -1.0], [-1.0, -2.0, 0.0]]),
    "coords": normal(4, 2),
    "norm": given(2.0),
}
JOINT = given([[0.0, 0.125, 0.0625, 0.03125], [0.125, 0.0, 0.25, 0.0], [0.0625, 0.25, 0.0, 0.03125],
               [0.03125, 0.0, 0.03125, 0.0]])  # fmt: skip
APART = POINTS | {
    "input": given([[0.0, 3.0, 1.0, 4.0], [3.0, 0.0, 2.0, 2.5], [1.0, 2.0, 0.0, 1.5], [4.0, 2.5, 1.5, 0.0]])
}


def fits_tsne(calculate_p_joint: bool, **others: Any) -> bool:
    """Whether the inputs are those of this type, with probabilities where they are not computed."""
    return fits_layout(**others) and ("p_joint" in others) != calculate_p_joint


@model(
    "TSNE",
    sample=6,
    options={
        "prediction_dim": [2, 1, 3],
        "input_type": ["points", "distances", "powered_distances"],
        "calculate_p_joint": [False, True],
        "preplexity": [1.5, 20.0],
    },
    inputs=[
        POINTS | {"p_joint": JOINT},
        *[APART | {"p_joint": JOINT, "coords": normal(4, size)} for size in (2, 1, 3)],
        *[POINTS | {"p_joint": JOINT, "coords": draw} for draw in (normal(4, 1), zeros(4, 2), tiny(4, 2))],
        POINTS | {"p_joint": JOINT, "coords": normal(4, 3)},
        LAYOUT | {"input": given([[0.0, 3.0, 1.0], [3.0, 0.0, 2.5], [1.0, 2.5, 0.0]])},
    ],
    where=fits_tsne,
    data=["input", "norm", "p_joint"],
)  # fmt: skip
def tsne(input, coords, norm, prediction_dim, input_type, calculate_p_joint, preplexity, p_joint=None):
    squares = powered(input, norm) if input_type == "points" else input**2 if input_type == "distances" else input
    wanted = joint(squares, preplexity) if calculate_p_joint else p_joint
    near = (1 - np.eye(len(coords))) / (1 + powered(coords, norm))
    found = near / near.sum()
    divergence = xlogy(wanted, wanted).sum() - (wanted * np.log(np.where(found > 0, found, 1))).sum()
    return {"output": divergence, "predicted_coords": coords}
