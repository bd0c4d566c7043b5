"""A network that came from another framework: a model, and its arrays.

What reads a framework (`from_torch.py` and its like) adds one layer after the
other to a `Chain`, and refuses by name what it can't make equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import mithril as ml
import numpy as np
from mithril.models import BaseModel, Buffer, Model


class NotConverted(ValueError):  # noqa: N818, its name is its message
    """A layer, or an option of a layer, that the converter doesn't know."""


@dataclass
class Converted:
    """A Mithril model with the parameters of the network it was made from.

    Attributes
    ----------
    model
        A model with one input and one output. It belongs to no backend.
    params
        Its parameters by name, as NumPy arrays of float32.
    input, output
        The names of the model's input and output.
    """

    model: Model
    params: dict[str, np.ndarray]
    input: str = "input"
    output: str = "output"

    def compile(self, backend: ml.Backend, **options: Any) -> Any:
        """Compile the model for predictions.

        Options go to `ml.compile`.
        """
        chosen = {"inference": True, "jit": False} | options
        return ml.compile(
            self.model, backend, data_keys={self.input}, **chosen
        )

    def arrays(self, backend: ml.Backend) -> dict[str, Any]:
        """The parameters as arrays of a backend."""
        return {
            name: backend.array(array.copy())
            for name, array in self.params.items()
        }

    def predict(self, backend: ml.Backend, values: np.ndarray) -> np.ndarray:
        """Compile, and compute the output for an array, as an array."""
        data = {self.input: backend.array(values)}
        found = self.compile(backend).evaluate(self.arrays(backend), data)
        return np.asarray(found[self.output])


class Chain:
    """Layers one after the other, each with parameters of its own.

    Attributes
    ----------
    model, params
        What the layers so far amount to.
    last
        The connection that the next layer reads.
    """

    def __init__(self, input: str = "input") -> None:
        self.model = Model()
        self.params: dict[str, np.ndarray] = {}
        self.input = self.last = input
        self._parts = 0

    def add(
        self, part: BaseModel, read: str = "input", **connections: Any
    ) -> str:
        """Add a model that reads the output of the one before.

        Parameters
        ----------
        part
            A model with one output that is called `output`.
        read
            What the model calls its input.
        connections
            Its other inputs, such as names that `param` gave.
        """
        name = f"step_{self._parts}"
        self._parts += 1
        self.model += part(**{read: self.last}, **connections, output=name)
        self.last = name
        return name

    def param(self, name: str, array: Any) -> str:
        """Keep an array as the parameter of this name."""
        if name in self.params:
            raise ValueError(f"two parameters are called {name!r}")
        self.params[name] = np.array(array, dtype="float32", order="C")
        return name

    def finish(self, output: str = "output") -> Converted:
        """The model of all layers."""
        self.model += Buffer()(input=self.last, output=ml.IOKey(output))
        return Converted(self.model, self.params, self.input, output)


@dataclass
class Place:
    """Where in a network a layer stands.

    Attributes
    ----------
    chain
        What was converted before it.
    place
        Its place in the network, such as `3`, or `1.0` in a nested one.
    """

    chain: Chain
    place: str

    def param(self, name: str, array: Any) -> str:
        """Keep an array under a name of Mithril, such as `kernel_1_0`."""
        return self.chain.param(
            f"{name}_{self.place.replace('.', '_')}", array
        )


def refuse(place: object, layer: str, words: str) -> NoReturn:
    """Say by name why a layer isn't converted.

    Raises
    ------
    NotConverted
        Such as "layer 3, LSTM: must be the last layer"
    """
    raise NotConverted(f"layer {place}, {layer}: {words}")


def refuse_layer(place: object, layer: str, known: Iterable[str]) -> NoReturn:
    """Say by name that a layer isn't converted.

    Raises
    ------
    NotConverted
        Such as "layer 3, MaxPool3d: not converted; known: ..."
    """
    words = ", ".join(sorted(known))
    refuse(place, layer, f"not converted; known: {words}")


def refuse_options(
    place: object,
    layer: str,
    given: Mapping[str, Any],
    known: Mapping[str, Any],
) -> None:
    """Say by name which option has a value that isn't converted.

    Parameters
    ----------
    given
        The options of the layer.
    known
        Options that the converter takes with a single value, and this value.

    Raises
    ------
    NotConverted
        Such as "layer 3, Conv2d: groups=2 is not converted, only groups=1"
    """
    for name, value in known.items():
        if given[name] != value:
            words = f"{name}={given[name]!r} is not converted"
            refuse(place, layer, f"{words}, only {name}={value!r}")
