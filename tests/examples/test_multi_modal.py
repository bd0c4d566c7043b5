"""The program ``examples/multi_modal``, run as a process in the environment of each backend."""

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

PROGRAM = "multi_modal/main.py"


@on_every_backend
def test_help(backend: str) -> None:
    shown = assert_succeeds(run_program(PROGRAM, backend, "--help"))
    for option in ("--backend", "--seed", "--steps", "--query", "--count"):
        assert option in shown


@on_every_backend
@pytest.mark.takes(10)
def test_it_beats_chance_as_it_comes(backend: str) -> None:
    shown = assert_succeeds(run_program(PROGRAM, backend, "--backend", backend))
    assert "60 names in 6 languages, 1,347 images to train on, 450 to search" in shown
    found = re.search(r"([\d.]+) for known names, ([\d.]+) for names it never saw, ([\d.]+) by chance", shown)
    assert found
    known, unseen, chance = map(float, found.groups())
    assert known > 9 * chance and unseen > 4 * chance
    assert re.search(r"^seven: found 7 7 7 .*, best cosine 0\.\d$", shown, re.MULTILINE)


@on_every_backend
def test_words_of_ones_own(backend: str) -> None:
    """Capitals do not matter; two runs are equal."""
    words = ("--backend", backend, "--steps", "100", "--seed", "2", "--query", "Four", "four", "--count", "3")
    first, second = (run_program(PROGRAM, backend, *words) for _ in range(2))
    shown = assert_succeeds(first)
    assert shown == assert_succeeds(second)
    upper, lower = shown.splitlines()[-2:]
    assert upper == lower and lower.startswith("four: found 4 4 4,")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--steps", "0"), "--steps"),
        (("--backend", "tensorflow"), "tensorflow"),
        (("--query", ""), "--query"),
        (("--query", "four", "zwölf"), "'zwölf' must have letters from a to z"),
        (("--query", "twenty one"), "'twenty one'"),
        (("--count", "0"), "--count"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_bad_input_is_told_in_one_line(words: tuple[str, ...], told: str) -> None:
    assert_refuses(run_program(PROGRAM, "numpy", *words), told)


def test_a_backend_that_is_not_installed_is_told_in_one_line() -> None:
    assert_refuses_missing_backends(PROGRAM)
