"""Apply the passes to many models, and compare outputs and gradients.

The models stand in a file as `examples/onnx/models.toml`: each line makes a
model and inputs for it.
"""

from __future__ import annotations

import tomllib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mithril as ml
import mithril.models
import numpy as np
from passes import PASSES
from program import Pass, optimize


@dataclass(frozen=True)
class Outcome:
    """What came of a model in one way of compiling it.

    Attributes
    ----------
    found
        How often each pass found something.
    different
        The outputs and gradients that are not equal.
    reason
        Why the backend cannot run the model; empty if it can.
    """

    found: Mapping[str, int]
    different: tuple[str, ...] = ()
    reason: str = ""


def outcomes(
    backend: ml.Backend, path: Path, only: Sequence[str] | None = None
) -> Iterator[tuple[str, str, Outcome]]:
    """The models of a file, each compiled to serve and to train."""
    lines = tomllib.loads(path.read_text("utf-8"))
    names = [name for name in lines if lines[name]] if only is None else only
    if unknown := set(names) - lines.keys():
        raise ValueError(f"there is no {', '.join(sorted(unknown))}")
    for name in names:
        for way in ("serve", "train"):
            yield name, way, outcome(backend, name, *lines[name], way=way)


def outcome(
    backend: ml.Backend,
    name: str,
    build: str,
    inputs: str = "",
    way: str = "serve",
    passes: Sequence[Pass] = PASSES,
) -> Outcome:
    """Compile a model twice, apply the passes to one, and compare.

    `build` and `inputs` are Python, as they stand in the file.
    """
    given = {
        key: backend.array(value) if isinstance(value, np.ndarray) else value
        for key, value in make_inputs(name, inputs).items()
    }
    reason = ""
    for keys in options(given, way):
        try:
            plain = compile_for(backend, build, keys)
            wanted = results(plain, given)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            continue
        changed = compile_for(backend, build, keys)
        found = optimize(changed, *passes)
        got = results(changed, given)
        different = [k for k, v in wanted.items() if not equal(v, got[k])]
        return Outcome(found, tuple(different))
    return Outcome({}, reason=reason)


def options(given: Mapping[str, Any], way: str) -> list[dict[str, Any]]:
    """How to compile a model; where the first way fails, there is another.

    To serve, the first input is data and all others are constants. To train,
    every array of floats gets a gradient, or those that Mithril chooses.
    """
    floats = {k for k, v in given.items() if "float" in dtype_of(v)}
    if way == "train":
        keys = {"data_keys": given.keys() - floats}
        return [keys | {"trainable_keys": floats}, keys]
    first = set(list(given)[:1])
    constants = {k: v for k, v in given.items() if k not in first}
    keys = {"constant_keys": constants, "inference": True}
    return [keys | {"data_keys": first}]


def compile_for(
    backend: ml.Backend, build: str, keys: Mapping[str, Any]
) -> ml.PhysicalModel:
    """A model that is made anew."""
    model = eval(build, {"ml": ml, "mithril": mithril, **vars(mithril.models)})
    with np.errstate(all="ignore"):
        return ml.compile(model, backend, jit=False, **keys)


def dtype_of(value: Any) -> str:
    """The name of an array's type; empty for what is no array."""
    return str(getattr(value, "dtype", ""))


def results(
    compiled: ml.PhysicalModel, given: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """The outputs, and to train the gradients too."""
    store, backend = compiled.data_store, compiled.backend
    open_keys = given.keys() - store.cached_data.keys() - store.unused_keys
    data = {k: given[k] for k in open_keys & store.runtime_static_keys}
    params = {k: given[k] for k in sorted(open_keys - data.keys())}
    with np.errstate(all="ignore"):
        made = compiled.evaluate(params, data)
        if not compiled.inference:
            upstream = None
            if "final_cost" not in made:
                upstream = {
                    key: backend.array(fixed(key, np.shape(made[key])))
                    for key in sorted(made.keys() - compiled.ignore_grad_keys)
                }
            slopes = compiled.evaluate_gradients(params, data, upstream)
            made |= {f"d {key}": value for key, value in slopes.items()}
    return {key: np.array(value) for key, value in made.items()}


def fixed(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers that depend on a name only."""
    draw = np.random.default_rng(zlib.crc32(name.encode()))
    return draw.normal(size=shape)


def equal(wanted: Any, got: Any, tolerance: float = 1e-5) -> bool:
    """Whether two arrays have one type, one shape and the same numbers."""
    return (
        wanted.dtype == got.dtype
        and wanted.shape == got.shape
        and np.allclose(wanted, got, tolerance, tolerance, equal_nan=True)
    )


def make_inputs(name: str, words: str) -> dict[str, Any]:
    """The inputs that a line describes, the same in every run."""
    draw = np.random.default_rng(zlib.crc32(name.encode()))

    def normal(*shape: int) -> np.ndarray:
        return draw.normal(size=shape)

    def positive(*shape: int) -> np.ndarray:
        return draw.uniform(0.5, 2, size=shape)

    def unit(*shape: int) -> np.ndarray:
        return draw.uniform(0.05, 0.95, size=shape)

    def signs(*shape: int) -> np.ndarray:
        return np.where(normal(*shape) > 0, 1.0, -1.0)

    def integers(high: int, *shape: int) -> np.ndarray:
        return draw.integers(high, size=shape)

    def booleans(*shape: int) -> np.ndarray:
        return normal(*shape) > 0

    def onehot(n: int, classes: int) -> np.ndarray:
        return np.eye(classes)[integers(classes, n)]

    def distribution(*shape: int) -> np.ndarray:
        raw = draw.uniform(0.1, 1, size=shape)
        return raw / raw.sum(axis=-1, keepdims=True)

    def covariance(n: int) -> np.ndarray:
        root = normal(n, n)
        return root @ root.T + n * np.eye(n)

    return eval(f"dict({words})", {"np": np, **locals()})
