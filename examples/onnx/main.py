"""Export a Mithril model to ONNX, check it, and compare what it computes."""

from __future__ import annotations

import argparse
import re
import runpy
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mithril as ml
import numpy as np
import onnx
from command_line import BACKENDS, Parser, make_backend, refuse
from onnx_export import check, run, session, to_numpy, to_onnx
from safetensors import SafetensorError
from safetensors.numpy import load_file

#: Types that an input may have, of which the first is meant without a word.
TYPES = ("float32", "float64", "float16", "int32", "int64", "bool")


@dataclass(frozen=True)
class Input:
    """An input of the model, as the command line tells it.

    Attributes
    ----------
    name, type
        Its name and the type of its elements, as NumPy calls it.
    sizes
        The size of each axis: a number, or a name for any size.
    """

    name: str
    type: str
    sizes: tuple[int | str, ...]

    @property
    def dynamic(self) -> dict[int, str]:
        """The axes of any size, with the names of their sizes."""
        named = enumerate(self.sizes)
        return {axis: name for axis, name in named if isinstance(name, str)}

    def example(self, sizes: Mapping[str, int], seed: int) -> np.ndarray:
        """Random numbers; integers are 0 or 1, which any table has."""
        shape = [sizes.get(str(size), size) for size in self.sizes]
        draw = np.random.default_rng(seed).normal(size=shape)
        return (draw if "float" in self.type else draw > 0).astype(self.type)


def input_of(word: str) -> Input:
    """An input as it is written: NAME=SIZE,SIZE,... and :TYPE."""
    found = re.fullmatch(r"(\w+)=((?:\w+(?:,\w+)*)?)(?::(\w+))?", word)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"'{word}' is not of the form NAME=SIZE,SIZE:TYPE"
        )
    name, sizes, kind = found[1], found[2], found[3] or TYPES[0]
    if kind not in TYPES:
        raise argparse.ArgumentTypeError(
            f"'{word}': the type is one of {', '.join(TYPES)}"
        )
    words = sizes.split(",") if sizes else []
    return Input(
        name, kind, tuple(int(w) if w.isdigit() else w for w in words)
    )


def from_zero(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """A number from 0 up, for an option."""

    def number(word: str) -> Any:
        value = kind(word)
        if not 0 <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"{word} is no number from 0 up")
        return value

    number.__name__ = "number"
    return number


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(prog="main.py", description=__doc__)
    parser.add_argument(
        "model",
        metavar="FILE.py:CALL",
        help="makes the model, such as model.py:build or model.py:build(3)",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="safetensors file with the parameters (default: random)",
    )
    parser.add_argument(
        "--input",
        type=input_of,
        action="append",
        default=[],
        dest="inputs",
        metavar="NAME=SIZES[:TYPE]",
        help="an input, such as x=N,64 or token=N,T:int32; "
        f"a letter takes any size; types: {', '.join(TYPES)}",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="safetensors file with inputs to compare on "
        "(default: random numbers)",
    )
    parser.add_argument("--backend", choices=BACKENDS, default="numpy")
    parser.add_argument(
        "--out", type=Path, default=Path("model.onnx"), metavar="FILE"
    )
    parser.add_argument(
        "--seed",
        type=from_zero(int),
        default=0,
        help="of the random numbers (default 0)",
    )
    parser.add_argument(
        "--tolerance",
        type=from_zero(float),
        default=1e-5,
        help="how far outputs may differ (default 1e-5)",
    )
    return parser.parse_args(words)


def make_model(words: str) -> ml.models.Model:
    """The model that FILE.py:CALL makes."""
    name, colon, call = words.partition(":")
    if not colon or not call:
        refuse(f"'{words}' is no model: write FILE.py:CALL")
    path = Path(name)
    if not path.is_file():
        refuse(f"there is no file '{name}'")
    sys.path.insert(0, str(path.resolve().parent))
    try:
        names = runpy.run_path(str(path))
        made = eval(call, names)
        made = made() if callable(made) and not is_model(made) else made
    except Exception as error:
        refuse(f"{words}: {type(error).__name__}: {error}")
    if not is_model(made):
        refuse(f"{words} made {type(made).__name__}, which is no model")
    return made


def is_model(made: Any) -> bool:
    """Whether something is a model, not a function that makes one."""
    return isinstance(made, ml.models.BaseModel)


