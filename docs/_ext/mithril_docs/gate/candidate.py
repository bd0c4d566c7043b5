"""The candidate: what a requirement names, as a wheel and unpacked."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

#: The distribution that the site documents.
PACKAGE = "mithril"
#: Seconds that fetching and building the candidate may take.
TIMEOUT = 600


class CannotFetchError(Exception):
    """The candidate cannot be had; the message says why, in one line."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A build of Mithril.

    Attributes
    ----------
    requirement
        What was asked for.
    wheel
        The wheel's file; None for what is installed.
    tree
        The folder that it was unpacked to.
    version
        What it says its version is.
    requires
        The requirements that it declares, each as its metadata says it.
    python
        The versions of Python that it declares.
    digest
        Of all its files by name and content.
    """

    requirement: str
    wheel: Path | None
    tree: Path
    version: Version
    requires: tuple[str, ...]
    python: str
    digest: str


def fetch(requirement: str, folder: Path) -> Candidate:
    """Download, copy or build the wheel of a requirement, and unpack it under a folder.

    Parameters
    ----------
    requirement
        A version, a wheel's path, a folder with a project, or what pip takes.

    Raises
    ------
    CannotFetchError
        There is no such version or file, it cannot be built, or it is another package.
    """
    wanted = _wanted(requirement)
    waiting = folder / "fetched"
    shutil.rmtree(waiting, ignore_errors=True)
    waiting.mkdir(parents=True)
    if wanted.endswith(".whl") and Path(wanted).is_file():
        shutil.copy(wanted, waiting)
    else:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--disable-pip-version-check"]
        try:
            done = subprocess.run(
                [*command, "--wheel-dir", str(waiting), wanted], capture_output=True, text=True, timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired:
            raise CannotFetchError(f"'{requirement}' was not fetched within {TIMEOUT} s") from None
        if done.returncode:
            rows = [row for row in done.stderr.splitlines() if row.startswith("ERROR: ")] or done.stderr.splitlines()
            raise CannotFetchError(f"pip cannot fetch '{requirement}': {rows[-1].removeprefix('ERROR: ')}")
    wheels = sorted(waiting.glob("*.whl"))
    if len(wheels) != 1:
        raise CannotFetchError(f"'{requirement}' gave {len(wheels)} wheels, not 1")
    return unpack(requirement, wheels[0], folder)


def _wanted(requirement: str) -> str:
    """What pip is given: ``0.1.2`` is ``mithril==0.1.2``, and a path is absolute."""
    if Path(requirement).exists():
        return str(Path(requirement).resolve())
    try:
        return f"{PACKAGE}=={Version(requirement)}"
    except InvalidVersion:
        pass
    try:
        name = Requirement(requirement).name
    except InvalidRequirement:
        if requirement.startswith(("git+", "https://", "http://", "file:")):
            return requirement
        words = "name a version, a wheel, a folder or a requirement that pip takes, such as mithril==0.1.2"
        raise CannotFetchError(f"'{requirement}' is no file here and no requirement; {words}") from None
    if canonicalize_name(name) != PACKAGE:
        raise CannotFetchError(f"'{requirement}' is a requirement of {name}; the gate is for {PACKAGE}")
    return requirement


def unpack(requirement: str, wheel: Path, folder: Path) -> Candidate:
    """Unpack a wheel under a folder. Raises :class:`CannotFetchError` where it is none, or of another package."""
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise CannotFetchError(f"{wheel.name} is no name of a wheel: {error}") from None
    if name != PACKAGE:
        raise CannotFetchError(f"{wheel.name} is a wheel of {name}; the gate is for {PACKAGE}")
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if not (tree / member).resolve().is_relative_to(tree.resolve()):
                    raise CannotFetchError(f"{wheel.name} holds '{member}', which would be unpacked elsewhere")
            archive.extractall(tree)
    except zipfile.BadZipFile as error:
        raise CannotFetchError(f"{wheel.name} is no wheel: {error}") from None
    folders = [path for path in tree.iterdir() if path.name.endswith(".dist-info")]
    if len(folders) != 1 or not (folders[0] / "METADATA").is_file():
        raise CannotFetchError(f"{wheel.name} holds no METADATA")
    told = HeaderParser().parsestr((folders[0] / "METADATA").read_text(encoding="utf-8", errors="replace"))
    requires, python = tuple(told.get_all("Requires-Dist") or ()), told.get("Requires-Python") or ""
    return Candidate(requirement, wheel, tree, version, requires, python, _digest(tree))


def installed(folder: Path) -> Candidate:
    """The documented version: what is installed here, copied to a folder without byte code."""
    found = Distribution.from_name(PACKAGE)
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for path in found.files or ():
        if path.suffix == ".pyc" or ".." in path.parts:
            continue
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(path.locate()), target)
    told = found.metadata
    requires, python = tuple(told.get_all("Requires-Dist") or ()), str(told.get("Requires-Python") or "")
    return Candidate(f"{PACKAGE}=={found.version}", None, tree, Version(found.version), requires, python, _digest(tree))


def _digest(tree: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(tree.rglob("*")):
        if path.is_file() and path.name not in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
            total.update(f"{path.relative_to(tree)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
