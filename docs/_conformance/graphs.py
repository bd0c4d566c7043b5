"""Small graphs of models, in which parts are joined, merged, pruned or named alike, and what is right."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from mithril_docs.conformance.domain import graph
from mithril_docs.conformance.values import normal, positive, some_zeros, ties

ONE = {"x": [normal(3), some_zeros(2, 3), ties(2, 3), normal(1), normal(0, 3)]}
TWO = {"x": [normal(2, 3), normal(1, 3), some_zeros(2, 3)], "y": [normal(2, 3), normal(2, 1), normal(3)]}


def relu(x):
    return np.where(np.isnan(x), x, np.maximum(x, 0.0))


@graph(
    "a chain",
    """\
model = Model()
model += Exponential()(input="x", output="a")
model += Sine()(input="a", output="b")
model += Tanh()(input="b", output=ml.IOKey("out"))
""",
    inputs=ONE,
)
def chain(x):
    return {"out": np.tanh(np.sin(np.exp(x)))}


@graph(
    "branches that are joined",
    """\
model = Model()
model += Tanh()(input="x", output="a")
model += Sine()(input="a", output="left")
model += Cosine()(input="a", output="right")
model += Multiply()(left="left", right="right", output=ml.IOKey("out"))
""",
    inputs=ONE,
)
def branches(x):
    return {"out": np.sin(np.tanh(x)) * np.cos(np.tanh(x))}


@graph(
    "an input that is used twice",
    """\
model = Model()
model += Multiply()(left="x", right="x", output="square")
model += Add()(left="square", right="x", output=ml.IOKey("out"))
""",
    inputs=ONE,
)
def twice(x):
    return {"out": x * x + x}


@graph(
    "the same model twice",
    """\
model = Model()
model += Relu()(input="x", output=ml.IOKey("first"))
model += Relu()(input="x", output=ml.IOKey("second"))
""",
    inputs={"x": [normal(3), normal(2, 3), normal(1)]},
)
def same(x):
    return {"first": relu(x), "second": relu(x)}


@graph(
    "the same model twice, one output used further",
    """\
model = Model()
model += Sigmoid()(input="x", output=ml.IOKey("first"))
model += Sigmoid()(input="x", output="again")
model += Multiply()(left="again", right="y", output=ml.IOKey("second"))
""",
    inputs=TWO,
)
def same_further(x, y):
    return {"first": expit(x), "second": expit(x) * y}


@graph(
    "an output that is used further",
    """\
model = Model()
model += Tanh()(input="x", output=ml.IOKey("middle"))
model += Exponential()(input="middle", output=ml.IOKey("end"))
""",
    inputs=ONE,
)
def middle(x):
    return {"middle": np.tanh(x), "end": np.exp(np.tanh(x))}


@graph(
    "an input that is an output",
    """\
model = Model()
model += Buffer()(input="x", output=ml.IOKey("same"))
model += Sine()(input="x", output=ml.IOKey("sine"))
""",
    inputs=ONE,
)
def passed(x):
    return {"same": x, "sine": np.sin(x)}


@graph(
    "two outputs that are one tensor",
    """\
model = Model()
model += Sine()(input="x", output=ml.IOKey("sine"))
model += Buffer()(input="sine", output=ml.IOKey("copy"))
""",
    inputs={"x": [normal(3), normal(2, 3), normal(1)]},
)
def one_tensor(x):
    return {"sine": np.sin(x), "copy": np.sin(x)}


@graph(
    "shapes that spread",
    """\
model = Model()
model += Add()(left="x", right="y", output="sum")
model += Multiply()(left="sum", right="x", output="product")
model += Mean(axis=-1)(input="product", output=ml.IOKey("out"))
""",
    inputs=TWO,
)
def spread(x, y):
    return {"out": np.mean((x + y) * x, axis=-1)}


@graph(
    "a constant branch",
    """\
model = Model()
model += ToTensor()(input=[0.0, 1.0, 2.0], output="numbers")
model += Exponential()(input="numbers", output="weights")
model += Multiply()(left="x", right="weights", output=ml.IOKey("out"))
""",
    inputs={"x": [normal(3), normal(2, 3), normal(2, 1), some_zeros(2, 3)]},
)
def constant(x):
    return {"out": x * np.exp([0.0, 1.0, 2.0])}


@graph(
    "a model in a model",
    """\
inner = Model()
inner += Power()(base="x", exponent=2, output="square")
inner += Relu()(input="square", output=ml.IOKey("y"))
model = Model()
model += inner(x="x", y="middle")
model += Log()(input="middle", output=ml.IOKey("out"))
""",
    inputs={"x": [positive(3), positive(2, 3), positive(1)]},
)
def nested(x):
    return {"out": np.log(x**2)}


@graph(
    "inputs called exp and _exp",
    """\
model = Model()
model += Exponential()(input="exp", output="y")
model += Sine()(input="_exp", output="z")
model += Add()(left="y", right="z", output=ml.IOKey("out"))
""",
    inputs=[{"exp": normal(3), "_exp": normal(3)}, {"exp": normal(2, 3), "_exp": normal(2, 3)}],
)
def exp_names(exp, _exp):
    return {"out": np.exp(exp) + np.sin(_exp)}


@graph(
    "an input called cache",
    """\
model = Model()
model += Exponential()(input="cache", output="middle")
model += Sine()(input="middle", output=ml.IOKey("out"))
""",
    inputs={"cache": [normal(3), normal(2, 3)]},
)
def cache_name(cache):
    return {"out": np.sin(np.exp(cache))}


@graph(
    "a slice of a slice",
    """\
model = Model()
model += Buffer()(input="x", output="y")
part = model.y[1:]
model += Sine()(input=part[:, :2], output=ml.IOKey("out"))
""",
    inputs={"x": [normal(3, 4), ties(2, 3)]},
)
def slices(x):
    return {"out": np.sin(x[1:][:, :2])}
