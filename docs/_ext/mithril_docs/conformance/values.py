"""What inputs of a domain are made of: a draw says what an array holds, and is the same array in every process."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

Maker = Callable[..., np.ndarray]
_MAKERS: dict[str, Maker] = {}


@dataclasses.dataclass(frozen=True)
class Draw:
    """An array that is not made yet: what it holds, its shape, and what else the maker takes."""

    kind: str
    shape: tuple[int, ...]
    extra: tuple[Any, ...] = ()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def make(self, seed: str) -> np.ndarray:
        """The array: 64-bit floating point, 64-bit integers or Booleans. ``seed`` tells two inputs apart."""
        rng = np.random.default_rng(zlib.crc32(f"{seed} {self}".encode()))
        return np.asarray(_MAKERS[self.kind](rng, self.shape, *self.extra))

    def as_(self, kind: str, *extra: Any) -> Draw:
        """Another kind of array of this shape."""
        return Draw(kind, self.shape, extra)

    def __repr__(self) -> str:
        return f"{self.kind}({', '.join(map(repr, (*self.extra, *self.shape)))})"


def _maker(function: Maker) -> Callable[..., Draw]:
    """A function of the numbers of the maker's own, if it takes some, and of the shape, as separate arguments."""
    name = function.__name__.strip("_")
    count = function.__code__.co_argcount - 2
    _MAKERS[name] = function

    def make(*numbers: Any) -> Draw:
        return Draw(name, tuple(numbers[count:]), tuple(numbers[:count]))

    make.__name__, make.__doc__ = name, function.__doc__
    return make


def _some(rng: np.random.Generator, array: np.ndarray, values: list[float]) -> np.ndarray:
    """The array with some elements replaced: about every third, and at least one of an array that has elements."""
    flat = array.reshape(-1).copy()
    places = rng.permutation(flat.size)[: max(1, flat.size // 3)]
    for turn, place in enumerate(places):
        flat[place] = values[turn % len(values)]
    return flat.reshape(array.shape)


@_maker
def normal(rng, shape):  # type: ignore[no-untyped-def]
    """Standard normal numbers."""
    return rng.normal(size=shape)


@_maker
def positive(rng, shape):  # type: ignore[no-untyped-def]
    """Numbers from 0.5 to 2."""
    return rng.uniform(0.5, 2, size=shape)


@_maker
def unit(rng, shape):  # type: ignore[no-untyped-def]
    """Numbers from 0.05 to 0.95."""
    return rng.uniform(0.05, 0.95, size=shape)


@_maker
def zeros(rng, shape):  # type: ignore[no-untyped-def]
    """Nothing but zeros."""
    return np.zeros(shape)


@_maker
def some_zeros(rng, shape):  # type: ignore[no-untyped-def]
    """Normal numbers, and zeros among them."""
    return _some(rng, rng.normal(size=shape), [0.0])


@_maker
def ties(rng, shape):  # type: ignore[no-untyped-def]
    """Numbers of which many are equal: -1.5, 0.5 or 2."""
    return rng.choice([-1.5, 0.5, 2.0], size=shape)


@_maker
def halves(rng, shape):  # type: ignore[no-untyped-def]
    """Multiples of one half, from -3 to 3: where rounding and steps decide."""
    return rng.integers(-6, 7, size=shape) / 2


@_maker
def large(rng, shape):  # type: ignore[no-untyped-def]
    """Numbers about 1,000, of both signs."""
    return rng.normal(size=shape) * 1000


@_maker
def tiny(rng, shape):  # type: ignore[no-untyped-def]
    """Numbers about 1e-6, of both signs."""
    return rng.normal(size=shape) * 1e-6


@_maker
def with_nan(rng, shape):  # type: ignore[no-untyped-def]
    """Normal numbers, and NaN among them."""
    return _some(rng, rng.normal(size=shape), [np.nan])


@_maker
def with_inf(rng, shape):  # type: ignore[no-untyped-def]
    """Normal numbers, and infinities of both signs among them."""
    return _some(rng, rng.normal(size=shape), [np.inf, -np.inf])


@_maker
def full(rng, shape, value):  # type: ignore[no-untyped-def]
    """One number everywhere."""
    return np.full(shape, value)


@_maker
def signs(rng, shape):  # type: ignore[no-untyped-def]
    """-1.0 or 1.0."""
    return np.where(rng.normal(size=shape) > 0, 1.0, -1.0)


@_maker
def integers(rng, shape, low, high):  # type: ignore[no-untyped-def]
    """Whole numbers from ``low`` to ``high`` - 1."""
    return rng.integers(low, high, size=shape)


@_maker
def booleans(rng, shape):  # type: ignore[no-untyped-def]
    """Truth values."""
    return rng.normal(size=shape) > 0


@_maker
def onehot(rng, shape):  # type: ignore[no-untyped-def]
    """One 1.0 along the last axis, else zeros."""
    return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]


@_maker
def distribution(rng, shape):  # type: ignore[no-untyped-def]
    """Positive numbers whose last axis adds up to 1."""
    raw = rng.uniform(0.1, 1, size=shape)
    return raw / raw.sum(axis=-1, keepdims=True)


@_maker
def covariance(rng, shape):  # type: ignore[no-untyped-def]
    """Symmetric, positive definite matrices; the last two sizes are equal."""
    root = rng.normal(size=shape)
    return root @ np.swapaxes(root, -1, -2) + shape[-1] * np.eye(shape[-1])


def given(*values: Any) -> Draw:
    """The array of these numbers (nested lists for several axes)."""
    array = np.asarray(values[0] if len(values) == 1 else values)
    return Draw("given", array.shape, (repr(array.tolist()),))


def _given(rng, shape, told):  # type: ignore[no-untyped-def]
    return np.asarray(eval(told, {"nan": np.nan, "inf": np.inf})).reshape(shape)


_MAKERS["given"] = _given

#: Kinds of floating-point arrays that anything which takes real numbers should be tried with.
REAL = ("normal", "some_zeros", "ties", "large", "tiny", "with_nan", "with_inf")


def reals(*shape: int) -> list[Draw]:
    """Arrays of every kind of :data:`REAL`, of one shape."""
    return [Draw(kind, shape) for kind in REAL]


def variants(inputs: dict[str, Any], name: str, *kinds: str) -> list[dict[str, Any]]:
    """Inputs as they are, and with one of them of other kinds (:data:`REAL` where none is named), its shape kept."""
    return [inputs] + [inputs | {name: inputs[name].as_(kind)} for kind in kinds or REAL if kind != inputs[name].kind]
