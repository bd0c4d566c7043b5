"""What linear algebra may be given, and what is right."""

from __future__ import annotations

import itertools

import numpy as np

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import booleans, covariance, given, integers, normal, reals, some_zeros, ties


@model(
    "MatrixMultiply",
    inputs=[
        *({"left": left, "right": normal(3, 2)} for left in reals(2, 3)),
        *({"left": normal(2, 3), "right": right} for right in reals(3, 2)[1:]),
        *(
            {"left": normal(*left), "right": normal(*right)}
            for left, right in [
                ((1, 1), (1, 1)),
                ((2, 2, 3), (2, 3, 2)),
                ((2, 2, 3), (3, 2)),
                ((2, 3), (2, 3, 2)),
                ((2, 1, 2, 3), (1, 3, 3, 1)),
                ((2, 0), (0, 3)),
                ((0, 2), (2, 3)),
                ((1, 1024), (1024, 1)),
            ]
        ),
        {"left": integers(-5, 6, 2, 3), "right": integers(-5, 6, 3, 2)},
        {"left": booleans(2, 3), "right": booleans(3, 2)},
        {"left": integers(-5, 6, 2, 3), "right": normal(3, 2)},
    ],
)
def matrix_multiply(left, right):
    return np.matmul(left, right)


def symmetric(matrix: np.ndarray) -> np.ndarray:
    """What a symmetric matrix is taken for that changes in one element: its gradient is symmetric, too."""
    return (matrix + matrix.T) / 2


