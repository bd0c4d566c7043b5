"""Flax to Mithril: a `flax.linen.Sequential` with its variables.

Flax has two interfaces. This reads the older one, Linen, in which the arrays
are a tree beside the network. The outputs are those of evaluation. A layer, or
an option of one, that would give other numbers is refused.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import formulas
import jax
import jax.numpy as jnp
import mithril as ml
import numpy as np
from converted import (
    Chain,
    Converted,
    Place,
    refuse,
    refuse_layer,
    refuse_options,
)
from flax import linen as nn
from mithril.models import (
    Add,
    BaseModel,
    Buffer,
    Convolution1D,
    Convolution2D,
    Embedding,
    Exponential,
    Flatten,
    Gelu,
    LeakyRelu,
    Linear,
    Log,
    Max,
    MaxPool1D,
    MaxPool2D,
    Mean,
    Model,
    Multiply,
    Relu,
    Sigmoid,
    Softmax,
    Softplus,
    Sum,
    Tanh,
    Transpose,
)

#: A layer of Linen: a module, a function, or a function with options.
FlaxLayer = nn.Module | Callable[..., Any]


def flatten(inputs: Any) -> Any:
    """All axes but that of the batch become one, the last one fastest.

    Linen has no such layer. Use this function in a network: a lambda can't
    be read by the converter.
    """
    return inputs.reshape((inputs.shape[0], -1))


@dataclass
class Spot(Place):
    """Where in the network a layer stands.

    Attributes
    ----------
    shape
        What it reads, with a batch axis.
    params, stats
        The layer's own arrays, and its running statistics.
    """

    shape: tuple[int, ...]
    params: Mapping[str, Any]
    stats: Mapping[str, Any]

    def refuse(self, layer: FlaxLayer, words: str) -> NoReturn:
        """Say by name why the layer isn't converted."""
        refuse(self.place, name_of(layer), words)


def convert(
    module: nn.Module, variables: Mapping[str, Any], shape: Sequence[int]
) -> Converted:
    """A Mithril model with the weights and the outputs of a network.

    Parameters
    ----------
    module
        A `flax.linen.Sequential`, which may hold others, or one layer.
    variables
        What `module.init` returned, or training made of it: `params`, and
        `batch_stats` where there is a `BatchNorm`.
    shape
        The shape of one input, without the batch axis.

    Raises
    ------
    NotConverted
        The message names the layer, and the option if it is one.
    ValueError
        The variables or an input of this shape don't fit the network.
    """
    kind = jnp.int32 if reads_ids(module) else jnp.float32
    sample = jax.ShapeDtypeStruct((2, *shape), kind)
    chain, used = Chain(), 0
    params, stats = (
        variables.get(name, {}) for name in ("params", "batch_stats")
    )
    for place, layer in _layers(module, ""):
        spot = Spot(
            chain,
            place or "0",
            sample.shape,
            _of(params, place),
            _of(stats, place),
        )
        sample = _result(spot, layer, sample)
        if isinstance(layer, nn.Module):
            LAYERS[type(layer)](spot, layer)
            used += len(jax.tree.leaves(spot.params))
        else:
            _add_function(spot, layer)
    if left := len(jax.tree.leaves(params)) - used:
        raise ValueError(f"{left} arrays belong to no layer of the network")
    return chain.finish()


def outputs(
    module: nn.Module, variables: Mapping[str, Any], inputs: np.ndarray
) -> np.ndarray:
    """What a network of Flax computes."""
    return np.asarray(module.apply(variables, jnp.asarray(inputs)))


def reads_ids(module: nn.Module) -> bool:
    """Whether the first layer is a table that whole numbers index."""
    layers = list(_layers(module, ""))
    return bool(layers) and type(layers[0][1]) is nn.Embed


