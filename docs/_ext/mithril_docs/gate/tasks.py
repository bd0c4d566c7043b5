"""What is to be run, and in which parts."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Task:
    """A page, a model or a model's cases to run on a backend; ``seconds`` is what it took the documented version."""

    kind: Literal["page", "model", "cases"]
    backend: str
    name: str
    seconds: float


def longest_first(tasks: list[Task]) -> list[Task]:
    """Tasks in an order that is the same in every run: the longest first, so that none is left alone at the end."""
    return sorted(tasks, key=lambda task: (-task.seconds, task.backend, task.kind, task.name))


def shard(tasks: list[Task], number: int, of: int) -> list[Task]:
    """One of several parts of the tasks that take about as long as each other: part ``number``, from 1, ``of`` so many.

    Each task goes to the part that has the least so far.
    """
    parts: list[list[Task]] = [[] for _ in range(of)]
    loads = [0.0] * of
    for task in longest_first(tasks):
        least = loads.index(min(loads))
        parts[least].append(task)
        loads[least] += task.seconds
    return parts[number - 1]
