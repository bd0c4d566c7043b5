"""Networks of Flax drawn at random, to prove the converter on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from dice import Dice
from flax import linen as nn
from from_flax import flatten


@dataclass
class Drawn:
    """A network with its variables, and inputs with a batch axis."""

    network: nn.Sequential
    variables: dict[str, Any]
    inputs: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """That of one input."""
        return self.inputs.shape[1:]


def activation(dice: Dice) -> Any:
    """One of all functions, with options."""
    return dice.of(
        nn.relu,
        nn.gelu,
        partial(nn.gelu, approximate=False),
        nn.sigmoid,
        nn.tanh,
        nn.silu,
        nn.leaky_relu,
        partial(nn.leaky_relu, negative_slope=0.3),
        nn.elu,
        partial(nn.elu, alpha=0.5),
        nn.softplus,
        nn.softmax,
        nn.log_softmax,
        jax.nn.identity,
        nn.Dropout(0.5, deterministic=True),
    )


def norm(dice: Dice) -> nn.Module:
    """Batch or layer normalization."""
    options = {"use_bias": dice.yes(), "use_scale": dice.yes()}
    if dice.yes():
        return nn.BatchNorm(use_running_average=True, **options)
    # The fast variance of Flax loses digits where the mean is large.
    return nn.LayerNorm(
        epsilon=dice.of(1e-6, 1e-3), use_fast_variance=False, **options
    )


def dense(dice: Dice) -> list[Any]:
    """A few layers that read the last axis."""
    layers: list[Any] = []
    for _ in range(dice.of(1, 2)):
        layers.append(nn.Dense(dice.of(3, 5), use_bias=dice.yes()))
        if dice.yes():
            layers.append(norm(dice))
        layers.append(activation(dice))
    return layers


def vectors(dice: Dice) -> tuple[list[Any], tuple[int, ...]]:
    """Dense layers, some in a network of their own."""
    return [*dense(dice), nn.Sequential(dense(dice))], (4,)


def images(dice: Dice) -> tuple[list[Any], tuple[int, ...]]:
    """Convolutions in two dimensions."""
    layers = [
        nn.Conv(
            dice.of(2, 3),
            dice.of((3, 3), (2, 2), (3, 1), (2, 3)),
            strides=dice.of(1, 2, (1, 2)),
            padding=dice.of("SAME", "SAME", "VALID", 1, ((0, 1), (2, 1))),
            use_bias=dice.yes(),
        ),
        norm(dice),
        activation(dice),
        nn.Conv(2, (3, 3)),
    ]
    return [*layers, *ending(dice, axes=2)], (9, 8, 2)


def signals(dice: Dice) -> tuple[list[Any], tuple[int, ...]]:
    """Convolutions in one dimension."""
    layers = [
        nn.Conv(
            dice.of(2, 3),
            (dice.of(2, 3, 4),),
            strides=dice.of(1, 2),
            padding=dice.of("SAME", "VALID", 2),
            use_bias=dice.yes(),
        ),
        norm(dice),
        activation(dice),
    ]
    return [*layers, *ending(dice, axes=1)], (11, 2)


def ending(dice: Dice, axes: int) -> list[Any]:
    """A pool, a mean or all places, then dense layers."""
    size = (2,) * axes
    pool = dice.of(
        partial(nn.max_pool, window_shape=size, strides=size),
        partial(nn.max_pool, window_shape=size),
        partial(nn.avg_pool, window_shape=size, strides=size),
        jax.nn.identity,
    )
    places = tuple(range(1, axes + 1))
    last = dice.of(flatten, partial(jnp.mean, axis=places))
    return [pool, last, *dense(dice)]


def words(dice: Dice) -> tuple[list[Any], tuple[int, ...]]:
    """An embedding of token ids, and what follows."""
    return [nn.Embed(7, 4), *dense(dice), norm(dice)], (5,)


KINDS: tuple[Callable[[Dice], tuple[list[Any], tuple[int, ...]]], ...] = (
    vectors,
    images,
    signals,
    words,
)


def draw(number: int) -> Drawn:
    """The network of this number; the same number gives the same one."""
    dice = Dice(number)
    kind = KINDS[number % len(KINDS)]
    layers, shape = kind(dice)
    network = nn.Sequential(layers)
    inputs = dice.rng.normal(size=(3, *shape)).astype("float32")
    if kind is words:
        inputs = dice.rng.integers(7, size=(3, *shape)).astype("int32")
    shapes = jax.eval_shape(network.init, jax.random.key(0), inputs)
    return Drawn(network, filled(shapes, dice), inputs)


def filled(shapes: Any, dice: Dice) -> Any:
    """Random arrays of these shapes; variances are positive."""

    def array(path: Any, like: Any) -> Any:
        values = dice.rng.normal(scale=0.5, size=like.shape)
        if path[-1].key == "var":
            values = np.abs(values) + 0.5
        return jnp.asarray(values, dtype=like.dtype)

    return jax.tree_util.tree_map_with_path(array, shapes)