def name_of(layer: FlaxLayer) -> str:
    """What to call a layer or a function in a message."""
    if isinstance(layer, nn.Module):
        return type(layer).__name__
    function = getattr(layer, "func", layer)
    return getattr(function, "__name__", type(function).__name__)


def _layers(
    module: FlaxLayer, place: str, owners: dict[int, str] | None = None
) -> Iterator[tuple[str, FlaxLayer]]:
    """The layers in their order, those of nested networks too."""
    owners = {} if owners is None else owners
    if type(module) is nn.Sequential:
        for number, child in enumerate(module.layers):
            inner = f"{place}.{number}" if place else str(number)
            yield from _layers(child, inner, owners)
        return
    function = getattr(module, "func", module)
    known = LAYERS if isinstance(module, nn.Module) else FUNCTIONS
    kind = type(module) if isinstance(module, nn.Module) else function
    if kind not in known:
        names = [layer.__name__ for layer in (*LAYERS, *FUNCTIONS)]
        refuse_layer(place or "0", name_of(module), names)
    if isinstance(module, nn.Module):
        owner = owners.setdefault(id(module), place)
        if owner != place:
            words = f"shares weights with layer {owner}"
            name = name_of(module)
            refuse(place, name, f"{words}, which is not converted")
    yield place, module


