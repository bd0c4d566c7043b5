"""PyTorch to Mithril: a `torch.nn.Sequential` with its weights.

The outputs are those of the network in evaluation mode. A layer, or an option
of one, that would give other numbers on some backend of Mithril is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import formulas
import mithril as ml
import numpy as np
import torch
from converted import (
    Chain,
    Converted,
    Place,
    refuse,
    refuse_layer,
    refuse_options,
)
from mithril.models import (
    Add,
    BaseModel,
    Concat,
    Convolution1D,
    Convolution2D,
    Embedding,
    Flatten,
    Gelu,
    LayerNorm,
    LeakyRelu,
    Linear,
    LSTMCell,
    MatrixMultiply,
    MaxPool1D,
    MaxPool2D,
    Mean,
    Model,
    Multiply,
    Relu,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from torch import nn


@dataclass
class Spot(Place):
    """Where in the network a layer stands.

    Attributes
    ----------
    shape
        What it reads, with a batch axis.
    not_negative
        Whether all numbers that it reads are 0 or more.
    """

    shape: tuple[int, ...]
    not_negative: bool

    def param(self, name: str, array: torch.Tensor) -> str:
        """Keep a tensor under a name of Mithril, such as `weight_1_0`."""
        return super().param(name, array.detach().numpy())

    def refuse(self, layer: nn.Module, words: str) -> NoReturn:
        """Say by name why the layer isn't converted."""
        refuse(self.place, type(layer).__name__, words)


def convert(module: nn.Module, shape: Sequence[int]) -> Converted:
    """A Mithril model with the weights and the outputs of a network.

    Parameters
    ----------
    module
        A `torch.nn.Sequential`, which may hold others, or one layer.
    shape
        The shape of one input, without the batch axis.

    Raises
    ------
    NotConverted
        The message names the layer, and the option if it is one.
    ValueError
        An input of this shape doesn't fit the network.
    """
    layers = list(_layers(copy.deepcopy(module).cpu().float().eval(), ""))
    _refuse_what_comes_twice(layers)
    kind = torch.long if reads_ids(module) else torch.float32
    sample = torch.zeros((2, *shape), dtype=kind)
    chain, not_negative = Chain(), False
    for number, (place, layer) in enumerate(layers):
        spot = Spot(chain, place, tuple(sample.shape), not_negative)
        sample = _result(spot, layer, sample)
        LAYERS[type(layer)](spot, layer)
        if type(layer) is nn.LSTM and number < len(layers) - 1:
            spot.refuse(layer, "returns a tuple, so it must be the last layer")
        if not isinstance(layer, KEEPING):
            not_negative = isinstance(layer, NOT_NEGATIVE)
    return chain.finish()


def convert_state_dict(
    state: Mapping[str, torch.Tensor],
    module: nn.Module,
    shape: Sequence[int],
) -> Converted:
    """As `convert`, with the weights of a state dict.

    Parameters
    ----------
    state
        What `state_dict()` of a network with these layers returned.
    module
        The layers, with any weights. It isn't changed.
    shape
        The shape of one input, without the batch axis.
    """
    return convert(load_state(module, state), shape)


def load_state(
    module: nn.Module, state: Mapping[str, torch.Tensor]
) -> nn.Module:
    """A copy of a network with the weights of a state dict."""
    filled = copy.deepcopy(module)
    try:
        filled.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(" ".join(str(error).split())) from error
    return filled


def outputs(module: nn.Module, inputs: np.ndarray) -> np.ndarray:
    """What a network of PyTorch computes in evaluation mode."""
    network = copy.deepcopy(module).eval()
    with torch.no_grad():
        found = network(torch.from_numpy(inputs))
    return (found[0] if isinstance(found, tuple) else found).numpy()


def reads_ids(module: nn.Module) -> bool:
    """Whether the first layer is a table that whole numbers index."""
    layers = list(_layers(module, ""))
    return bool(layers) and type(layers[0][1]) is nn.Embedding


def _layers(module: nn.Module, place: str) -> Iterator[tuple[str, nn.Module]]:
    """The layers in their order, those of nested networks too."""
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    if any(hooks):
        refuse(place, type(module).__name__, "hooks are not converted")
    if type(module).forward is nn.Sequential.forward:
        for name, child in module._modules.items():
            yield from _layers(child, f"{place}.{name}" if place else name)
    elif type(module) in LAYERS:
        yield place or "0", module
    else:
        known = [layer.__name__ for layer in LAYERS]
        refuse_layer(place or "0", type(module).__name__, known)


