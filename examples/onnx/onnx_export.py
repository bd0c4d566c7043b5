"""From a compiled model to an ONNX model, and back to numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mithril as ml
import numpy as np
import onnx
import onnxruntime
from mithril.core import data_types
from onnx_graph import Graph, Tensor
from onnx_operators import translate


def to_numpy(value: Any) -> Any:
    """An array of any backend as one of NumPy; other values as they are."""
    if not isinstance(value, tuple(data_types)):
        return value
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value)


def to_onnx(
    compiled: ml.PhysicalModel,
    params: Mapping[str, Any],
    data: Mapping[str, Any],
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
) -> onnx.ModelProto:
    """Translate a compiled model.

    Parameters
    ----------
    compiled
        What `ml.compile` returned, for any backend.
    params
        Weights, as for `evaluate`. The ONNX model contains them.
    data
        Example data, as for `evaluate`. Arrays become inputs of the ONNX
        model, with their types and sizes. Other values become constants.
    dynamic
        For each input: the axes of any size, with a name for the size. Axes
        with one name must have one size.

    Raises
    ------
    ExportError
        If an operator cannot be translated.
    ValueError
        If an input has no value, or if a dynamic axis has a size that was
        fixed before.
    """
    flat, store = compiled._flat_graph, compiled.data_store
    graph = Graph(compiled.backend.precision, compiled.backend.type)
    values: dict[str, Any] = {}
    for key, value in data.items():
        values[key] = value = to_numpy(value)
        if isinstance(value, np.ndarray):
            shape = input_shape(compiled, key, value, dynamic or {})
            values[key] = graph.input(key, value.dtype, shape)
    for key, value in params.items():
        values[key] = graph.weight(key, to_numpy(value))
    for key, value in store.data_values.items():
        values[key] = value = to_numpy(value)
        if isinstance(value, np.ndarray | np.generic):
            values[key] = graph.constant(value)

    for key in flat.topological_order:
        if key in store.cached_data or key in store.unused_keys:
            continue
        node = flat.connections[key].node
        wires = {
            name: end.key
            for name, end in node.connections.items()
            if name not in ("output", "cache")
        }
        if missing := sorted(set(wires.values()) - values.keys()):
            raise ValueError(f"no value for {', '.join(missing)}")
        inputs = {name: values[wire] for name, wire in wires.items()}
        graph.scope = key
        made = translate(graph, node.model.formula_key, inputs)
        if isinstance(made, Tensor) and graph.is_newest(made):
            made = graph.rename(made, key)
        values[key] = made

    outputs = {
        key: values[flat.output_dict[key]] for key in compiled.output_keys
    }
    return graph.build(outputs, "mithril")


def input_shape(
    compiled: ml.PhysicalModel,
    key: str,
    array: np.ndarray,
    dynamic: Mapping[str, Mapping[int, str]],
) -> list[int | str]:
    """The sizes of an input, with names where any size is taken."""
    shape: list[int | str] = list(array.shape)
    fixed = compiled.shapes.get(key) or []
    for axis, name in dynamic.get(key, {}).items():
        if len(fixed) == len(shape) and isinstance(fixed[axis], int):
            raise ValueError(
                f"axis {axis} of {key} has the size {fixed[axis]} since the "
                "model was compiled, so it cannot be dynamic"
            )
        shape[axis] = name
    return shape


def check(model: onnx.ModelProto) -> onnx.ModelProto:
    """Let ONNX check a model, its types and its shapes.

    Raises
    ------
    onnx.checker.ValidationError
        If something is wrong.
    """
    onnx.checker.check_model(model, full_check=True)
    return model


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A session of ONNX Runtime, on one thread of the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )


def run(
    session: onnxruntime.InferenceSession, data: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """The outputs for these data, by name."""
    wanted = [item.name for item in session.get_inputs()]
    feed = {key: to_numpy(data[key]) for key in wanted}
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))
