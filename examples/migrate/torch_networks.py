"""Networks of PyTorch drawn at random, to prove the converter on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from dice import Dice
from torch import nn


@dataclass
class Drawn:
    """A network, the shape of an input without batch axis, and inputs."""

    network: nn.Sequential
    shape: tuple[int, ...]
    inputs: np.ndarray


def activation(dice: Dice) -> nn.Module:
    """One of all activations, with options."""
    return dice.of(
        nn.ReLU(),
        nn.GELU(),
        nn.GELU(approximate="tanh"),
        nn.Sigmoid(),
        nn.Tanh(),
        nn.SiLU(),
        nn.LeakyReLU(dice.of(0.01, 0.3)),
        nn.ELU(dice.of(1.0, 0.5)),
        nn.Softplus(),
        nn.Softmax(dim=-1),
        nn.Identity(),
        nn.Dropout(0.5),
    )


def dense(dice: Dice, size: int) -> tuple[list[nn.Module], int]:
    """A few layers for vectors, and the size of the last."""
    layers: list[nn.Module] = []
    for _ in range(dice.size(1, 3)):
        wide = dice.size(2, 7)
        layers.append(nn.Linear(size, wide, bias=dice.of(True, False)))
        if dice.of(True, False):
            layers.append(nn.LayerNorm(wide, eps=dice.of(1e-5, 1e-3)))
        layers.append(activation(dice))
        size = wide
    return layers, size


def vectors(dice: Dice) -> Drawn:
    """Dense layers, with batch normalization."""
    size = dice.size(2, 6)
    layers, wide = dense(dice, size)
    norm = nn.BatchNorm1d(wide, affine=dice.of(True, False))
    more, _ = dense(dice, wide)
    return drawn(dice, [*layers, norm, nn.Sequential(*more)], (size,))


def images(dice: Dice) -> Drawn:
    """Convolutions in two dimensions."""
    channels, side = dice.size(1, 3), dice.size(9, 12)
    layers: list[nn.Module] = []
    deep = channels
    for _ in range(dice.size(1, 2)):
        kernel = dice.of(1, 3, (3, 1), (2, 3))
        padding = dice.of(0, 1, (0, 1), "valid")
        if kernel in (1, 3, (3, 1)) and dice.of(True, False):
            layers.append(nn.Conv2d(deep, deep, kernel, padding="same"))
        wide = dice.size(1, 4)
        layers += [
            nn.Conv2d(
                deep,
                wide,
                kernel,
                stride=dice.of(1, 1, 2),
                padding=padding,
                bias=dice.of(True, False),
            ),
            dice.of(nn.BatchNorm2d(wide), nn.Dropout2d(), nn.Identity()),
            activation(dice),
        ]
        deep = wide
    after_relu = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2, 1, padding=1))
    layers.append(dice.of(nn.MaxPool2d(2), nn.MaxPool2d(2, 1), after_relu))
    return ending(dice, layers, (channels, side, side))


def signals(dice: Dice) -> Drawn:
    """Convolutions in one dimension."""
    channels, length = dice.size(1, 3), dice.size(10, 16)
    wide = dice.size(1, 4)
    layers: list[nn.Module] = [
        nn.Conv1d(
            channels,
            wide,
            dice.size(1, 4),
            stride=dice.size(1, 2),
            padding=dice.size(0, 2),
            bias=dice.of(True, False),
        ),
        dice.of(nn.BatchNorm1d(wide), nn.Dropout1d(), nn.Identity()),
        activation(dice),
        dice.of(nn.MaxPool1d(2), nn.MaxPool1d(3, stride=1)),
    ]
    return ending(dice, layers, (channels, length))


def ending(
    dice: Dice, layers: list[nn.Module], shape: tuple[int, ...]
) -> Drawn:
    """A mean over all places, or all of them, then dense layers."""
    mean = nn.AdaptiveAvgPool1d(1) if len(shape) == 2 else None
    layers.append(dice.of(nn.Identity(), mean or nn.AdaptiveAvgPool2d((1, 1))))
    first = dice.of(1, -len(shape))
    layers.append(nn.Flatten(first, dice.of(-1, len(shape))))
    with torch.no_grad():
        size = nn.Sequential(*layers).eval()(torch.zeros(1, *shape)).shape[1]
    last, _ = dense(dice, size)
    return drawn(dice, [*layers, *last], shape)


def sequences(dice: Dice) -> Drawn:
    """LSTM layers over a sequence of vectors."""
    size, steps = dice.size(1, 4), dice.size(1, 3)
    layers, wide = dense(dice, size)
    last = nn.LSTM(
        wide,
        dice.size(1, 5),
        num_layers=dice.size(1, 2),
        bias=dice.of(True, False),
        batch_first=True,
    )
    return drawn(dice, [*layers, last], (steps, size))


def words(dice: Dice) -> Drawn:
    """An embedding of token ids, and what follows."""
    count, size, steps = dice.size(3, 9), dice.size(2, 5), dice.size(2, 6)
    layers, wide = dense(dice, size)
    norm = nn.LayerNorm((steps, wide), elementwise_affine=dice.of(True, False))
    table = nn.Embedding(count, size)
    result = drawn(dice, [table, *layers, norm], (steps,))
    result.inputs = dice.rng.integers(count, size=(3, steps))
    return result


def drawn(
    dice: Dice, layers: list[nn.Module], shape: tuple[int, ...]
) -> Drawn:
    """The network of these layers, with statistics that aren't 0 and 1."""
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2.0)
            if layer.affine:
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias)
    inputs = dice.rng.normal(size=(3, *shape)).astype("float32")
    return Drawn(nn.Sequential(*layers), shape, inputs)


#: Each kind as often as it has options; an LSTM takes long to build.
KINDS: tuple[Callable[[Dice], Drawn], ...] = (
    *(vectors, images, signals, words, sequences),
    *(vectors, images, signals, words, images),
)


def draw(number: int) -> Drawn:
    """The network of this number; the same number gives the same one."""
    torch.manual_seed(number)
    return KINDS[number % len(KINDS)](Dice(number))