def _of(tree: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """The part of a tree of variables that belongs to a place."""
    for number in place.split(".") if place else ():
        tree = tree.get(f"layers_{number}", {})
    return tree


def _result(spot: Spot, layer: FlaxLayer, sample: Any) -> Any:
    """What a layer returns, for the shape of the next one's input."""

    def apply(inputs: Any) -> Any:
        if not isinstance(layer, nn.Module):
            return layer(inputs)
        own = {"params": spot.params, "batch_stats": spot.stats}
        return layer.apply(own, inputs)

    if isinstance(layer, nn.BatchNorm) and not layer.use_running_average:
        spot.refuse(layer, "is converted with use_running_average=True only")
    if isinstance(layer, nn.Dropout) and not layer.deterministic:
        spot.refuse(layer, "is converted with deterministic=True only")
    try:
        return jax.eval_shape(apply, sample)
    except Exception as error:  # As many kinds as there are layers.
        raise ValueError(
            f"layer {spot.place}, {name_of(layer)}: an input of shape"
            f" {spot.shape[1:]} or its variables do not fit: {error}"
        ) from error


#: Fields of modules that say how arrays are drawn and what a module is called.
_FREE = {"parent", "name", "features", "num_embeddings", "rate"}


def _only_defaults(spot: Spot, layer: nn.Module, *converted: str) -> None:
    """Refuse any option that isn't converted and isn't at its default."""
    known, given = {}, {}
    for field in dataclasses.fields(layer):
        if field.name in _FREE | set(converted) or "_init" in field.name:
            continue
        value = getattr(layer, field.name)
        if field.name in ("dtype", "param_dtype") and value is not None:
            value = field.default if value == jnp.float32 else value
        given[field.name], known[field.name] = value, field.default
    refuse_options(spot.place, name_of(layer), given, known)


def _sizes(value: int | Sequence[int] | None, axes: int) -> tuple[int, ...]:
    """One number for each axis."""
    if value is None:
        return (1,) * axes
    return (value,) * axes if isinstance(value, int) else tuple(value)


# --- Layers with weights


def dense(spot: Spot, layer: nn.Dense) -> None:
    """Both keep the weight as (inputs, outputs)."""
    _only_defaults(spot, layer, "use_bias")
    names = {"w": spot.param("kernel", spot.params["kernel"])}
    if layer.use_bias:
        names["b"] = spot.param("bias", spot.params["bias"])
    spot.chain.add(Linear(layer.features, use_bias=layer.use_bias), **names)


def convolution(spot: Spot, layer: nn.Conv) -> None:
    """Channels move to the front and back, and the kernel becomes OIHW.

    Mithril pads both ends equally, and unequal strides are wrong on NumPy.
    Else the step is 1, and a slice picks the outputs.
    """
    _only_defaults(
        spot, layer, "kernel_size", "strides", "padding", "use_bias"
    )
    axes = len(spot.shape) - 2
    size = tuple(layer.kernel_size)
    if len(size) != axes or axes not in (1, 2):
        spot.refuse(layer, f"kernel_size={size} needs one batch axis")
    strides = _sizes(layer.strides, axes)
    padding = _paddings(spot, layer, size, strides)
    even = len(set(strides)) == 1 and all(low == high for low, high in padding)
    wide = tuple(max(pair) for pair in padding)
    options = {"out_channels": layer.features, "use_bias": False}
    step = strides[0] if even else 1
    part: BaseModel
    if axes == 1:
        part = Convolution1D(size[0], stride=step, padding=wide[0], **options)
    else:
        part = Convolution2D(
            size, stride=(step, step), padding=wide, **options
        )
    kernel = np.moveaxis(np.asarray(spot.params["kernel"]), (-1, -2), (0, 1))
    spot.chain.add(Transpose((0, axes + 1, *range(1, axes + 1))))
    spot.chain.add(part, kernel=spot.param("kernel", kernel))
    if not even:
        spot.chain.add(_picked(spot, size, strides, padding))
    spot.chain.add(Transpose((0, *range(2, axes + 2), 1)))
    if layer.use_bias:
        name = spot.param("bias", spot.params["bias"])
        spot.chain.add(Add(), read="left", right=name)


def _paddings(
    spot: Spot, layer: nn.Conv, size: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """How many zeros are before and after each axis."""
    padding = layer.padding
    if isinstance(padding, str):
        if padding not in ("SAME", "VALID"):
            spot.refuse(layer, f"padding={padding!r} is not converted")
        places = spot.shape[1:-1]
        found = jax.lax.padtype_to_pads(places, size, strides, padding)
        return [(int(low), int(high)) for low, high in found]
    if isinstance(padding, int):
        padding = [padding] * len(size)
    return [(p, p) if isinstance(p, int) else tuple(p) for p in padding]


def _picked(
    spot: Spot,
    size: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> Model:
    """Outputs of a convolution with step 1 and the larger padding."""
    slices = [slice(None), slice(None)]
    for axis, (low, high) in enumerate(padding):
        first = max(low, high) - low
        room = spot.shape[axis + 1] + low + high - size[axis]
        last = first + room // strides[axis] * strides[axis]
        slices.append(slice(first, last + 1, strides[axis]))
    model = Model()
    model += Buffer()(
        input=_axes("input", len(slices))[tuple(slices)],
        output=ml.IOKey("output"),
    )
    return model


def _axes(name: str, count: int) -> ml.IOKey:
    """A connection with this number of axes, as slices need to know it."""
    return ml.IOKey(name, shape=[f"size_{axis}" for axis in range(count)])


def embedding(spot: Spot, layer: nn.Embed) -> None:
    """The matrices are equal."""
    _only_defaults(spot, layer)
    name = spot.param("embedding", spot.params["embedding"])
    part = Embedding(layer.num_embeddings, layer.features)
    spot.chain.add(part, embedding_matrix=name)


def layer_norm(spot: Spot, layer: nn.LayerNorm) -> None:
    """Mithril's layer wants three axes; this takes any number.

    With `use_fast_variance`, its default, Flax subtracts two squares, which
    loses digits where the mean is large. This doesn't.
    """
    _only_defaults(
        spot, layer, "epsilon", "use_bias", "use_scale", "use_fast_variance"
    )
    spot.chain.add(formulas.normalization((-1,), layer.epsilon))
    if layer.use_scale:
        name = spot.param("scale", spot.params["scale"])
        spot.chain.add(Multiply(), read="left", right=name)
    if layer.use_bias:
        name = spot.param("bias", spot.params["bias"])
        spot.chain.add(Add(), read="left", right=name)


def batch_norm(spot: Spot, layer: nn.BatchNorm) -> None:
    """Running mean and variance become part of a scale and a shift."""
    _only_defaults(
        spot,
        layer,
        "use_running_average",
        "momentum",
        "epsilon",
        "use_bias",
        "use_scale",
        "use_fast_variance",
    )
    if not {"mean", "var"} <= set(spot.stats):
        spot.refuse(layer, "the variables hold no batch_stats for it")
    mean, var = (np.asarray(spot.stats[k], "float64") for k in ("mean", "var"))
    scale = (var + layer.epsilon) ** -0.5
    if layer.use_scale:
        scale = scale * np.asarray(spot.params["scale"])
    shift = -mean * scale
    if layer.use_bias:
        shift = shift + np.asarray(spot.params["bias"])
    name = spot.param("scale", scale)
    spot.chain.add(Multiply(), read="left", right=name)
    spot.chain.add(Add(), read="left", right=spot.param("shift", shift))


def dropout(spot: Spot, layer: nn.Dropout) -> None:
    """A layer that does nothing in evaluation."""


# --- Functions; their options are those of a `functools.partial`


def _add_function(spot: Spot, layer: Callable[..., Any]) -> None:
    """Add what a function computes, with the options of its partial."""
    function, options = layer, {}
    if isinstance(layer, functools.partial):
        function, options = layer.func, layer.keywords
        if layer.args:
            spot.refuse(layer, "options of a partial must have names")
    try:
        FUNCTIONS[function](spot, layer, **options)
    except TypeError as error:
        spot.refuse(layer, f"an option is not converted: {error}")


def _plain(make: Callable[[], BaseModel]) -> Callable[..., None]:
    def add(spot: Spot, layer: FlaxLayer) -> None:
        spot.chain.add(make())

    return add


def gelu(spot: Spot, layer: FlaxLayer, approximate: bool = True) -> None:
    """JAX approximates unless told otherwise. Mithril has the exact one."""
    spot.chain.add(formulas.gelu_tanh() if approximate else Gelu())


def elu(spot: Spot, layer: FlaxLayer, alpha: float = 1.0) -> None:
    """With any factor below 0."""
    spot.chain.add(formulas.elu(float(alpha)))


def leaky_relu(
    spot: Spot, layer: FlaxLayer, negative_slope: float = 0.01
) -> None:
    """A slope above 1 is wrong on MLX."""
    if negative_slope > 1:
        spot.refuse(layer, f"negative_slope={negative_slope} is above 1")
    spot.chain.add(LeakyRelu(float(negative_slope)))


def softmax(spot: Spot, layer: FlaxLayer, axis: int = -1) -> None:
    spot.chain.add(Softmax(axis=_one_axis(spot, layer, axis)))


def log_softmax(spot: Spot, layer: FlaxLayer, axis: int = -1) -> None:
    """From the largest number down, so that nothing overflows."""
    axis = _one_axis(spot, layer, axis)
    model = Model()
    model += Max(axis=axis, keepdim=True)(input="input", output="top")
    centered = model.input - model.top
    model += Exponential()(input=centered, output="power")
    model += Sum(axis=axis, keepdim=True)(input="power", output="sum")
    model += Log()(input="sum", output="log")
    spot.chain.add(
        formulas.with_output(model, model.input - model.top - model.log)
    )


def _one_axis(spot: Spot, layer: FlaxLayer, axis: Any) -> int:
    if not isinstance(axis, int) or axis % len(spot.shape) == 0:
        spot.refuse(layer, f"axis={axis} is not converted")
    return axis


def mean(
    spot: Spot,
    layer: FlaxLayer,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
) -> None:
    """A mean that leaves the batch axis."""
    chosen = (axis,) if isinstance(axis, int) else axis
    if not chosen or any(one % len(spot.shape) == 0 for one in chosen):
        spot.refuse(layer, f"axis={axis} is not converted: it ends the batch")
    spot.chain.add(Mean(axis=tuple(chosen), keepdim=keepdims))


def flattened(spot: Spot, layer: FlaxLayer) -> None:
    spot.chain.add(Flatten(start_dim=1))


def max_pool(
    spot: Spot,
    layer: FlaxLayer,
    window_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: str = "VALID",
) -> None:
    """Windows that aren't square are wrong on NumPy and MLX."""
    axes = _pool_axes(spot, layer, window_shape, padding)
    steps = _sizes(strides, axes)
    if len(set(window_shape)) > 1 or len(set(steps)) > 1:
        spot.refuse(
            layer,
            f"window_shape={tuple(window_shape)} and strides={steps} must"
            " be equal numbers",
        )
    kind = MaxPool1D if axes == 1 else MaxPool2D
    spot.chain.add(Transpose((0, axes + 1, *range(1, axes + 1))))
    spot.chain.add(kind(window_shape[0], stride=steps[0]))
    spot.chain.add(Transpose((0, *range(2, axes + 2), 1)))


def avg_pool(
    spot: Spot,
    layer: FlaxLayer,
    window_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    padding: str = "VALID",
) -> None:
    """Mithril has none: cut the axes into windows, and take means."""
    axes = _pool_axes(spot, layer, window_shape, padding)
    steps = _sizes(strides, axes)
    if steps != tuple(window_shape):
        spot.refuse(layer, f"strides={steps} must be those of the window")
    counts = [spot.shape[1 + k] // size for k, size in enumerate(steps)]
    pairs = list(zip(counts, steps, strict=True))
    whole = (slice(None), *(slice(0, n * size) for n, size in pairs))
    tiles = (-1, *(number for pair in pairs for number in pair))
    model = Model()
    read = _axes("input", len(whole) + 1)
    model += Buffer()(input=read[whole], output="whole")
    model += Mean(axis=tuple(range(2, 2 * axes + 1, 2)))(
        input=model.whole.reshape((*tiles, spot.shape[-1])),
        output=ml.IOKey("output"),
    )
    spot.chain.add(model)


def _pool_axes(
    spot: Spot, layer: FlaxLayer, window: Sequence[int], padding: Any
) -> int:
    """How many axes a window has."""
    if padding != "VALID":
        spot.refuse(layer, f"padding={padding!r} is not converted")
    axes = len(window)
    if axes not in (1, 2) or len(spot.shape) != axes + 2:
        spot.refuse(layer, f"window_shape={tuple(window)} needs a batch axis")
    return axes


def nothing(spot: Spot, layer: FlaxLayer) -> None:
    """The identity."""


#: Modules that are known. A subclass isn't its base.
LAYERS: dict[type[nn.Module], Callable[..., None]] = {
    nn.BatchNorm: batch_norm,
    nn.Conv: convolution,
    nn.Dense: dense,
    nn.Dropout: dropout,
    nn.Embed: embedding,
    nn.LayerNorm: layer_norm,
}
#: Functions that are known. Those of `flax.linen` are the ones of `jax.nn`.
FUNCTIONS: dict[Callable[..., Any], Callable[..., None]] = {
    flatten: flattened,
    jax.nn.elu: elu,
    jax.nn.gelu: gelu,
    jax.nn.identity: nothing,
    jax.nn.leaky_relu: leaky_relu,
    jax.nn.log_softmax: log_softmax,
    jax.nn.relu: _plain(Relu),
    jax.nn.sigmoid: _plain(Sigmoid),
    jax.nn.silu: _plain(formulas.silu),
    jax.nn.softmax: softmax,
    jax.nn.softplus: _plain(Softplus),
    jnp.mean: mean,
    jnp.tanh: _plain(Tanh),
    nn.avg_pool: avg_pool,
    nn.max_pool: max_pool,
}
