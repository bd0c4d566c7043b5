"""The operators of a compiled model as a list, which passes rewrite."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import mithril as ml
import numpy as np
from mithril.framework.common import Scalar
from mithril.framework.physical.flat_graph import FlatGraph
from mithril.models import PrimitiveModel, Relu


@dataclass(eq=False)
class Step:
    """One operator that runs.

    Attributes
    ----------
    model
        The primitive model: it holds the name of the operator.
    inputs
        For each input of the model, the key that it reads.
    output
        The key of its result.
    """

    model: PrimitiveModel
    inputs: dict[str, str]
    output: str

    @property
    def formula(self) -> str:
        """The name of the operator."""
        return self.model.formula_key


class Program:
    """What a compiled model runs, and what is known when it is compiled.

    Attributes
    ----------
    steps
        The operators, in the order in which they run.
    outputs
        For each output of the model, the key that holds it.
    """

    def __init__(self, compiled: ml.PhysicalModel) -> None:
        self.compiled = compiled
        self.store = compiled.data_store
        flat = compiled._flat_graph
        skipped = self.store.cached_data.keys() | self.store.unused_keys
        self.steps = [
            step_of(flat.connections[key].node)
            for key in flat.topological_order
            if key not in skipped
        ]
        self.outputs = {
            key: flat.output_dict[key] for key in compiled._output_keys
        }

    def maker(self, key: str, formula: str = "") -> Step | None:
        """The step that computes a key, if it is of this operator."""
        for step in self.steps:
            if step.output == key and step.formula == (
                formula or step.formula
            ):
                return step
        return None

    def readers(self, key: str) -> list[Step]:
        """The steps that read a key; one that reads it twice comes twice."""
        return [
            step
            for step in self.steps
            for read in step.inputs.values()
            if read == key
        ]

    def private(self, key: str) -> bool:
        """Whether nobody but one step needs a key."""
        read_once = len(self.readers(key)) == 1
        return read_once and key not in self.outputs.values()

    def value(self, key: str) -> Any:
        """What is known of a key when the model is compiled, or None."""
        return self.store.data_values.get(key)

    def constant(self, key: str) -> np.ndarray | None:
        """The floats of a constant array, or None."""
        value = self.value(key)
        if not isinstance(value, self.backend.get_backend_array_type()):
            return None
        array = np.asarray(value)
        return array.astype(np.float64) if array.dtype.kind == "f" else None

    @property
    def backend(self) -> ml.Backend:
        """The backend that the model was compiled for."""
        return self.compiled.backend

    def sizes(self, key: str) -> list[int | None] | None:
        """The size of each axis. None if their number is not known."""
        sizes = self.compiled.data[key].shape
        sizes = None if sizes is None else sizes.get_shapes()
        if sizes is None or "..." in sizes:
            return None
        return [n if isinstance(n, int) else None for n in sizes]

    def last(self, key: str) -> int | None:
        """The size of the last axis, or None."""
        sizes = self.compiled.data[key].shape.get_shapes()
        return sizes[-1] if sizes and isinstance(sizes[-1], int) else None

    def least_rank(self, key: str) -> int:
        """How many axes there are at least."""
        sizes = self.compiled.data[key].shape.get_shapes()
        return sum(size != "..." for size in sizes)

    def add_array(self, key: str, value: np.ndarray) -> str:
        """A new constant array; returns its key."""
        data = Relu().input.metadata.data
        made = data.make_physical(self.backend, {})
        made.set_value(self.backend.array(value))
        return self._add(key, made)

    def add_number(self, key: str, value: float) -> str:
        """A new constant number; returns its key."""
        return self._add(key, Scalar(float, value))

    def _add(self, key: str, data: Any) -> str:
        while key in self.store.all_data:
            key += "_"
        self.store.all_data[key] = self.store.cached_data[key] = data
        self.store.data_values[key] = data.value
        return key

    def add_result(self, key: str, like: str) -> str:
        """A new key for a result of the type and the sizes of another."""
        while key in self.store.all_data:
            key += "_"
        self.store.all_data[key] = self.store.all_data[like]
        return key

    def replace(self, old: Iterable[Step], *new: Step) -> None:
        """Put new steps where the last of the old ones is."""
        *others, last = old
        place = self.steps.index(last)
        self.steps[place : place + 1] = new
        for step in others:
            self.steps.remove(step)

    def remove(self, step: Step, key: str) -> None:
        """Take a step out; who read its result reads this key instead."""
        self.steps.remove(step)
        for other in self.steps:
            for name, read in other.inputs.items():
                if read == step.output:
                    other.inputs[name] = key
        for name, held in self.outputs.items():
            if held == step.output:
                self.outputs[name] = key

    def sweep(self) -> None:
        """Take out what nobody reads."""
        for step in reversed(self.steps.copy()):
            is_output = step.output in self.outputs.values()
            if not is_output and not self.readers(step.output):
                self.steps.remove(step)

    def write(self) -> None:
        """Give the compiled model these steps instead of its own."""
        old = self.compiled
        flat = FlatGraph(old._input_keys, old._output_keys)
        flat.output_dict |= self.outputs
        for step in self.steps:
            wires = dict(step.inputs)
            if old.backend.is_manualgrad:
                wires["cache"] = self._cache(step)
            flat.add_value(step.model, wires | {"output": step.output})
        old._flat_graph = self.store.graph = flat

    def _cache(self, step: Step) -> str:
        """Where NumPy keeps what the gradient of a step needs."""
        key = f"{step.output}_{step.model.cache_name}"
        if key not in self.store.all_data:
            value = None if self.compiled.inference else {}
            self._add(key, Scalar(dict | None, value))
        return key


def step_of(node: Any) -> Step:
    """A node of the flat graph as a step."""
    wires = {
        name: node.connections[name].key for name in node.model._input_keys
    }
    return Step(node.model, wires, node.connections["output"].key)


#: Rewrites a program and returns how often it did.
Pass = Callable[[Program], int]


def rewrite(compiled: ml.PhysicalModel, *passes: Pass) -> dict[str, int]:
    """Apply passes to a compiled model, but leave its functions alone."""
    program = Program(compiled)
    found = {}
    for one in passes:
        found[one.__name__] = one(program)
        program.sweep()
    program.write()
    return found


def optimize(
    compiled: ml.PhysicalModel, *passes: Pass, jit: bool = False
) -> dict[str, int]:
    """Apply passes to a compiled model, and generate its functions anew.

    Returns how often each pass found something.
    """
    found = rewrite(compiled, *passes)
    generator = ml.code_gen_map[type(compiled.backend)](compiled)
    generator.generate_code()
    compiled.generate_functions(*generator.compile_code(jit=jit))
    return found
