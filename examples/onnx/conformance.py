"""Export every model of Mithril, and compare ONNX Runtime with a backend.

    python conformance.py --backend numpy

Each line of `models.toml` makes a model and inputs for it. Another file may
be named instead, with models of your own.
"""

from __future__ import annotations

import textwrap
import tomllib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mithril as ml
import mithril.models
import numpy as np
from command_line import BACKENDS, Parser, make_backend, refuse
from onnx_export import check, run, session, to_numpy, to_onnx
from onnx_graph import NotDoneError, NotExpressibleError
from onnx_target import OnnxBackend

#: Every model of Mithril 0.1.1.
MODELS = Path(__file__).with_name("models.toml")

#: What can come of a model.
STATES = {
    "equal": "exported and equal",
    "different": "exported and different",
    "alone": "exported, but the backend cannot run it",
    "not run": "exported, but ONNX Runtime cannot run it",
    "not expressible": "not expressible in ONNX",
    "not done": "not done",
    "not compiled": "not compiled by Mithril",
    "abstract": "abstract classes, which cannot be built",
}


@dataclass(frozen=True)
class Outcome:
    """What came of a model: one of `STATES`, and words that say more."""

    state: str
    reason: str = ""


def outcomes(
    backend: ml.Backend, path: Path = MODELS
) -> Iterator[tuple[str, Outcome]]:
    """Every model of a file by name, with what came of it."""
    for name, made in tomllib.loads(path.read_text("utf-8")).items():
        if made:
            yield name, outcome(backend, name, *made)
        else:
            yield name, Outcome("abstract")


def outcome(
    backend: ml.Backend, name: str, build: str, inputs: str = ""
) -> Outcome:
    """Export a model, run it, and compare with the backend."""
    data = {
        key: backend.array(value) if isinstance(value, np.ndarray) else value
        for key, value in make_inputs(name, inputs).items()
    }
    wanted, words = None, ""
    try:
        compiled = compile_for(backend, build, data)
        with np.errstate(all="ignore"):
            wanted = compiled.evaluate({}, data)
    except Exception as error:
        words = f"{type(error).__name__}: {error}".split("\n")[0]
        try:
            compiled = compile_for(OnnxBackend(), build, data)
        except Exception:
            return Outcome("not compiled", words)
    try:
        model = check(to_onnx(compiled, {}, data))
    except NotExpressibleError as error:
        return Outcome("not expressible", str(error))
    except NotDoneError as error:
        return Outcome("not done", str(error))
    try:
        found = run(session(model), data)
    except Exception as error:
        return Outcome("not run", str(error).split("\n")[0])
    if wanted is None:
        return Outcome("alone", words)
    for key, value in wanted.items():
        if not equal(to_numpy(value), found[key]):
            return Outcome("different", key)
    return Outcome("equal")


def compile_for(
    backend: ml.Backend, build: str, data: Mapping[str, Any]
) -> ml.PhysicalModel:
    """A model that is made anew, compiled with these inputs as data."""
    model = eval(build, {"ml": ml, "mithril": mithril, **vars(mithril.models)})
    keys = {"data_keys": set(data), "inference": True, "jit": False}
    with np.errstate(all="ignore"):
        return ml.compile(model, backend, **keys)


def equal(wanted: Any, found: np.ndarray, tolerance: float = 1e-5) -> bool:
    """Whether two outputs have one shape, one kind and the same numbers."""
    wanted = np.asarray(wanted)
    kinds = {array.dtype.kind.replace("u", "i") for array in (wanted, found)}
    return (
        wanted.shape == found.shape
        and len(kinds) == 1
        and np.allclose(wanted, found, tolerance, tolerance, equal_nan=True)
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


def table(found: Mapping[str, Outcome]) -> str:
    """The outcomes as text, a paragraph for each state."""
    rows = [f"{len(found)} models"]
    for state, words in STATES.items():
        names = {n: o.reason for n, o in found.items() if o.state == state}
        if names:
            rows.append(f"\n{len(names)} {words}:")
        if any(names.values()):
            for name, reason in names.items():
                rows += indented(f"{name}: {reason}", "    ")
        else:
            rows += indented(", ".join(names), "  ")
    return "\n".join(rows)


def indented(text: str, later: str) -> list[str]:
    """Lines that fit a phone."""
    return textwrap.wrap(
        text, 72, initial_indent="  ", subsequent_indent=later
    )


def main(words: Sequence[str] | None = None) -> int:
    """Print the table. The status is 1 where a model came out different."""
    parser = Parser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "models",
        nargs="?",
        type=Path,
        default=MODELS,
        help="a file like models.toml (default: every model of Mithril)",
    )
    parser.add_argument("--backend", choices=BACKENDS, default="numpy")
    given = parser.parse_args(words)
    backend = make_backend(given.backend)
    try:
        found = dict(outcomes(backend, given.models))
    except (OSError, ValueError) as error:
        refuse(f"{given.models}: {error}")
    print(table(found))
    return int(any(o.state == "different" for o in found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
