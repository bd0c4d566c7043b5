"""What the building blocks may be given, and what is right. ``BaseModel`` is abstract and computes nothing."""

from __future__ import annotations

import numpy as np

from mithril_docs.conformance.domain import Refused, model
from mithril_docs.conformance.values import full, given, halves, integers, normal, positive, reals, variants

INPUTS = {"input": [*reals(2, 3), halves(2, 3), normal(4), normal(1, 2, 1, 3), normal(0, 3), integers(-5, 6, 2, 3)]}


def _relu(x):
    return np.where(np.isnan(x), x, np.maximum(x, 0)).astype(x.dtype)


#: Functions of one argument that every backend has, by the name that Mithril gives them.
ONE = {
    "relu": _relu,
    "tanh": lambda x: np.tanh(np.asarray(x, float)),
    "exp": lambda x: np.exp(np.asarray(x, float)),
    "square": lambda x: x * x,
    "minus": np.negative,
}


def _plain(formula_key, **others):
    """What a function does with integers and far from 0 is tried where its own model is."""
    return formula_key not in ("tanh", "exp") or others["input"].kind not in ("integers", "large")


@model(
    "Activation",
    options={"formula_key": list(ONE), "polymorphic_constraint": [False, True]},
    inputs=INPUTS,
    where=_plain,
)
def activation(input, formula_key, polymorphic_constraint):
    return ONE[formula_key](input)


def _type(models):
    return models.TensorType([("V", ...)])


@model(
    "CustomPrimitiveModel",
    options={"formula_key": list(ONE)},
    inputs=INPUTS,
    where=_plain,
    build=lambda models, formula_key: models.CustomPrimitiveModel(
        formula_key, input=_type(models), output=_type(models)
    ),
)
def custom(input, formula_key):
    return ONE[formula_key](input)


PAIR = {"left": normal(2, 3), "right": normal(2, 3)}
TWO = {"add": np.add, "subtract": np.subtract, "multiplication": np.multiply}


@model(
    "PrimitiveModel",
    options={"formula_key": list(TWO)},
    inputs=[
        *variants(PAIR, "left"),
        {"left": normal(3), "right": normal(3)},
        {"left": normal(1, 2, 1, 3), "right": normal(1, 2, 1, 3)},
        {"left": normal(0, 3), "right": normal(0, 3)},
        {"left": integers(-5, 6, 2, 3), "right": integers(-5, 6, 2, 3)},
    ],
    build=lambda models, formula_key: models.PrimitiveModel(
        formula_key, left=_type(models), right=_type(models), output=_type(models)
    ),
)
def primitive(left, right, formula_key):
    return TWO[formula_key](left, right)


def _model(models, formula_key, enforce_jit):
    whole = models.Model(formula_key=formula_key, enforce_jit=enforce_jit)
    whole += models.Relu()(input="input")
    whole += models.Relu()(output=_key("output"))
    outer = models.Model(enforce_jit=enforce_jit)
    outer += whole(input="input", output=_key("output"))
    return outer


def _key(name):
    from mithril import IOKey

    return IOKey(name)


# With a formula_key, a backend that has the function runs it in place of the two submodels, which do the same.
@model(
    "Model",
    options={"formula_key": [None, "relu", "no_such_function"], "enforce_jit": [True, False]},
    inputs=INPUTS,
    build=_model,
)
def container(input, formula_key, enforce_jit):
    return _relu(input)


TRAINED = {"input": normal(3, 2), "w": normal(2, 1), "b": normal(1), "target": normal(3, 1)}


def _train(models, loss, reduce, coef, penalty, combiner):
    trained = models.TrainModel(models.Linear(dimension=1))
    steps = [getattr(models, name)() for name in reduce]
    trained.add_loss(getattr(models, loss)(), steps, coef=coef, input="output", target="target")
    if combiner:
        trained.add_loss(models.SquaredError(), [models.Sum()], input="output", target="target")
        trained.set_loss_combiner(getattr(models, combiner)())
    if penalty:
        trained.add_regularization(getattr(models, penalty)(), coef=0.5, input="w")
    return trained


@model(
    "TrainModel",
    sample=16,
    options={
        "loss": ["SquaredError", "AbsoluteError"], "reduce": [["Mean"], ["Sum"], ["Max"], []],
        "coef": [None, 0.5, 2, 0.0], "penalty": [None, "L1", "L2"], "combiner": [None, "Sum", "Mean", "Max"],
    },
    inputs=[
        *variants(TRAINED, "input"),
        *variants(TRAINED, "target", "large", "with_nan", "with_inf")[1:],
        *variants(TRAINED, "w", "zeros", "some_zeros", "ties")[1:],
        TRAINED | {"w": full(0.0, 2, 1), "b": full(0.0, 1), "target": given([[1.0], [-1.0], [0.0]])},
        TRAINED | {"input": normal(1, 2), "target": positive(1, 1)},
        TRAINED | {"input": normal(2, 2, 2), "target": normal(2, 2, 1)},
        TRAINED | {"input": integers(-3, 4, 3, 2)},
    ],
    build=_train,
    data={"input", "target"},
)  # fmt: skip
def trained(input, w, b, target, loss, reduce, coef, penalty, combiner):
    if w.shape[1] != 1:
        raise Refused("the layer has one output")
    output = (input[..., :, None] * w).sum(axis=-2) + b
    error = output - target
    each = error**2 if loss == "SquaredError" else np.abs(error)
    step = reduce[0] if reduce else "Mean"
    cost = {"Mean": np.mean, "Sum": np.sum, "Max": np.max}[step](each) * (1 if coef is None else coef)
    if combiner:
        cost = {"Sum": np.sum, "Mean": np.mean, "Max": np.max}[combiner]([cost, np.sum(error**2)])
    if penalty:
        raw = np.sum(np.abs(w)) if penalty == "L1" else np.sum(w**2) / 2
        # the page says so: over several losses, the geometric mean; the second loss is reduced by Sum and counts 1
        count = (1 if step == "Sum" else each.size) ** (0.5 if combiner else 1)
        cost = cost + 0.5 * raw / count
    return {"final_cost": cost}
