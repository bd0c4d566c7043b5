"""Keras to Mithril: a `Sequential`, or a functional chain, with its weights.

The outputs are those of the network with `training=False`. Arrays keep the
layout of Keras between layers: images are (batch, height, width, channels).
A layer, or an option of one, that is not known is refused by name.

Where PyTorch is installed, `import torch._dynamo` before TensorFlow. Otherwise
the process ends at the first gradient, as both bring LLVM.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import keras
import numpy as np
from converted import (
    Chain,
    Converted,
    NotConverted,
    Place,
    refuse,
    refuse_layer,
)
from formulas import Value, convolve, formula, put
from mithril.models import (
    Absolute,
    BaseModel,
    Buffer,
    Concat,
    ElementWiseAffine,
    Embedding,
    Exponential,
    Flatten,
    Gelu,
    LeakyRelu,
    Linear,
    Max,
    Mean,
    Model,
    Relu,
    Reshape,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
    Transpose,
    Variance,
    Where,
)

#: Options that change training, but not what the trained network returns.
TRAINING = {"name", "trainable", "dtype", "seed", "unroll", "noise_shape"}
TRAINING |= {"dropout", "recurrent_dropout", "unit_forget_bias"}
TRAINING_ENDINGS = ("_initializer", "_regularizer", "_constraint")
#: No float32 is smaller: what Keras pads with before it takes a maximum.
LOWEST = float(np.finfo("float32").min)


@dataclass
class Spot(Place):
    """Where in the network a layer stands.

    Attributes
    ----------
    layer, options
        The layer, and what its `get_config` returns.
    shape
        What it reads, without the batch axis.
    """

    layer: keras.Layer
    options: dict[str, Any]
    shape: tuple[int, ...]

    def weights(self, *names: str) -> dict[str, str]:
        """Keep those weights of the layer that it has, as they are."""
        own = {weight.name: weight.numpy() for weight in self.layer.weights}
        return {
            name: self.param(name, own[name]) for name in names if name in own
        }

    def formula(
        self, function: Callable[..., Value], **connections: str
    ) -> None:
        """Add a formula of the last output and of these parameters."""
        shapes = {"input": (None, *self.shape)}
        for name, key in connections.items():
            shapes[name] = self.chain.params[key].shape
        self.chain.add(formula(function, shapes), **connections)

    def activate(self) -> None:
        """Add the activation that the layer has as an option."""
        if (part := self.activation()) is not None:
            self.chain.add(part)

    def activation(self, option: str = "activation") -> BaseModel | None:
        """The model of an activation, or none where it does nothing."""
        function = getattr(self.layer, option)
        for name, make in ACTIVATIONS.items():
            if function is getattr(keras.activations, name):
                return make()
        named = getattr(function, "__name__", function)
        words = ", ".join(ACTIVATIONS)
        self.refuse(f"{option}={named} is not converted; known: {words}")

    def refuse(self, words: str) -> NoReturn:
        """Say by name why the layer is not converted."""
        _refuse(self.place, self.layer, words)


def convert(model: keras.Model) -> Converted:
    """A Mithril model with the weights and the outputs of a network.

    Parameters
    ----------
    model
        A `keras.Sequential`, or a functional model that is a chain of layers.
        The sizes of its input are known, but for the batch.

    Raises
    ------
    NotConverted
        The message names the layer, and the option if it is one.
    """
    layers = list(_layers(model, ""))
    if not model.built:
        raise NotConverted("the network is not built: give it a keras.Input")
    _refuse_what_comes_twice(layers)
    shape = model.input_shape
    chain = Chain()
    for place, layer in layers:
        rule = RULES[type(layer)]
        options = _options(place, layer, rule)
        if None in shape[1:]:
            _refuse(place, layer, f"reads {shape}: a size is not known")
        rule.add(Spot(chain, place, layer, options, tuple(shape[1:])))
        shape = layer.compute_output_shape(shape)
    return chain.finish()


def _layers(
    model: keras.Model, place: str
) -> Iterator[tuple[str, keras.Layer]]:
    """The layers in their order, those of nested networks too."""
    layers = list(model.layers)
    if _is_functional(model):
        layers = _chain(model, place)
    elif type(model) is not keras.Sequential:
        known = ("Sequential", "a functional model")
        refuse_layer(place or "all", type(model).__name__, known)
    for number, layer in enumerate(layers):
        inner = f"{place}.{number}" if place else str(number)
        if isinstance(layer, keras.Model):
            yield from _layers(layer, inner)
        elif type(layer) in RULES:
            yield inner, layer
        else:
            names = [kind.__name__ for kind in RULES]
            refuse_layer(inner, type(layer).__name__, names)


def _is_functional(model: keras.Model) -> bool:
    """The class of functional models has no public name."""
    kind = type(model)
    return kind.__name__ == "Functional" and kind.__module__[:6] == "keras."


def _chain(model: keras.Model, place: str) -> list[keras.Layer]:
    """The layers of a functional model, of which each reads the one before."""
    first, *layers = model.layers
    tensor = first.output
    chained = len(model.inputs) == len(model.outputs) == 1
    for layer in layers if chained else ():
        chained = chained and layer.input is tensor
        tensor = layer.output
    if not chained or model.outputs[0] is not tensor:
        _refuse(place or "all", model, "is not a chain of layers")
    return layers


def _refuse_what_comes_twice(layers: list[tuple[str, keras.Layer]]) -> None:
    """Each layer stands once, else training would part its weights."""
    first: dict[int, str] = {}
    for place, layer in layers:
        before = first.setdefault(id(layer), place)
        if before != place and layer.weights:
            _refuse(place, layer, f"shares its weights with layer {before}")


def _options(place: str, layer: keras.Layer, rule: Rule) -> dict[str, Any]:
    """The options of a layer, of which none is unknown.

    Raises
    ------
    NotConverted
        Such as "layer 3, Conv2D: groups=2 is not converted, only groups=1"
    """
    if layer.dtype_policy.name != "float32":
        _refuse(place, layer, f"dtype {layer.dtype_policy.name}")
    try:
        options = layer.get_config()
    except Exception as error:
        _refuse(place, layer, f"its options cannot be read: {error}")
    for name, value in options.items():
        if name in rule.only:
            if value != rule.only[name]:
                only = f"only {name}={rule.only[name]!r}"
                words = f"{name}={value!r} is not converted, {only}"
                _refuse(place, layer, words)
        elif not (
            name in rule.reads
            or name in TRAINING
            or name.endswith(TRAINING_ENDINGS)
        ):
            _refuse(place, layer, f"option {name}={value!r} is not known")
    return options


def _refuse(place: str, layer: object, words: str) -> NoReturn:
    refuse(place, type(layer).__name__, words)


# --- Formulas


def _relu6(model: Model, input: Value) -> Value:
    """The numbers from 0 to 6 as they are, those outside cut off."""
    return put(model, Relu(), input) - put(model, Relu(), input - 6.0)


def _hard_sigmoid(model: Model, input: Value) -> Value:
    return _relu6(model, input + 3.0) / 6.0


def _elu(model: Model, input: Value, alpha: float = 1.0) -> Value:
    """From two `Relu`, so that nothing overflows, not in gradients either."""
    below = put(model, Relu(), -input)
    curve = put(model, Exponential(), -below) - 1.0
    return put(model, Relu(), input) + curve * alpha


def _selu(model: Model, input: Value) -> Value:
    return _elu(model, input, 1.6732632423543772) * 1.0507009873554805


def _silu(model: Model, input: Value) -> Value:
    """Mithril's own `SiLU` has a gradient of nan far below 0."""
    return input * put(model, Sigmoid(), input)


