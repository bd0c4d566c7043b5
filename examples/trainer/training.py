"""The parts of a training loop, for models with an output ``loss``.

The loss is a mean over the samples of a batch, and has the shape ().
Parameters, gradients and batches are dictionaries of arrays.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import mithril as ml
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save as as_bytes
from tensorboardX import SummaryWriter
from tqdm import tqdm

Arrays = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the losses depend on, besides the model and its data."""

    seed: int = 0
    steps: int = 200
    batch: int = 128  # samples of one update
    part: int = 64  # samples that are in memory at once
    rate: float = 0.02  # the highest learning rate
    warmup: int = 10  # steps until the rate is reached
    clip: float = 1.0  # the largest norm of the gradients
    every: int = 10  # steps between validations, and between checkpoints
    patience: int = 5  # validations without a new best one, then it stops


@dataclasses.dataclass
class State:
    """All that the next step reads, and what was measured so far."""

    params: Arrays
    memory: dict[str, Arrays]
    best: Arrays
    rng: np.random.Generator
    losses: list[float] = dataclasses.field(default_factory=list)
    validations: list[float] = dataclasses.field(default_factory=list)

    @property
    def step(self) -> int:
        """How many steps were taken."""
        return len(self.losses)

    @property
    def waited(self) -> int:
        """How many validations there were since the best one."""
        if not self.validations:
            return 0
        best = self.validations.index(min(self.validations))
        return len(self.validations) - 1 - best


def arrays(backend: ml.Backend, values: Arrays) -> Arrays:
    """NumPy arrays as arrays of a backend."""
    return {k: backend.array(v) for k, v in values.items()}


def accumulate(
    compiled: Any, params: Arrays, batch: Arrays, size: int
) -> tuple[float, Arrays]:
    """Loss and gradients of a batch, computed in parts of this size."""
    one = {"loss": compiled.backend.ones()}
    count = len(next(iter(batch.values())))
    loss, total = 0.0, {}
    for i in range(0, count, size):
        part = {k: v[i : i + size] for k, v in batch.items()}
        share = min(size, count - i) / count
        outputs, grads = compiled.evaluate_all(params, part, one)
        loss += share * float(outputs["loss"])
        for k, g in grads.items():
            total[k] = total.get(k, 0.0) + share * g
    return loss, total


def clip(grads: Arrays, limit: float) -> Arrays | None:
    """Gradients with at most this norm; None if they are not finite."""
    norm = math.sqrt(sum(float((g * g).sum()) for g in grads.values()))
    if not math.isfinite(norm):
        return None
    factor = min(1.0, limit / (norm + 1e-6))
    return {k: g * factor for k, g in grads.items()}


def rate_at(step: int, settings: Settings) -> float:
    """The learning rate of a step: it rises in a line, then as a cosine
    falls to 0. The first step is 1."""
    if step <= settings.warmup:
        return settings.rate * step / settings.warmup
    left = settings.steps - settings.warmup
    done = (step - settings.warmup) / left
    return settings.rate * (1 + math.cos(math.pi * done)) / 2


def adam_memory(params: Arrays, backend: ml.Backend) -> dict[str, Arrays]:
    """What Adam remembers before the first step."""
    zeros = {k: backend.zeros_like(v) for k, v in params.items()}
    return {"mean": zeros, "square": zeros}


def adam(
    params: Arrays,
    grads: Arrays,
    memory: dict[str, Arrays],
    step: int,
    rate: float,
    beta: float = 0.9,
) -> tuple[Arrays, dict[str, Arrays]]:
    """New parameters and a new memory. The first step is 1."""
    new, mean, square = {}, {}, {}
    for k, g in grads.items():
        mean[k] = beta * memory["mean"][k] + (1 - beta) * g
        square[k] = 0.999 * memory["square"][k] + 0.001 * g * g
        m = mean[k] / (1 - beta**step)
        s = square[k] / (1 - 0.999**step)
        new[k] = params[k] - rate * m / (s**0.5 + 1e-8)
    return new, {"mean": mean, "square": square}


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, whatever ends the process."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def contiguous(values: Arrays) -> dict[str, np.ndarray]:
    """Copies as NumPy arrays, in the order that safetensors writes."""
    return {k: np.asarray(v).copy() for k, v in values.items()}


def identity(settings: Settings, backend: ml.Backend) -> dict[str, Any]:
    """What must be the same when a run goes on."""
    return {"backend": backend.type, **dataclasses.asdict(settings)}


