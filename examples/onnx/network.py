"""A network to export."""

import mithril as ml
from mithril.models import Linear, Model, Relu


def build(width: int = 32) -> Model:
    """(N, 64) numbers to (N, 10) logits."""
    model = Model()
    model += Linear(width)(input="x", w="w1", b="b1")
    model += Relu()
    model += Linear(10)(w="w2", b="b2", output=ml.IOKey("logits"))
    return model