def _mish(model: Model, input: Value) -> Value:
    return input * put(model, Tanh(), put(model, Softplus(), input))


def _softsign(model: Model, input: Value) -> Value:
    return input / (put(model, Absolute(), input) + 1.0)


#: Activations by their name in `keras.activations`.
ACTIVATIONS: dict[str, Callable[[], BaseModel | None]] = {
    "linear": lambda: None,
    "relu": Relu,
    "relu6": lambda: formula(_relu6),
    "leaky_relu": lambda: LeakyRelu(0.2),
    "elu": lambda: formula(_elu),
    "selu": lambda: formula(_selu),
    "gelu": Gelu,
    "silu": lambda: formula(_silu),
    "mish": lambda: formula(_mish),
    "sigmoid": Sigmoid,
    "hard_sigmoid": lambda: formula(_hard_sigmoid),
    "tanh": Tanh,
    "softplus": Softplus,
    "softsign": lambda: formula(_softsign),
    "softmax": lambda: Softmax(axis=-1),
    "exponential": Exponential,
}


# --- Layers with weights


def dense(spot: Spot) -> None:
    """The matrices are equal: a row for each input, a column an output."""
    names = spot.weights("kernel", "bias")
    part = Linear(spot.options["units"], use_bias="bias" in names)
    keys = {"w": names["kernel"]}
    if "bias" in names:
        keys["b"] = names["bias"]
    spot.chain.add(part, **keys)
    spot.activate()


