"""Fixtures of all tests, and the order they run in: the longest first, so that no core is left with one at the end."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from support.browser import chromium
from support.lighthouse import serve
from support.places import BACKENDS, PROVE, SITE, compiled
from support.tiny import TinySite

# What commands print is compared as text, on a terminal and under CI systems that ask for colors too.
os.environ.pop("FORCE_COLOR", None)
os.environ["NO_COLOR"] = "1"
# What JAX and PyTorch compiled for the pages need not be compiled once more, but where all is proved.
os.environ.update(compiled())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put tests that say how many seconds they take, ``@pytest.mark.takes(90)``, in front of the others.

    A test of ``examples/`` runs on NumPy and on one of the other backends, which its name decides: the pages execute
    the same programs on all of them. ``nox -s prove`` and ``nox -s examples`` run all.
    """
    if not PROVE:
        left_out = [item for item in items if is_left_out(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]

    def seconds(item: pytest.Item) -> float:
        mark = item.get_closest_marker("takes")
        return mark.args[0] if mark else 0

    items.sort(key=seconds, reverse=True)


def is_left_out(item: pytest.Item) -> bool:
    """Whether a test of a program of ``examples/`` is of a backend that the sample leaves out."""
    backend = getattr(item, "callspec", None) and item.callspec.params.get("backend")  # type: ignore[attr-defined]
    if item.path.parent.name != "examples" or backend not in BACKENDS or backend == "numpy":
        return False
    others = [name for name in BACKENDS if name != "numpy"]
    name = f"{item.path.name}::{item.originalname}"  # type: ignore[attr-defined]
    return backend != others[zlib.crc32(name.encode()) % len(others)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests say of themselves with ``record_property("said", …)``: what they took a sample of, for one."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    for report in reports:
        if getattr(report, "when", "") == "call":
            for line in (value for name, value in report.user_properties if name == "said"):
                terminalreporter.write_line(str(line))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of a file."""
    with chromium() as found:
        yield found


@pytest.fixture
def tiny(tmp_path: Path) -> TinySite:
    """An empty tiny site."""
    return TinySite(tmp_path)


@pytest.fixture(scope="session")
def site() -> Path:
    """The merged site of this checkout, as ``nox -s site`` built it."""
    assert (SITE / "verification.json").exists(), 'build/site is missing: run "nox -s site"'
    return SITE


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the merged site is served."""
    with serve(site) as found:
        yield found


@pytest.fixture(scope="session")
def record(site: Path) -> dict:
    """verification.json of the real site."""
    return json.loads((site / "verification.json").read_text())
