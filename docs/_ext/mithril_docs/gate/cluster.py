"""Pages and models on a cluster: each is a task of Dask, and its result comes back to the store.

A worker says by resources which backends it has, such as ``--resources numpy=1``. It makes its own environments with
the candidate, which is sent along. A task whose worker is lost is given to another.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from distributed import Client, as_completed

from mithril_docs.conformance.run import CASES, place_of
from mithril_docs.gate import contain, environments
from mithril_docs.gate.candidate import Candidate, unpack
from mithril_docs.gate.tasks import Task
from mithril_docs.models.cards import home, model_file
from mithril_docs.store import Store

#: How often a task is given to another worker where its own is lost.
RETRIES = 3
#: Seconds that a task may take beyond ten times those of the documented version.
PATIENCE = 300.0


class ClusterError(Exception):
    """The cluster cannot run a task; the message says which and why."""


@dataclasses.dataclass(frozen=True)
class Work:
    """What a worker needs beside the task: the candidate's wheel, by name and content, where things are, the cases."""

    requirement: str
    name: str
    content: bytes
    pythons: str
    docs: str
    cases: bytes


def run(candidate: Candidate, tasks: list[Task], results: Store, docs: Path, scheduler: str) -> None:
    """Run tasks on a cluster and keep their results.

    Parameters
    ----------
    candidate
        What is run; it must have a wheel.
    tasks, results
        What to run, and where results are kept.
    docs
        The folder of the pages, by the same path on every worker, as is the checkout.
    scheduler
        The address of Dask's scheduler.
    """
    if candidate.wheel is None:
        raise ClusterError("only a wheel can be sent to a cluster")
    work = Work(
        candidate.requirement, candidate.wheel.name, candidate.wheel.read_bytes(),
        str(Path(".nox").resolve()), str(docs), _cases(results),
    )  # fmt: skip
    with Client(scheduler, timeout="30s") as client:
        [sent] = client.scatter([work], broadcast=True)
        waiting = {
            client.submit(
                run_task, sent, task, key=f"{task.kind}-{task.backend}-{task.name}-{candidate.digest[:12]}",
                resources={home(task.backend): 1}, retries=RETRIES, priority=task.seconds,
            ): task
            for task in tasks
        }  # fmt: skip
        for future in as_completed(waiting):
            task = waiting[future]
            if future.exception() is not None:
                raise ClusterError(f"{task.kind} {task.name} on {task.backend}: {future.exception()}")
            for name, content in future.result().items():
                results.write_bytes(name, content)


def _cases(results: Store) -> bytes:
    """The list of the cases of conformance, where there is one."""
    path = results.root / CASES
    return path.read_bytes() if path.is_file() else b""


def run_task(work: Work, task: Task) -> dict[str, bytes]:
    """On a worker: run a page or a model in an environment with the candidate.

    Returns
    -------
    dict
        What the store holds of it, by the name of the file.
    """
    folder = Path(tempfile.gettempdir()) / f"mithril-gate-{work.name}"
    python = _environment(work, home(task.backend), folder)
    with tempfile.TemporaryDirectory(prefix="mithril-gate-") as own:
        place = Path(own)
        store = place / "store"
        known = folder / "known" / home(task.backend)
        if known.is_dir():
            shutil.copytree(known, store / home(task.backend))
        words = ["--docs", work.docs, "--store", str(store), "--jobs", "1"]
        if task.kind == "page":
            command = ["execute", task.backend, "--only", task.name]
            file = f"{task.backend}/pages/{task.name}.json"
        else:
            if not known.is_dir():
                _call(python, ["execute", home(task.backend), "--look", *words[:4]], place, PATIENCE)
            command = ["models" if task.kind == "model" else "conform", task.backend, "--model", task.name]
            file = (model_file if task.kind == "model" else place_of)(task.backend, task.name)
            if task.kind == "cases":
                store.mkdir(exist_ok=True)
                (store / CASES).write_bytes(work.cases)
        ended = _call(python, [*command, *words], place, PATIENCE + 10 * task.seconds)
        found = {name: store / name for name in (file, str(Path(file).with_suffix(".touched")))}
        if not found[file].is_file():
            raise ClusterError(f"{task.name} on {task.backend} gave no result: {ended.printed.strip()[-300:]}")
        if not known.is_dir():
            _keep(store / home(task.backend) / "environment.json", known)
        return {name: path.read_bytes() for name, path in found.items() if path.is_file()}


def _keep(file: Path, known: Path) -> None:
    """Keep what was found of an environment for the next task; several may do so at once."""
    known.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=known.parent) as waiting:
        shutil.copy(file, waiting)
        try:
            shutil.copytree(waiting, known)
        except FileExistsError:
            return


def _environment(work: Work, backend: str, folder: Path) -> Path:
    """The interpreter of the worker's environment with the candidate, made where it is not there yet."""
    place = folder / "env" / backend
    done = place / "made.json"
    if done.is_file():
        return Path(json.loads(done.read_text()))
    with tempfile.TemporaryDirectory(prefix="mithril-gate-") as fetched:
        wheel = Path(fetched) / work.name
        wheel.write_bytes(work.content)
        candidate = unpack(work.requirement, wheel, Path(fetched))
        python = environments.make(candidate, Path(work.pythons, f"execute-{backend}", "bin", "python"), place)
    done.write_text(json.dumps(str(python)))
    return python


def _call(python: Path, words: list[str], place: Path, seconds: float) -> contain.Ended:
    environ: dict[str, Any] = {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [str(python), "-m", "mithril_docs", *words]
    return contain.run(command, place, environ, contain.Limits(seconds, memory=contain.half_of_memory()))
