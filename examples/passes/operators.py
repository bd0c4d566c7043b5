"""Operators that do the work of several, for each backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mithril as ml
import numpy as np
from mithril.models import CustomPrimitiveModel, PrimitiveModel, TensorType


def primitive(formula: str, *inputs: str) -> PrimitiveModel:
    """A primitive that calls an operator with these inputs."""
    anything = {name: TensorType([(name, ...)]) for name in inputs}
    output = TensorType([("out", ...)], float)
    return CustomPrimitiveModel(formula, **anything, output=output)


def register(backend: ml.Backend) -> set[str]:
    """Give the operators to the class of a backend; returns their names."""
    functions = OPERATORS[backend.type]()
    for function, *gradient in functions:
        backend.register_primitive(function, *gradient)
    return {function.__name__ for function, *_ in functions}


def numpy_operators() -> list[tuple[Callable, ...]]:
    """One product for all rows, and no array for each of the steps."""

    def merged_linear(input: Any, weight: Any, bias: Any) -> Any:
        rows = input.reshape(-1, weight.shape[0]) @ weight
        if rows.dtype == np.result_type(rows, bias):
            rows += bias
        else:
            rows = rows + bias
        return rows.reshape(*input.shape[:-1], weight.shape[1])

    def merged_linear_grad(
        output_gradient: Any,
        cache: Any,
        idx: int,
        input: Any,
        weight: Any,
        bias: Any,
    ) -> Any:
        rows = output_gradient.reshape(-1, weight.shape[1])
        if idx == 0:
            return (rows @ weight.T).reshape(input.shape)
        if idx == 1:
            return input.reshape(-1, weight.shape[0]).T @ rows
        return rows.sum(axis=0)

    def merged_linear_relu(input: Any, weight: Any, bias: Any) -> Any:
        output = merged_linear(input, weight, bias)
        return np.maximum(output, 0, out=output)

    def merged_linear_relu_grad(
        output_gradient: Any,
        cache: Any,
        idx: int,
        input: Any,
        weight: Any,
        bias: Any,
    ) -> Any:
        passed = output_gradient * (cache["output"] > 0)
        return merged_linear_grad(passed, cache, idx, input, weight, bias)

    return [
        (merged_linear, merged_linear_grad),
        (merged_linear_relu, merged_linear_relu_grad),
    ]


def torch_operators() -> list[tuple[Callable, ...]]:
    """Functions of `torch.nn.functional`."""
    from torch.nn import functional as fn

    def merged_linear(input: Any, weight: Any, bias: Any) -> Any:
        return fn.linear(input, weight.T, bias)

    def merged_linear_relu(input: Any, weight: Any, bias: Any) -> Any:
        return fn.relu(fn.linear(input, weight.T, bias))

    def fused_attention(query: Any, key: Any, value: Any, scale: Any) -> Any:
        return fn.scaled_dot_product_attention(query, key, value, scale=scale)

    return [(merged_linear,), (merged_linear_relu,), (fused_attention,)]


def jax_operators() -> list[tuple[Callable, ...]]:
    """JAX's compiler merges the steps of each function."""
    import jax

    @jax.jit
    def linear(input: Any, weight: Any, bias: Any) -> Any:
        return input @ weight + bias

    @jax.jit
    def linear_relu(input: Any, weight: Any, bias: Any) -> Any:
        return jax.nn.relu(input @ weight + bias)

    @jax.jit
    def attention(query: Any, key: Any, value: Any, scale: Any) -> Any:
        # JAX wants the position before the head.
        parts = (one.swapaxes(1, 2) for one in (query, key, value))
        mixed = jax.nn.dot_product_attention(*parts, scale=scale)
        return mixed.swapaxes(1, 2)

    # Mithril reads the arguments of a Python function.
    def merged_linear(input: Any, weight: Any, bias: Any) -> Any:
        return linear(input, weight, bias)

    def merged_linear_relu(input: Any, weight: Any, bias: Any) -> Any:
        return linear_relu(input, weight, bias)

    def fused_attention(query: Any, key: Any, value: Any, scale: Any) -> Any:
        return attention(query, key, value, scale)

    return [(merged_linear,), (merged_linear_relu,), (fused_attention,)]


def mlx_operators() -> list[tuple[Callable, ...]]:
    """Functions of `mlx.core`."""
    import mlx.core as mx

    def merged_linear(input: Any, weight: Any, bias: Any) -> Any:
        return mx.addmm(bias, input, weight)

    def merged_linear_relu(input: Any, weight: Any, bias: Any) -> Any:
        return mx.maximum(mx.addmm(bias, input, weight), 0)

    def fused_attention(query: Any, key: Any, value: Any, scale: Any) -> Any:
        return mx.fast.scaled_dot_product_attention(
            query, key, value, scale=scale
        )

    return [(merged_linear,), (merged_linear_relu,), (fused_attention,)]


OPERATORS = {
    "numpy": numpy_operators,
    "torch": torch_operators,
    "jax": jax_operators,
    "mlx": mlx_operators,
}