def convolution(spot: Spot) -> None:
    """Channels first for the convolution, channels last around it.

    One dimension is a second one of size 1. The layer `Convolution2D` of
    Mithril is not used, as some of its options are wrong on some backends.
    """
    own = {weight.name: weight.numpy() for weight in spot.layer.weights}
    kernel = own["kernel"]
    if kernel.ndim == 3:
        kernel = kernel[None]  # a height of 1
    shape = (1,) * (3 - len(spot.shape)) + spot.shape
    strides = (1,) * (3 - len(spot.shape)) + spot.options["strides"]
    padding = spot.options["padding"]
    pads = tuple(
        _padding(padding, *sizes)
        for sizes in zip(shape, kernel.shape[:2], strides, strict=False)
    )
    names = {"kernel": spot.param("kernel", kernel.transpose(3, 2, 0, 1))}
    names |= spot.weights("bias")
    after = spot.layer.compute_output_shape((1, *spot.shape))[1:]

    def compute(
        model: Model, input: Value, kernel: Value, bias: Value = None
    ) -> Value:
        image = put(model, Reshape((-1, *shape)), input)
        image = put(model, Transpose((0, 3, 1, 2)), image)
        made = convolve(model, image, kernel, pads, strides, sizes)
        made = put(model, Transpose((0, 2, 3, 1)), made)
        made = put(model, Reshape((-1, *after)), made)
        return made if bias is None else made + bias

    sizes = kernel.shape[:2]
    spot.formula(compute, **names)
    spot.activate()