def _refuse_what_comes_twice(layers: list[tuple[str, nn.Module]]) -> None:
    """Each parameter belongs to one layer, else training would part them."""
    owners: dict[int, str] = {}
    for place, layer in layers:
        for parameter in layer.parameters():
            owner = owners.setdefault(id(parameter), place)
            if owner != place:
                words = f"shares weights with layer {owner}"
                name = type(layer).__name__
                refuse(place, name, f"{words}, which is not converted")


def _result(spot: Spot, layer: nn.Module, sample: torch.Tensor) -> Any:
    """What a layer returns, for the shape of the next one's input."""
    misfit = (
        f"layer {spot.place}, {layer}: an input of shape {spot.shape[1:]}"
        " does not fit"
    )
    rank = RANKS.get(type(layer), len(spot.shape))
    if len(spot.shape) != rank or len(spot.shape) < 2:
        raise ValueError(misfit)  # PyTorch may take it for one sample.
    try:
        with torch.no_grad():
            result = layer(sample)
    except (RuntimeError, ValueError, IndexError) as error:
        raise ValueError(f"{misfit}: {error}") from error
    return result[0] if isinstance(result, tuple) else result


def _only(spot: Spot, layer: nn.Module, **known: Any) -> None:
    """Refuse an option that has another value than this one."""
    given = {name: getattr(layer, name) for name in known}
    refuse_options(spot.place, type(layer).__name__, given, known)


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else tuple(value)


# --- Layers with weights


def linear(spot: Spot, layer: nn.Linear) -> None:
    """PyTorch's weight has a row for each output, Mithril's a column."""
    names = {"w": spot.param("weight", layer.weight.T)}
    if layer.bias is not None:
        names["b"] = spot.param("bias", layer.bias)
    part = Linear(layer.out_features, use_bias=layer.bias is not None)
    spot.chain.add(part, **names)


