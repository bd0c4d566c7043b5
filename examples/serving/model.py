"""A model in one file with all that a service needs, and its predictor."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mithril as ml
import numpy as np
from mithril.utils.dict_conversions import dict_to_model, model_to_dict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

#: What the metadata of a model's file holds beside its structure.
FIELDS = ("input", "output", "features", "low", "high", "labels")


@dataclass(frozen=True)
class Saved:
    """What the file of a model holds.

    Attributes
    ----------
    structure
        The model as plain data, without weights.
    weights
        The parameters by name.
    input, output
        The keys of the model's input and output. The input has the shape
        (rows, features), the output (rows, one number for each label).
    features
        How many numbers a row has.
    low, high
        The smallest and the largest number that a row may hold.
    labels
        The name of each output; empty where they have none.
    digest
        Twelve hexadecimal digits of the file's SHA-256.
    """

    structure: dict[str, Any]
    weights: dict[str, np.ndarray]
    input: str
    output: str
    features: int
    low: float
    high: float
    labels: list[str]
    digest: str


def save(
    path: Path,
    model: ml.models.Model,
    params: dict[str, Any],
    *,
    input: str,
    output: str,
    features: int,
    low: float,
    high: float,
    labels: list[str] | None = None,
) -> None:
    """Write a model and its parameters to one safetensors file."""
    about = {
        "input": input,
        "output": output,
        "features": features,
        "low": low,
        "high": high,
        "labels": labels or [],
        "structure": plain(model_to_dict(model)),
    }
    # safetensors writes memory as it lies: a transposed array must be copied.
    weights = {k: np.ascontiguousarray(v) for k, v in params.items()}
    metadata = {key: json.dumps(value) for key, value in about.items()}
    save_file(weights, path, metadata)


def plain(value: Any) -> Any:
    """A description of a model without `ml.TBD`, which JSON cannot hold."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if v is not ml.TBD}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def load(path: Path) -> Saved:
    """Read what :func:`save` wrote; ValueError or OSError where it cannot."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"not a safetensors file ({error})") from error
    missing = [k for k in ("structure", *FIELDS) if k not in metadata]
    if missing:
        raise ValueError(
            f"its metadata lacks {', '.join(missing)}: write it with save()"
        )
    about = {k: json.loads(metadata[k]) for k in ("structure", *FIELDS)}
    return Saved(weights=load_file(path), digest=digest, **about)


def batch_sizes(most_rows: int) -> list[int]:
    """The powers of two below the largest batch, and the largest batch."""
    sizes = [2**n for n in range(most_rows.bit_length())]
    return [size for size in sizes if size < most_rows] + [most_rows]


class Predictor:
    """Evaluates up to `most_rows` rows, always in one of a few sizes."""

    def __init__(
        self, saved: Saved, backend: ml.Backend, most_rows: int
    ) -> None:
        self.saved, self.backend = saved, backend
        self.sizes = batch_sizes(most_rows)
        self.params = {
            key: backend.array(value) for key, value in saved.weights.items()
        }
        self.compiled = ml.compile(
            dict_to_model(saved.structure),
            backend,
            data_keys={saved.input},
            shapes={saved.input: [None, saved.features]},
            inference=True,
            jit=isinstance(backend, ml.JaxBackend),
        )

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(rows, features) numbers to (rows, outputs) numbers."""
        size = next(n for n in self.sizes if n >= len(rows))
        padded = np.zeros((size, self.saved.features), dtype=np.float32)
        padded[: len(rows)] = rows
        data = {self.saved.input: self.backend.array(padded)}
        outputs = self.compiled.evaluate(self.params, data)
        return np.asarray(outputs[self.saved.output])[: len(rows)]

    def warm_up(self) -> None:
        """Evaluate a batch of each size, so that no request waits for it.

        Raises ValueError if a row gets another output beside other rows.
        """
        rng = np.random.default_rng(0)
        shape = (self.sizes[-1], self.saved.features)
        rows = rng.uniform(self.saved.low, self.saved.high, size=shape)
        together = self(rows)
        allowed = 1e-3 * max(np.abs(together).max(), 1e-3)
        for size in self.sizes:
            apart = np.abs(self(rows[:size]) - together[:size]).max()
            if not apart <= allowed:
                raise ValueError(
                    "the output of a row depends on the other rows of its "
                    "batch, so requests must not share a batch"
                )

    def close(self) -> None:
        """Free what MLX holds for the thread that this is called in.

        A thread that has used MLX and ends without this may abort the
        process.
        """
        if self.backend.type == "mlx":
            import mlx.core

            mlx.core.clear_streams()