def save(
    path: Path, state: State, settings: Settings, backend: ml.Backend
) -> None:
    """Write a checkpoint: the state, and the settings it belongs to."""
    groups = {"params": state.params, "best": state.best, **state.memory}
    tensors = {
        f"{group}.{k}": v
        for group, values in groups.items()
        for k, v in contiguous(values).items()
    }
    tensors["losses"] = np.array(state.losses)
    tensors["validations"] = np.array(state.validations)
    notes = {
        "rng": json.dumps(state.rng.bit_generator.state),
        "settings": json.dumps(identity(settings, backend)),
    }
    write_whole(path, as_bytes(tensors, notes))


def load(path: Path, settings: Settings, backend: ml.Backend) -> State:
    """Read a checkpoint.

    Raises ``ValueError`` if it belongs to other settings.
    """
    with safe_open(path, "numpy") as file:
        notes, names = file.metadata(), file.keys()
        tensors = {name: file.get_tensor(name) for name in names}
    saved, now = json.loads(notes["settings"]), identity(settings, backend)
    if other := [k for k in now if saved.get(k) != now[k]]:
        words = ", ".join(f"{k} {saved.get(k)}, not {now[k]}" for k in other)
        raise ValueError(f"it was started with {words}")
    rng = np.random.default_rng()
    rng.bit_generator.state = json.loads(notes["rng"])

    def group(name: str) -> Arrays:
        start = name + "."
        return {
            k.removeprefix(start): backend.array(v)
            for k, v in tensors.items()
            if k.startswith(start)
        }

    return State(
        params=group("params"),
        memory={"mean": group("mean"), "square": group("square")},
        best=group("best"),
        rng=rng,
        losses=tensors["losses"].tolist(),
        validations=tensors["validations"].tolist(),
    )


def begin(
    values: Arrays, rng: np.random.Generator, backend: ml.Backend
) -> State:
    """The state before the first step, from NumPy arrays."""
    params = arrays(backend, values)
    return State(params, adam_memory(params, backend), params, rng)


def due(step: int, settings: Settings) -> bool:
    """Whether to validate after this step, and to save a checkpoint."""
    return step % settings.every == 0 or step == settings.steps


def log(
    logs: SummaryWriter, state: State, settings: Settings, step: int
) -> None:
    """Show the numbers of a step in TensorBoard."""
    logs.add_scalar("loss/train", state.losses[step - 1], step)
    logs.add_scalar("rate", rate_at(step, settings), step)
    if due(step, settings):
        found = state.validations[(step - 1) // settings.every]
        logs.add_scalar("loss/validation", found, step)


def open_logs(folder: Path, state: State, settings: Settings) -> SummaryWriter:
    """Begin logs, and log again all steps that were taken before.

    A killed process may not have written its last steps, and may have
    written steps after its checkpoint. ``purge_step`` tells TensorBoard to
    forget both.
    """
    logs = SummaryWriter(str(folder), purge_step=0)
    for step in range(1, state.step + 1):
        log(logs, state, settings, step)
    return logs


def fit(
    compiled: Any,
    state: State,
    data: dict[str, Arrays],
    settings: Settings,
    folder: Path,
) -> State:
    """Train to the last step, or until validations find nothing better.

    ``data`` holds "train" and "validation", dictionaries of NumPy arrays.
    The folder gets a checkpoint and logs for TensorBoard.
    """
    backend, train = compiled.backend, data["train"]
    held_out = arrays(backend, data["validation"])
    count = len(next(iter(train.values())))
    logs = open_logs(folder / "logs", state, settings)
    bar = tqdm(total=settings.steps, initial=state.step, disable=None)
    with logs, bar:
        while state.step < settings.steps and (
            state.waited < settings.patience
        ):
            rows = state.rng.choice(count, settings.batch, replace=False)
            batch = arrays(backend, {k: v[rows] for k, v in train.items()})
            loss, grads = accumulate(
                compiled, state.params, batch, settings.part
            )
            clipped = clip(grads, settings.clip)
            state.losses.append(loss)
            if clipped is not None:
                state.params, state.memory = adam(
                    state.params,
                    clipped,
                    state.memory,
                    state.step,
                    rate_at(state.step, settings),
                )
            if due(state.step, settings):
                found = compiled.evaluate(state.params, held_out)["loss"]
                state.validations.append(float(found))
                if state.waited == 0:
                    state.best = state.params
                save(
                    folder / "checkpoint.safetensors", state, settings, backend
                )
            log(logs, state, settings, state.step)
            bar.set_postfix_str(f"loss {loss:.2f}", refresh=False)
            bar.update()
    return state
