"""ONNX Runtime as a target of `ml.compile`."""

from __future__ import annotations

from typing import Any

import mithril as ml
import numpy as np
import onnxruntime
from mithril.framework.codegen.code_gen import CodeGen
from onnx_export import run, session, to_numpy, to_onnx


class OnnxBackend(ml.NumpyBackend):
    """A backend with NumPy's arrays whose models ONNX Runtime runs."""


class OnnxCodeGen(CodeGen):
    """Translates a model when it is evaluated, since types are known then.

    Inputs of other types or sizes are translated anew, as JAX's jit does.
    """

    def __init__(self, pm: ml.PhysicalModel) -> None:
        if not pm.inference:
            raise ValueError(
                "this target has no gradients: compile with inference=True"
            )
        super().__init__(pm)
        self.sessions: dict[Any, onnxruntime.InferenceSession] = {}

    def generate_code(self, file_path: str | None = None) -> None:
        """Nothing yet: the types of the inputs are not known."""

    def compile_code(self, jit: bool = False) -> tuple[Any, Any, Any]:
        """The function behind `evaluate`, and none for gradients."""
        return self.evaluate, None, None

    def evaluate(
        self,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
    ) -> dict[str, np.ndarray]:
        """The outputs of the model, from ONNX Runtime."""
        given = {**(params or {}), **(data or {})}
        values = {key: to_numpy(value) for key, value in given.items()}
        found = signature(values)
        if found not in self.sessions:
            self.sessions[found] = session(to_onnx(self.pm, {}, values))
        return run(self.sessions[found], values)


def signature(values: dict[str, Any]) -> tuple[Any, ...]:
    """Types and sizes of arrays, and all of other values."""
    return tuple(
        (key, value.dtype.str, value.shape)
        if isinstance(value, np.ndarray)
        else (key, repr(value))
        for key, value in values.items()
    )


ml.code_gen_map[OnnxBackend] = OnnxCodeGen