def arrays_of(path: Path | None, option: str) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file."""
    if path is None:
        return {}
    try:
        return load_file(path)
    except (OSError, SafetensorError, TypeError) as error:
        refuse(f"{option} {path}: {error}")


def examples(
    given: argparse.Namespace, data: Mapping[str, np.ndarray], number: int
) -> dict[str, np.ndarray]:
    """Inputs to compare on; those from no file are new for each number."""
    names = sorted({n for i in given.inputs for n in i.dynamic.values()})
    sizes = {name: 2 + number + n for n, name in enumerate(names)}
    seeds = range(given.seed + number, given.seed + number + 99)
    made = {
        one.name: one.example(sizes, seed)
        for one, seed in zip(given.inputs, seeds, strict=False)
    }
    return made | dict(data)


def open_inputs(compiled: ml.PhysicalModel) -> set[str]:
    """The inputs of a compiled model that have no value yet."""
    store = compiled.data_store
    return compiled._input_keys - store.cached_data.keys() - store.unused_keys


def compare(
    compiled: ml.PhysicalModel,
    params: Mapping[str, Any],
    exported: onnx.ModelProto,
    batches: Sequence[Mapping[str, Any]],
    tolerance: float,
) -> bool:
    """Print how far ONNX Runtime is from the backend. Whether it is near."""
    runtime, near = session(exported), True
    for number, batch in enumerate(batches, start=1):
        wanted = compiled.evaluate(dict(params), dict(batch))
        for key, found in run(runtime, batch).items():
            value = np.asarray(to_numpy(wanted[key]))
            same = value.shape == found.shape and np.allclose(
                value, found, tolerance, tolerance, equal_nan=True
            )
            words = f"equal within {tolerance:g}" if same else "DIFFERENT"
            sizes = " x ".join(map(str, found.shape)) or "a number"
            print(f"batch {number}, {key} ({sizes}): {words}")
            near &= same
    return near


def random_weights(
    model: ml.models.Model,
    backend: ml.Backend,
    batch: Mapping[str, np.ndarray],
    seed: int,
) -> dict[str, Any]:
    """Random parameters of the sizes that these inputs lead to."""
    sizes = {key: list(value.shape) for key, value in batch.items()}
    compiled = ml.compile(
        model,
        backend,
        data_keys=set(batch),
        shapes=sizes,
        inference=True,
        jit=False,
    )
    rng, made = np.random.default_rng(seed), {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Mithril warns where it guesses.
        drawn = compiled.randomize_params()
    for key in sorted(drawn):
        shape = tuple(drawn[key].shape)
        scale = shape[0] ** -0.5 if len(shape) > 1 else 1.0
        made[key] = backend.array(rng.normal(scale=scale, size=shape))
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Export, compare and report. The status is 1 if numbers differ."""
    given = options(words)
    model = make_model(given.model)
    weights = arrays_of(given.weights, "--weights")
    data = arrays_of(given.data, "--data")
    batches = [examples(given, data, 0)]
    if not data and any(one.dynamic for one in given.inputs):
        batches.append(examples(given, data, 1))
    backend = make_backend(given.backend)
    keys = {"inference": True, "jit": False}
    try:
        needed = open_inputs(ml.compile(model, backend, **keys))
        known = weights.keys() | batches[0].keys()
        if unknown := ", ".join(sorted(known - needed)):
            refuse(f"{given.model} has no input {unknown}")
        if given.weights is None:
            try:
                first = batches[0]
                params = random_weights(model, backend, first, given.seed)
            except Exception as error:
                refuse(f"no random parameters, so use --weights: {error}")
        elif lacking := ", ".join(sorted(needed - known)):
            refuse(f"no values for {lacking}: name them with --input")
        else:
            params = arrays(backend, weights)
        data_keys = set(batches[0])
        compiled = ml.compile(model, backend, data_keys=data_keys, **keys)
        batches = [arrays(backend, batch) for batch in batches]
        dynamic = {one.name: one.dynamic for one in given.inputs}
        exported = check(to_onnx(compiled, params, batches[0], dynamic))
        onnx.save(exported, given.out)
        size = given.out.stat().st_size
        print(f"{given.out}: {len(exported.graph.node)} nodes, {size:,} bytes")
        near = compare(compiled, params, exported, batches, given.tolerance)
    except Exception as error:
        refuse(f"{given.model}: {type(error).__name__}: {error}")
    return 0 if near else 1


def arrays(
    backend: ml.Backend, values: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Arrays of the backend, of the same types where it has them."""
    made = {}
    for key, value in values.items():
        dtype = getattr(ml, value.dtype.name)
        made[key] = backend.array(value, dtype=dtype)
    return made


if __name__ == "__main__":
    raise SystemExit(main())
