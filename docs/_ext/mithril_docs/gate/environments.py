"""Environments with the candidate in the place of the documented Mithril.

Such an environment takes a second to make: all that a backend's environment holds, but Mithril, is linked into it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mithril_docs.gate.candidate import PACKAGE, Candidate


class CannotInstallError(Exception):
    """The candidate does not fit into an environment; the message says why, in one line."""


def make(candidate: Candidate, python: Path, folder: Path) -> Path:
    """Make an environment like that of an interpreter, with the candidate in the place of its Mithril.

    Returns
    -------
    Path
        The new environment's interpreter.

    Raises
    ------
    CannotInstallError
        It requires what the pins of the environment contradict, or what cannot be installed.
    """
    packages, versions = _look(python)
    missing = _missing(candidate, versions)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(python), "-m", "venv", "--without-pip", str(folder)], check=True)
    own = next(folder.glob("lib/python*/site-packages"))
    for path in packages.iterdir():
        if path.name not in (PACKAGE, "__pycache__") and not path.name.lower().startswith(f"{PACKAGE}-"):
            (own / path.name).symlink_to(path)
    for path in candidate.tree.iterdir():
        if path.name.endswith(".data"):
            continue
        if path.is_dir():
            (own / path.name).unlink(missing_ok=True)
            shutil.copytree(path, own / path.name)
        else:
            shutil.copy(path, own / path.name)
    if missing:
        _add(missing, versions, own, folder / "added")
    return folder / "bin" / "python"


def _look(python: Path) -> tuple[Path, dict[str, str]]:
    """Where an interpreter's packages are, and the version of each by name."""
    code = (
        "import importlib.metadata as m, json, sysconfig; print(json.dumps([sysconfig.get_path('purelib'),"
        " {d.name: d.version for d in m.distributions()}]))"
    )
    done = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, check=True)
    place, versions = json.loads(done.stdout)
    return Path(place), {canonicalize_name(name): version for name, version in versions.items()}


def _missing(candidate: Candidate, versions: dict[str, str]) -> list[str]:
    """What the candidate requires and the environment lacks. Raises where the environment has another version."""
    missing = []
    place = {**default_environment(), "extra": ""}
    for written in candidate.requires:
        wanted = Requirement(written)
        if wanted.marker and not wanted.marker.evaluate(place):  # type: ignore[arg-type]
            continue
        version = versions.get(canonicalize_name(wanted.name))
        if version is None:
            missing.append(written)
        elif not wanted.specifier.contains(version, prereleases=True):
            pinned = f"the documentation is pinned to {wanted.name} {version}"
            raise CannotInstallError(f"it requires {wanted.name}{wanted.specifier}, and {pinned}")
    return missing


def _add(missing: list[str], versions: dict[str, str], own: Path, folder: Path) -> None:
    """Install what is new beside what is there, which stays as it is."""
    pins = folder.with_suffix(".txt")
    pins.write_text("".join(f"{name}=={version}\n" for name, version in versions.items() if name != PACKAGE))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]
    done = subprocess.run(
        [*command, str(folder), "--constraint", str(pins), *missing], capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        rows = [row for row in done.stderr.splitlines() if row.startswith("ERROR: ")] or done.stderr.splitlines()
        raise CannotInstallError(f"its requirements cannot be installed: {rows[-1].removeprefix('ERROR: ')}")
    for path in folder.iterdir():
        if not (own / path.name).exists():
            shutil.move(str(path), own / path.name)