def convolution(spot: Spot, layer: nn.Conv1d | nn.Conv2d) -> None:
    """The kernels are equal. The bias is added by a model of its own.

    Unequal strides are swapped on MLX and wrong on NumPy, and dilation is
    wrong on JAX. Kernels of even size have wrong gradients on NumPy, so
    these become a formula.
    """
    axes = len(layer.kernel_size)
    _only(spot, layer, groups=1, dilation=(1,) * axes, padding_mode="zeros")
    if len(set(layer.stride)) > 1:
        spot.refuse(layer, f"stride={layer.stride} must be equal numbers")
    padding = layer.padding
    even = any(size % 2 == 0 for size in layer.kernel_size)
    if padding == "same" and even:
        spot.refuse(layer, "padding='same' needs a kernel of odd size")
    if isinstance(padding, str):
        same = padding == "same"
        padding = tuple(size // 2 * same for size in layer.kernel_size)
    sizes = {"out_channels": layer.out_channels, "use_bias": False}
    part: BaseModel
    if even:
        part = _even_convolution(spot, layer, padding)
    elif axes == 1:
        part = Convolution1D(
            layer.kernel_size[0],
            stride=layer.stride[0],
            padding=padding[0],
            **sizes,
        )
    else:
        part = Convolution2D(
            layer.kernel_size, stride=layer.stride, padding=padding, **sizes
        )
    spot.chain.add(part, kernel=spot.param("weight", layer.weight))
    if layer.bias is not None:
        bias = layer.bias.reshape(1, -1, *(1,) * axes)
        spot.chain.add(Add(), read="left", right=spot.param("bias", bias))


def _even_convolution(
    spot: Spot, layer: nn.Conv1d | nn.Conv2d, padding: tuple[int, ...]
) -> Model:
    """A convolution whose gradients are right for kernels of even size.

    One dimension is a second one of size 1.
    """
    flat = len(layer.kernel_size) == 1
    sizes, strides = layer.kernel_size, layer.stride
    if flat:
        sizes, strides, padding = (1, *sizes), strides * 2, (0, *padding)

    def compute(
        model: Model, input: formulas.Value, kernel: formulas.Value
    ) -> formulas.Value:
        image = input[:, :, None] if flat else input
        filters = kernel[:, :, None] if flat else kernel
        pads = tuple((size, size) for size in padding)
        made = formulas.convolve(model, image, filters, pads, strides, sizes)
        return made[:, :, 0] if flat else made

    shapes = {"input": (None, *spot.shape[1:])}
    shapes["kernel"] = tuple(layer.weight.shape)
    return formulas.formula(compute, shapes)


def embedding(spot: Spot, layer: nn.Embedding) -> None:
    """The matrices are equal. The row of `padding_idx` is trained here."""
    _only(spot, layer, max_norm=None)
    name = spot.param("weight", layer.weight)
    part = Embedding(layer.num_embeddings, layer.embedding_dim)
    spot.chain.add(part, embedding_matrix=name)


def layer_norm(spot: Spot, layer: nn.LayerNorm) -> None:
    """Mithril's layer wants three axes and normalizes the last."""
    part: BaseModel = LayerNorm(False, False, eps=layer.eps)
    axes = len(layer.normalized_shape)
    if axes > 1 or len(spot.shape) != 3:
        part = formulas.normalization(tuple(range(-axes, 0)), layer.eps)
    spot.chain.add(part)
    if layer.weight is not None:
        name = spot.param("weight", layer.weight)
        spot.chain.add(Multiply(), read="left", right=name)
    if layer.bias is not None:
        name = spot.param("bias", layer.bias)
        spot.chain.add(Add(), read="left", right=name)


def batch_norm(spot: Spot, layer: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    """Running mean and variance become part of a scale and a shift."""
    if layer.running_mean is None or layer.running_var is None:
        spot.refuse(layer, "without running statistics is not converted")
    scale = (layer.running_var.double() + layer.eps) ** -0.5
    if layer.weight is not None:
        scale = scale * layer.weight
    shift = -layer.running_mean * scale
    if layer.bias is not None:
        shift = shift + layer.bias
    shape = (-1, *(1,) * (len(spot.shape) - 2))
    names = {
        "scale": spot.param("scale", scale.reshape(shape)),
        "shift": spot.param("shift", shift.reshape(shape)),
    }
    spot.chain.add(Multiply(), read="left", right=names["scale"])
    spot.chain.add(Add(), read="left", right=names["shift"])


def lstm(spot: Spot, layer: nn.LSTM) -> None:
    """A cell of Mithril for each step and layer, with shared weights."""
    _only(spot, layer, batch_first=True, bidirectional=False, proj_size=0)
    size = layer.input_size
    for number in range(layer.num_layers):
        names = {
            key: spot.param(f"{key}_l{number}", array)
            for key, array in lstm_weights(layer, number).items()
        }
        part = unrolled(spot.shape[1], size, sorted(names))
        spot.chain.add(part, **names)
        size = layer.hidden_size


def lstm_weights(layer: nn.LSTM, number: int = 0) -> dict[str, torch.Tensor]:
    """The weights of a layer for `LSTMCell`.

    PyTorch stacks the gates i, f, g, o in one matrix for the input and one
    for the hidden state, with two biases. Mithril has a matrix for each gate,
    input rows first, and one bias.
    """
    of_input = getattr(layer, f"weight_ih_l{number}").chunk(4)
    of_hidden = getattr(layer, f"weight_hh_l{number}").chunk(4)
    arrays = {}
    for k, gate in enumerate("ifco"):
        both = torch.cat([of_input[k], of_hidden[k]], dim=1)
        arrays[f"w_{gate}"] = both.T
        arrays[f"bias_{gate}"] = torch.zeros(layer.hidden_size)
        if layer.bias:
            arrays[f"bias_{gate}"] = (
                getattr(layer, f"bias_ih_l{number}").chunk(4)[k]
                + getattr(layer, f"bias_hh_l{number}").chunk(4)[k]
            )
    return arrays


def unrolled(steps: int, size: int, names: Sequence[str]) -> Model:
    """All hidden states of an LSTM that starts at zero."""
    model = Model()
    model += Multiply()(left="input", right=1.0, output="read")
    model += MatrixMultiply()(  # zeros for each row of the batch
        left=model.read[:, :1] * 0.0,
        right=ml.IOKey("w_i")[:size],
        output="hidden_0",
    )
    cell = "hidden_0"
    for step in range(steps):
        model += LSTMCell()(
            input=model.read[:, step : step + 1],
            prev_hidden=f"hidden_{step}",
            prev_cell=cell,
            hidden=f"hidden_{step + 1}",
            cell=f"cell_{step + 1}",
            **{name: name for name in names},
        )
        cell = f"cell_{step + 1}"
    parts = {f"input{k}": f"hidden_{k}" for k in range(1, steps + 1)}
    model += Concat(n=steps, axis=1)(**parts, output=ml.IOKey("output"))
    return model


# --- Layers without weights


def pool(spot: Spot, layer: nn.MaxPool1d | nn.MaxPool2d) -> None:
    """Windows that aren't square are wrong on NumPy and MLX.

    These also pad with 0, which only numbers that aren't negative allow.
    """
    _only(spot, layer, ceil_mode=False, return_indices=False)
    for name in ("kernel_size", "stride", "padding", "dilation"):
        value = getattr(layer, name)
        if len(set(_pair(value))) > 1:
            spot.refuse(layer, f"{name}={value} must be equal numbers")
    window, stride, padding, dilation = (
        _pair(getattr(layer, name))[0]
        for name in ("kernel_size", "stride", "padding", "dilation")
    )
    if dilation != 1:
        spot.refuse(layer, f"dilation={dilation} is not converted, only 1")
    if padding and not spot.not_negative:
        spot.refuse(
            layer,
            f"padding={padding} is converted only after a layer without"
            " negative outputs, such as ReLU",
        )
    kind = MaxPool1D if type(layer) is nn.MaxPool1d else MaxPool2D
    spot.chain.add(kind(window, stride=stride, padding=padding))


def global_mean(
    spot: Spot, layer: nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d
) -> None:
    """One number for each channel: the mean of all its places."""
    size = layer.output_size
    if set(_pair(size)) != {1}:
        spot.refuse(layer, f"output_size={size} is not converted, only 1")
    axes = 1 if type(layer) is nn.AdaptiveAvgPool1d else 2
    spot.chain.add(Mean(axis=tuple(range(-axes, 0)), keepdim=True))


def flatten(spot: Spot, layer: nn.Flatten) -> None:
    """The batch axis stays."""
    count = len(spot.shape)
    start, end = layer.start_dim % count, layer.end_dim % count
    if start == 0:
        spot.refuse(layer, "start_dim=0 is not converted: it ends the batch")
    if start < end:
        spot.chain.add(Flatten(start_dim=start, end_dim=end))


def gelu(spot: Spot, layer: nn.GELU) -> None:
    """Mithril has the exact one only."""
    exact = layer.approximate == "none"
    spot.chain.add(Gelu() if exact else formulas.gelu_tanh())


def elu(spot: Spot, layer: nn.ELU) -> None:
    """With any factor below 0."""
    spot.chain.add(formulas.elu(float(layer.alpha)))


def leaky_relu(spot: Spot, layer: nn.LeakyReLU) -> None:
    """A slope above 1 is wrong on MLX."""
    slope = float(layer.negative_slope)
    if slope > 1:
        spot.refuse(layer, f"negative_slope={slope} is above 1")
    spot.chain.add(LeakyRelu(slope))


def softplus(spot: Spot, layer: nn.Softplus) -> None:
    """From 20 on PyTorch returns its input, which is within 1e-8."""
    _only(spot, layer, beta=1.0, threshold=20.0)
    spot.chain.add(Softplus())


def softmax(spot: Spot, layer: nn.Softmax) -> None:
    """Without an axis PyTorch guesses one."""
    if layer.dim is None:
        spot.refuse(layer, "dim=None is not converted: give an axis")
    spot.chain.add(Softmax(axis=layer.dim))


def nothing(spot: Spot, layer: nn.Module) -> None:
    """A layer that does nothing in evaluation mode."""


def _without_options(make: Callable[[], BaseModel]) -> Callable[..., None]:
    def add(spot: Spot, layer: nn.Module) -> None:
        spot.chain.add(make())

    return add


#: What is known. A subclass isn't its base: its outputs may be others.
LAYERS: dict[type[nn.Module], Callable[..., None]] = {
    nn.AdaptiveAvgPool1d: global_mean,
    nn.AdaptiveAvgPool2d: global_mean,
    nn.BatchNorm1d: batch_norm,
    nn.BatchNorm2d: batch_norm,
    nn.Conv1d: convolution,
    nn.Conv2d: convolution,
    nn.Dropout: nothing,
    nn.Dropout1d: nothing,
    nn.Dropout2d: nothing,
    nn.ELU: elu,
    nn.Embedding: embedding,
    nn.Flatten: flatten,
    nn.GELU: gelu,
    nn.Identity: nothing,
    nn.LSTM: lstm,
    nn.LayerNorm: layer_norm,
    nn.LeakyReLU: leaky_relu,
    nn.Linear: linear,
    nn.MaxPool1d: pool,
    nn.MaxPool2d: pool,
    nn.ReLU: _without_options(Relu),
    nn.SiLU: _without_options(formulas.silu),
    nn.Sigmoid: _without_options(Sigmoid),
    nn.Softmax: softmax,
    nn.Softplus: softplus,
    nn.Tanh: _without_options(Tanh),
}
#: How many axes an input has, with the batch axis.
RANKS: dict[type[nn.Module], int] = {
    nn.AdaptiveAvgPool1d: 3,
    nn.AdaptiveAvgPool2d: 4,
    nn.Conv1d: 3,
    nn.Conv2d: 4,
    nn.LSTM: 3,
    nn.MaxPool1d: 3,
    nn.MaxPool2d: 4,
}
#: Layers whose output is never negative, and layers that keep it so.
NOT_NEGATIVE = (nn.ReLU, nn.Sigmoid, nn.Softmax, nn.Softplus)
KEEPING = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Flatten,
    nn.Identity,
    nn.MaxPool1d,
    nn.MaxPool2d,
)
