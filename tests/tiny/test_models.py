"""Models that take their process along, or do not end: they cost no other one, and a busy machine makes no "no"."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from support.tiny import BACKEND, IMPORT, TinySite

pytestmark = [pytest.mark.xdist_group("models"), pytest.mark.takes(20)]


def once(marker: Path, otherwise: str) -> str:
    """Python that does something when it first runs, and makes a model when it runs again."""
    return f"Relu() if os.path.exists({str(marker)!r}) else (open({str(marker)!r}, 'w').close(), {otherwise})[1]"


#: Card to Python that makes its model; ``{…}`` is a place for what ``once`` gives.
BUILDS = {
    "Absolute": "Relu()",
    "Add": "time.sleep(99)",
    "Buffer": "Relu()",
    "Cosine": "os._exit(0)",
    "Exponential": "os.kill(os.getpid(), 11)",
    "Gelu": "os.kill(os.getpid(), 9)",
    "Log": "once: time.sleep(99)",
    "Minus": "once: os._exit(3)",
    "Relu": "Relu()",
    "Sine": "sys.exit(4)",
    "Sqrt": "[].pop()",
}
WORKING = {"Absolute", "Buffer", "Log", "Minus", "Relu"}


@dataclasses.dataclass
class Ran:
    """What came of running the models, and of running them again."""

    tiny: TinySite
    first: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]
    forced: subprocess.CompletedProcess[str]
    results: dict[str, dict]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    tiny = TinySite(tmp_path_factory.mktemp("models"))
    cards = []
    for name, words in BUILDS.items():
        build = once(tiny.folder / name, words.removeprefix("once: ")) if words.startswith("once: ") else words
        for module in ("os", "sys", "time"):
            build = build.replace(f"{module}.", f"__import__('{module}').")
        cards.append(f"## {name}\n\n:::{{model}} {name}\n:build: {build}\n:inputs: input=normal(2)\n:::\n")
    tiny.page("models", IMPORT, BACKEND, *cards)
    tiny.page("other", IMPORT, BACKEND, ":::{model} Tanh\n:build: Tanh()\n:inputs: input=normal(2)\n:::\n")
    assert tiny.execute().returncode == 0
    first = tiny.run_models("numpy", "--jobs", "1", "--timeout", "3")
    results = {Path(file).stem: result for file, result in tiny.results("models").items()}
    again = tiny.run_models("numpy", "--jobs", "1", "--timeout", "1")
    return Ran(tiny, first, again, tiny.run_models("numpy", "--force", "--only", "other"), results)


def test_what_works_is_kept_whatever_is_beside_it(ran: Ran) -> None:
    assert WORKING | {"Tanh"} == {name for name, result in ran.results.items() if result["forward"] == ""}


def test_a_death_that_repeats_is_a_result(ran: Ran) -> None:
    told = {name: result["forward"] for name, result in ran.results.items() if result["forward"]}
    assert told == {
        "Cosine": "the process died (exit status 0)",
        "Exponential": "the process died (signal SIGSEGV)",
        "Sine": "the process died (exit status 4)",
        "Sqrt": "IndexError: pop from empty list",
    }


def test_what_a_busy_machine_may_cause_is_told_and_not_kept(ran: Ran) -> None:
    """A kill and a timeout are no "no": the build fails with a line each, and the next one runs them again."""
    assert ran.first.returncode == ran.again.returncode == 1
    assert ran.first.stderr.splitlines() == [
        "FAILED numpy: Add on models, did not end within 3 s, twice",
        "FAILED numpy: Gelu on models, the process died (signal SIGKILL), twice",
    ]
    assert re.search(rf"2 models run in .*, {len(BUILDS) - 1} reused", ran.again.stdout), ran.again.stdout
    assert len(ran.again.stderr.splitlines()) == 2


def test_a_page_s_models_may_be_run_anew(ran: Ran) -> None:
    assert ran.forced.returncode == 0 and "1 models run in" in ran.forced.stdout