def factor(input: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(input)
    except np.linalg.LinAlgError:
        raise Refused("the matrix is not positive definite") from None


MATRICES = [covariance(3, 3), covariance(1, 1), covariance(2, 2), given([[4.0, 0.0], [0.0, 9.0]]),
            given([[4e6, 2.0], [2.0, 3e-6]])]  # fmt: skip


@model(
    "Cholesky",
    inputs={
        "input": [
            *MATRICES,
            given([[1.0, 2.0], [2.0, 1.0]]),
            given([[1.0, 1.0], [1.0, 1.0]]),
            given([[4.0, 1.0], [3.0, 3.0]]),
            normal(0, 0),
            given([[4, 2], [2, 3]]),
        ]
    },
    slope=lambda **matrix: factor(symmetric(matrix["input"])),
)
def cholesky(input):
    if not np.allclose(input, input.T, rtol=0.01):
        raise Refused("the matrix is not symmetric")
    return factor(input)


def eigenvalues(kernel, diagonal, threshold):
    # The card says that the result has one axis, though the model declares a column.
    return np.maximum(np.linalg.eigvalsh(kernel), threshold) if diagonal is None else np.diag(diagonal)


@model(
    "Eigvalsh",
    options={"threshold": [0.0, 5.0, -2.0, 0.5]},
    inputs=[
        *({"K_term": matrix, "L": matrix} for matrix in [covariance(3, 3), normal(2, 2), *reals(2, 2)[5:]]),
        *({"K_term": matrix, "L": None} for matrix in MATRICES[:4]),
        {"K_term": given([[1.0, 2.0], [2.0, 1.0]]), "L": None},
    ],
    slope=lambda threshold, **given: eigenvalues(symmetric(given["K_term"]), given["L"], threshold),
)
def eigvalsh(threshold, **given):
    return eigenvalues(given["K_term"], given["L"], threshold)


@model(
    "TransposedDiagonal",
    inputs={"input": [*reals(3, 3), normal(1, 1), normal(0, 0), integers(-5, 6, 2, 2), booleans(2, 2), normal(2, 3)]},
)
def transposed_diagonal(input):
    if input.shape[0] != input.shape[1]:
        raise Refused("the matrix is not square")
    return np.diag(input)[:, None]


@model(
    "Trapezoid",
    inputs=[
        *({"y": y, "x": normal(5)} for y in reals(5)),
        *({"y": normal(5), "x": x} for x in reals(5)[1:]),
        {"y": normal(5), "x": given([0.0, 0.25, 0.5, 0.75, 1.0])},
        {"y": normal(2, 5), "x": normal(2, 5)},
        {"y": normal(2, 5), "x": normal(5)},
        {"y": normal(5), "x": normal(2, 5)},
        {"y": normal(1), "x": normal(1)},
        {"y": normal(0), "x": normal(0)},
        {"y": normal(1024), "x": normal(1024)},
        {"y": integers(-5, 6, 5), "x": integers(-5, 6, 5)},
        {"y": integers(-5, 6, 5), "x": normal(5)},
    ],
)
def trapezoid(y, x):
    return np.sum((y[..., :-1] + y[..., 1:]) / 2 * (x[..., 1:] - x[..., :-1]), axis=-1)


PAIRS = [
    *((left, normal(2, 2)) for left in reals(3, 2)),
    *((normal(3, 2), right) for right in reals(2, 2)[1:]),
    (normal(1, 1), normal(1, 1)),
    (normal(0, 2), normal(2, 2)),
    (normal(2, 0), normal(3, 0)),
    (given([[0.0, 0.0], [3.0, 4.0]]), given([[0.0, 0.0], [3.0, 4.0]])),
    (integers(-5, 6, 3, 2), integers(-5, 6, 2, 2)),
    (integers(-5, 6, 3, 2), normal(2, 2)),
]


@model(
    "CartesianDifference",
    inputs=[{"left": left, "right": right} for left, right in [*PAIRS, (normal(3, 2), normal(2, 1))]],
)
def cartesian_difference(left, right):
    if left.shape[1] != right.shape[1]:
        raise Refused("the rows differ in length")
    return left[:, None] - right[None]


def powers(left, right, norm):
    """Distances to the power of the norm."""
    return np.sum(np.abs(left[:, None] - right[None]) ** norm, axis=-1)


NORMS = [given(norm) for norm in (2.0, 1.0, 3.0, 1.5, 4.5)]
# Squares of large numbers overflow half precision before the root is taken.
GENTLE = [pair for pair in PAIRS if "large" not in (pair[0].kind, pair[1].kind)]
LONG = (normal(1, 1024), normal(2, 1024))
EQUAL = (ties(3, 2), ties(2, 2))


@model(
    "DistanceMatrix",
    inputs=[
        *({"left": left, "right": right, "norm": NORMS[0]} for left, right in [*PAIRS, LONG]),
        *(
            {"left": left, "right": right, "norm": norm}
            for left, right in [(normal(3, 2), normal(2, 2)), EQUAL]
            for norm in [*NORMS[1:], given(0.0), given(-1.0), given(0.5), given(2)]
        ),
    ],
)  # fmt: skip
def distance_matrix(left, right, norm):
    return powers(left, right, norm)


@model(
    "EncoderDistanceMatrix",
    options={"get_final_distance": [True, False], "robust": [True, False]},
    inputs=[
        *({"input1": left, "input2": right, "norm": NORMS[0]} for left, right in GENTLE),
        *(
            {"input1": normal(3, 2), "input2": normal(2, 2), "norm": norm}
            for norm in [*NORMS[1:], given(6.0), given(0.5)]
        ),
        *({"input1": EQUAL[0], "input2": EQUAL[1], "norm": norm} for norm in NORMS[:3]),
    ],
)  # fmt: skip
def encoder_distance_matrix(input1, input2, norm, get_final_distance, robust):
    if not 0.99 <= norm <= 5.01:
        raise Refused("the norm does not lie between 1 and 5")
    found = powers(input1, input2, norm)
    return found ** (1 / norm) if get_final_distance else found


@model(
    "NormModifier",
    inputs={
        "input": [
            given(value)
            for value in [2.5, 1.0, 5.0, 6.0, 9.0, 13.0, 0.0, -3.0, -7.0, 1e-6, 1000.3, -1000.3, np.nan, np.inf, 4, 7]
        ]
    },
)
def norm_modifier(input):
    return 5.0 - np.abs((input - 1) % 8 - 4)


@model(
    "PolynomialFeatures",
    options={"degree": [2, 1, 3, 4, 0]},
    inputs={
        "input": [
            *reals(3, 2),
            normal(2, 1),
            some_zeros(2, 3),
            normal(1, 4),
            normal(0, 2),
            normal(2, 0),
            integers(-5, 6, 3, 2),
            booleans(3, 2),
            given([[0.0, 3.0], [0.0, 0.0]]),
        ]
    },
    where=lambda degree, **given: degree > 0 or given["input"].kind == "normal",
)
def polynomial_features(input, degree):
    columns = range(input.shape[1])
    chosen = [c for n in range(1, degree + 1) for c in itertools.combinations_with_replacement(columns, n)]
    if not chosen:
        raise Refused("there is no product to compute")
    return np.stack([np.prod([input[:, c] for c in places], axis=0) for places in chosen], axis=1)