def _padding(
    kind: str, size: int, window: int, stride: int
) -> tuple[int, int]:
    """How many to add before and after an axis, as TensorFlow does."""
    if kind == "valid" or (window == 1 and stride == 1):
        return 0, 0
    if kind == "causal":
        return window - 1, 0
    total = max((math.ceil(size / stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def embedding(spot: Spot) -> None:
    """The matrices are equal. The input holds integers."""
    matrix = spot.weights("embeddings")["embeddings"]
    rows, width = spot.options["input_dim"], spot.options["output_dim"]
    spot.chain.add(Embedding(rows, width), embedding_matrix=matrix)


def batch_norm(spot: Spot) -> None:
    """The moving mean and variance become part of a scale and a shift."""
    axis = spot.options["axis"]
    axis = axis[0] if isinstance(axis, (list, tuple)) else axis
    own = {
        weight.name: weight.numpy().astype("float64")
        for weight in spot.layer.weights
    }
    scale = (own["moving_variance"] + spot.options["epsilon"]) ** -0.5
    scale = scale * own.get("gamma", 1.0)
    shift = own.get("beta", 0.0) - own["moving_mean"] * scale
    count = len(spot.shape) + 1
    sizes = (-1, *(1,) * (count - 1 - axis % count))
    spot.chain.add(
        ElementWiseAffine(),
        w=spot.param("scale", scale.reshape(sizes)),
        b=spot.param("shift", shift.reshape(sizes)),
    )


def layer_norm(spot: Spot) -> None:
    """For any number of axes, while Mithril's `LayerNorm` wants three."""
    axis = spot.options["axis"]
    axes = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    count = len(spot.shape) + 1
    if sorted(each % count for each in axes) != list(
        range(count - len(axes), count)
    ):
        spot.refuse(f"axis={axis} is not converted, only the last ones")
    epsilon = float(spot.options["epsilon"])

    def compute(
        model: Model, input: Value, gamma: Value = None, beta: Value = None
    ) -> Value:
        over = {"axis": axes, "keepdim": True}
        mean = put(model, Mean(**over), input)
        variance = put(model, Variance(**over), input)
        made = (input - mean) / (variance + epsilon).sqrt()
        made = made if gamma is None else made * gamma
        return made if beta is None else made + beta

    spot.formula(compute, **spot.weights("gamma", "beta"))


def prelu(spot: Spot) -> None:
    """A slope for each number of the input."""

    def compute(model: Model, input: Value, alpha: Value) -> Value:
        below = put(model, Relu(), -input)
        return put(model, Relu(), input) - alpha * below

    spot.formula(compute, **spot.weights("alpha"))


def recurrent(step: Callable[..., Value]) -> Callable[[Spot], None]:
    """A layer that does the same with every step, which is written out."""

    def add(spot: Spot) -> None:
        count, units = spot.shape[0], spot.options["units"]
        every = spot.options["return_sequences"]

        def compute(
            model: Model,
            input: Value,
            kernel: Value,
            recurrent_kernel: Value,
            bias: Value = None,
        ) -> Value:
            hidden, states = None, []
            read = put(model, Buffer(), input @ kernel)
            for number in range(count):
                now = read[:, number]
                now = put(model, Buffer(), now if bias is None else now + bias)
                if hidden is None:
                    zero = put(model, Buffer(), now[:, :units] * 0.0)
                    hidden = cell = zero
                now = now + hidden @ recurrent_kernel
                now = put(model, Buffer(), now)
                hidden, cell = step(spot, model, now, cell)
                states.append(hidden)
            if not every:
                return hidden
            rows = [put(model, Reshape((-1, 1, units)), h) for h in states]
            if count == 1:
                return rows[0]
            return put(model, Concat(n=count, axis=1), *rows)

        keys = ("kernel", "recurrent_kernel", "bias")
        spot.formula(compute, **spot.weights(*keys))

    return add


def lstm_step(
    spot: Spot, model: Model, now: Value, cell: Value
) -> tuple[Value, Value]:
    """The gates lie side by side, in the order i, f, c, o."""
    units = spot.options["units"]

    def gate(number: int, option: str) -> Value:
        part = now[:, number * units : (number + 1) * units]
        return _activated(spot, model, part, option)

    enter, forget = (gate(k, "recurrent_activation") for k in (0, 1))
    new, leave = gate(2, "activation"), gate(3, "recurrent_activation")
    cell = put(model, Buffer(), forget * cell + enter * new)
    hidden = leave * _activated(spot, model, cell, "activation")
    return put(model, Buffer(), hidden), cell


def rnn_step(
    spot: Spot, model: Model, now: Value, cell: Value
) -> tuple[Value, Value]:
    """The hidden state is the only one."""
    hidden = _activated(spot, model, now, "activation")
    return put(model, Buffer(), hidden), cell


def _activated(spot: Spot, model: Model, value: Value, option: str) -> Value:
    part = spot.activation(option)
    if part is None:
        return value
    return put(model, part, value)


# --- Layers without weights


def pool(largest: bool) -> Callable[[Spot], None]:
    """Windows as slices, one axis after the other.

    `MaxPool2D` of Mithril takes square windows only on some backends, pads
    with 0 there, and has a gradient on NumPy that counts ties several times.
    """

    def add(spot: Spot) -> None:
        windows, strides = spot.options["pool_size"], spot.options["strides"]
        kind = spot.options["padding"]
        after = spot.layer.compute_output_shape((1, *spot.shape))[1:]
        pads = [
            _padding(kind, *sizes)
            for sizes in zip(spot.shape, windows, strides, strict=False)
        ]
        if not largest and any(map(any, pads)):
            spot.refuse("padding='same' is converted only where none is added")

        def compute(model: Model, input: Value) -> Value:
            made = input
            for axis in reversed(range(len(windows))):
                padded = _with_lowest(model, made, axis + 1, pads[axis])
                last = (after[axis] - 1) * strides[axis] + 1
                every = (slice(None),) * (axis + 1)
                parts = [
                    padded[(*every, slice(k, k + last, strides[axis]))]
                    for k in range(windows[axis])
                ]
                made = _combine(model, parts, largest)
            return made

        spot.formula(compute)

    return add


def _combine(model: Model, parts: list[Value], largest: bool) -> Value:
    """The largest of arrays, or their mean, element by element.

    Of equal ones the first is taken, so that it alone gets the gradient.
    """
    best, *others = [put(model, Buffer(), part) for part in parts]
    for part in others:
        if largest:
            larger = put(model, Buffer(), part > best)
            best = put(model, Where(), cond=larger, input1=part, input2=best)
        else:
            best = best + part
    return best if largest else put(model, Buffer(), best / float(len(parts)))


def _with_lowest(
    model: Model, input: Value, axis: int, ends: tuple[int, int]
) -> Value:
    """The array with numbers at both ends that are never the largest."""
    if not any(ends):
        return input
    edge = input[(slice(None),) * axis + (slice(0, 1),)]
    edge = put(model, Buffer(), edge * 0.0 + LOWEST)
    parts = [edge] * ends[0] + [input] + [edge] * ends[1]
    return put(model, Concat(n=len(parts), axis=axis), *parts)


def global_pool(kind: type[Max] | type[Mean]) -> Callable[[Spot], None]:
    """One number for each channel."""

    def add(spot: Spot) -> None:
        axes = tuple(range(1, len(spot.shape)))
        keep = spot.options["keepdims"]
        spot.chain.add(kind(axis=axes, keepdim=keep))

    return add


def flatten(spot: Spot) -> None:
    """The channels last, as Keras has them."""
    if len(spot.shape) > 1:
        spot.chain.add(Flatten(start_dim=1))


def reshape(spot: Spot) -> None:
    """The batch axis stays."""
    after = spot.layer.compute_output_shape((1, *spot.shape))[1:]
    spot.chain.add(Reshape((-1, *after)))


def permute(spot: Spot) -> None:
    """Keras counts axes from 1, as 0 is the batch."""
    spot.chain.add(Transpose((0, *spot.options["dims"])))


def rescaling(spot: Spot) -> None:
    """A factor and a number to add, for all elements."""
    scale, offset = spot.options["scale"], spot.options["offset"]
    if not all(isinstance(each, (int, float)) for each in (scale, offset)):
        spot.refuse("scale and offset are converted only as single numbers")

    def compute(model: Model, input: Value) -> Value:
        return input * float(scale) + float(offset)

    spot.formula(compute)


def activation(spot: Spot) -> None:
    """An activation as a layer of its own."""
    spot.activate()


def relu(spot: Spot) -> None:
    """With a slope below 0, and the largest value."""
    top, slope = spot.options["max_value"], spot.options["negative_slope"]

    def compute(model: Model, input: Value) -> Value:
        made = put(model, Relu(), input)
        if top is not None:
            made = made - put(model, Relu(), input - float(top))
        if slope:
            made = made - put(model, Relu(), -input) * float(slope)
        return made

    spot.formula(compute)


def leaky_relu(spot: Spot) -> None:
    """A slope above 1 is wrong on MLX."""
    slope = float(spot.options["negative_slope"])
    if slope > 1:
        spot.refuse(f"negative_slope={slope} is above 1")
    spot.chain.add(LeakyRelu(slope))


def elu(spot: Spot) -> None:
    """With any factor below 0."""
    alpha = float(spot.options["alpha"])

    def compute(model: Model, input: Value) -> Value:
        return _elu(model, input, alpha)

    spot.formula(compute)


def softmax(spot: Spot) -> None:
    """Along one axis."""
    axis = spot.options["axis"]
    if not isinstance(axis, int):
        spot.refuse(f"axis={axis} is not converted, only a single number")
    spot.chain.add(Softmax(axis=axis))


def nothing(spot: Spot) -> None:
    """A layer that does nothing when it does not train."""


# --- What is known


@dataclass(frozen=True)
class Rule:
    """How a layer is converted.

    Attributes
    ----------
    add
        Adds it to the chain.
    reads
        The options that `add` reads, or that do not matter for predictions.
    only
        Options that are converted with a single value, and this value.
    """

    add: Callable[[Spot], None]
    reads: frozenset[str]
    only: dict[str, Any]


def _rule(add: Callable[[Spot], None], reads: str = "", **only: Any) -> Rule:
    return Rule(add, frozenset(reads.split()), only)


_LAST = {"data_format": "channels_last"}
_PLAIN = {"quantization_config": None}
_POOL = "pool_size strides padding"
_CONV = "filters kernel_size strides padding activation use_bias"
_STEPS = {"return_state": False, "go_backwards": False, "stateful": False}
_STEPS |= {"zero_output_for_mask": False}
_RNN = "units activation use_bias return_sequences"

_L = keras.layers
#: What is known. A subclass is not its base: its outputs may be others.
RULES: dict[type[keras.Layer], Rule] = {
    _L.Activation: _rule(activation, "activation"),
    _L.AlphaDropout: _rule(nothing, "rate"),
    _L.AveragePooling1D: _rule(pool(False), _POOL, **_LAST),
    _L.AveragePooling2D: _rule(pool(False), _POOL, **_LAST),
    _L.BatchNormalization: _rule(
        batch_norm,
        "axis epsilon center scale momentum synchronized renorm_clipping"
        " renorm_momentum",
        renorm=False,
    ),
    _L.Conv1D: _rule(
        convolution, _CONV, dilation_rate=(1,), groups=1, **_LAST
    ),
    _L.Conv2D: _rule(
        convolution, _CONV, dilation_rate=(1, 1), groups=1, **_LAST
    ),
    _L.Dense: _rule(dense, "units activation use_bias", **_PLAIN),
    _L.Dropout: _rule(nothing, "rate"),
    _L.ELU: _rule(elu, "alpha"),
    _L.Embedding: _rule(
        embedding, "input_dim output_dim", mask_zero=False, **_PLAIN
    ),
    _L.Flatten: _rule(flatten, **_LAST),
    _L.GaussianDropout: _rule(nothing, "rate"),
    _L.GaussianNoise: _rule(nothing, "stddev"),
    _L.GlobalAveragePooling1D: _rule(global_pool(Mean), "keepdims", **_LAST),
    _L.GlobalAveragePooling2D: _rule(global_pool(Mean), "keepdims", **_LAST),
    _L.GlobalMaxPooling1D: _rule(global_pool(Max), "keepdims", **_LAST),
    _L.GlobalMaxPooling2D: _rule(global_pool(Max), "keepdims", **_LAST),
    _L.Identity: _rule(nothing),
    _L.LSTM: _rule(
        recurrent(lstm_step), f"{_RNN} recurrent_activation", **_STEPS
    ),
    _L.LayerNormalization: _rule(
        layer_norm, "axis epsilon center scale", rms_scaling=False
    ),
    _L.LeakyReLU: _rule(leaky_relu, "negative_slope"),
    _L.MaxPooling1D: _rule(pool(True), _POOL, **_LAST),
    _L.MaxPooling2D: _rule(pool(True), _POOL, **_LAST),
    _L.PReLU: _rule(prelu, shared_axes=None),
    _L.Permute: _rule(permute, "dims"),
    _L.ReLU: _rule(relu, "max_value negative_slope", threshold=0.0),
    _L.Rescaling: _rule(rescaling, "scale offset"),
    _L.Reshape: _rule(reshape, "target_shape"),
    _L.SimpleRNN: _rule(recurrent(rnn_step), _RNN, **_STEPS),
    _L.Softmax: _rule(softmax, "axis"),
    _L.SpatialDropout1D: _rule(nothing, "rate"),
    _L.SpatialDropout2D: _rule(nothing, "rate", **_LAST),
}
