"""What some pages need beyond every page's packages: dependency groups of ``pyproject.toml`` that front matter names.

A group belongs to pages if the group ``execute`` includes it, ``base`` aside. The environments of all backends hold it.
"""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[3] / "pyproject.toml"
#: What a requirement begins with.
_NAME = re.compile(r"[\w.-]+")


def distribution_name(written: str) -> str:
    """A distribution's name as installers compare it: ``tensorboardX`` and ``tensorboardx`` are one."""
    return re.sub(r"[-_.]+", "-", written).lower()


@functools.cache
def page_groups() -> dict[str, tuple[str, ...]]:
    """The groups that a page may name, each with the distributions that it names, in lower case with hyphens."""
    groups = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["dependency-groups"]
    names = [entry["include-group"] for entry in groups["execute"] if isinstance(entry, dict)]
    found = {}
    for name in names:
        if name != "base":
            found[name] = tuple(distribution_name(_NAME.match(word)[0]) for word in groups[name])  # type: ignore[index]
    return found


def group_of(module: str) -> str | None:
    """The group that a top-level module belongs to; None where every page has it, or none."""
    name = distribution_name(module)
    return next((group for group, names in page_groups().items() if name in names), None)
