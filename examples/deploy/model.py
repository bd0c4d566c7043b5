"""The models to deploy: (rows, 64) pixels from 0 to 16 to (rows, 10) scores.

Both scale the pixels themselves, so no caller has to know how.
"""

import mithril as ml
from mithril.models import Add, Linear, Model, Multiply, Relu


def network():
    """A network with one hidden layer."""
    model = Model()
    model += Multiply()(left="pixels", right=1 / 16, output="scaled")
    model += Linear(32)(input="scaled", w="w1", b="b1", output="hidden")
    model += Relu()(input="hidden", output="active")
    model += Linear(10)(
        input="active", w="w2", b="b2", output=ml.IOKey("scores")
    )
    return model


def linear():
    """A linear classifier: products and sums, which is all that C has."""
    model = Model()
    model += Multiply()(left="pixels", right=1 / 16, output="scaled")
    model += Linear(10)(
        input="scaled", w="w", b="b", output=ml.IOKey("scores")
    )
    return model


MODELS = {"network": network, "linear": linear}
SHAPES = {
    "network": {"w1": (64, 32), "b1": (32,), "w2": (32, 10), "b2": (10,)},
    "linear": {"w": (64, 10), "b": (10,)},
}


def linear_for_c():
    """The linear classifier with an input for each pixel.

    Mithril's C library has no product of matrices. Give it the pixels as
    `pixel_0` to `pixel_63`, each (rows, 1), the rows of the matrix as `w_0`
    to `w_63`, each (1, 10), and `b`, (1, 10).
    """
    model = Model()
    total = "b"
    for i in range(64):
        model += Multiply()(
            left=f"pixel_{i}", right=f"w_{i}", output=f"part_{i}"
        )
        output = ml.IOKey("scores") if i == 63 else f"sum_{i}"
        model += Add()(left=total, right=f"part_{i}", output=output)
        total = f"sum_{i}"
    return model
