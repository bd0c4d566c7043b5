"""The program ``examples/multi_task``, run as a process in the environment of each backend."""

from __future__ import annotations

import re

import pytest

from support.programs import (
    assert_refuses,
    assert_refuses_missing_backends,
    assert_succeeds,
    on_every_backend,
    run_program,
)

PROGRAM = "multi_task/main.py"


def results(shown: str) -> dict[str, float]:
    """The figures of the two last lines by their names."""
    found = re.search(
        r"^accuracy (?P<accuracy>[\d.]+); always the same digit (?P<guessed>[\d.]+)\n"
        r"gray levels of error (?P<error>[\d.]+); the mean image (?P<mean>[\d.]+)$",
        shown,
        re.MULTILINE,
    )
    assert found, shown
    return {name: float(value) for name, value in found.groupdict().items()}


@on_every_backend
def test_help(backend: str) -> None:
    shown = assert_succeeds(run_program(PROGRAM, backend, "--help"))
    for option in ("--backend", "--seed", "--steps", "--weights", "--digit", "--draw"):
        assert option in shown


@on_every_backend
@pytest.mark.takes(10)
def test_it_beats_its_baselines_as_it_comes(backend: str) -> None:
    """The weights end close to one over the losses."""
    shown = assert_succeeds(run_program(PROGRAM, backend, "--backend", backend))
    found = results(shown)
    assert found["accuracy"] > found["guessed"] + 0.6
    assert found["error"] < found["mean"] - 0.15
    lines = re.findall(r"(digit|draw) +loss [\d.]+ in the first step, ([\d.]+) in the last, weight ([\d.]+)", shown)
    assert [task for task, *_ in lines] == ["digit", "draw"]
    for _, loss, weight in lines:
        assert 0.6 < float(loss) * float(weight) < 1.6


@on_every_backend
def test_a_weight_of_zero_switches_a_task_off(backend: str) -> None:
    """Two runs are equal."""
    words = ("--backend", backend, "--weights", "hand", "--draw", "0", "--steps", "100", "--seed", "4")
    first, second = (run_program(PROGRAM, backend, *words) for _ in range(2))
    shown = assert_succeeds(first)
    assert shown == assert_succeeds(second)
    found = results(shown)
    assert found["accuracy"] > found["guessed"] + 0.3
    assert found["error"] > found["mean"]
    assert "weight 0.00" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--steps", "0"), "--steps"),
        (("--backend", "tensorflow"), "tensorflow"),
        (("--weights", "guessed"), "guessed"),
        (("--digit", "2"), "--digit needs --weights hand"),
        (("--weights", "hand", "--draw", "nan"), "--draw"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_bad_input_is_told_in_one_line(words: tuple[str, ...], told: str) -> None:
    assert_refuses(run_program(PROGRAM, "numpy", *words), told)


def test_a_backend_that_is_not_installed_is_told_in_one_line() -> None:
    assert_refuses_missing_backends(PROGRAM)
