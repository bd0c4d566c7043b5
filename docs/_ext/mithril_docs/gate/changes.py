"""What differs between two trees of Mithril, function by function, and which results that can have changed.

A file is its functions and what remains without their bodies: imports, signatures, constants, classes. Comments, line
numbers and the layout of code count for results that show tracebacks, and for no others.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: What PyTorch's compiler follows without calling it; no other backend's files are among that.
_BACKENDS = ("numpy_backend/", "jax_backend/", "mlx_backend/", "c_backend/", "ggml_backend/")
#: The name of what remains of a file without the bodies of its functions.
MODULE = ""


@dataclasses.dataclass(frozen=True)
class Unit:
    """A function, or what remains of a file: its digest, and for what remains the digest by statement."""

    digest: str
    parts: tuple[tuple[str, str], ...] = ()


def package_files(tree: Path) -> dict[str, Path]:
    """The files of the package under a tree, by place in it: ``mithril/…``; byte code is none of them."""
    root = tree / "mithril"
    files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(root).as_posix(): path for path in sorted(files) if path.suffix != ".pyc"}


def metadata_files(tree: Path) -> dict[str, bytes]:
    """What the installer wrote about the package, by name, without the names of its files and their digests."""
    found: dict[str, bytes] = {}
    for folder in tree.glob("[Mm]ithril-*.dist-info"):
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "WHEEL"):
                found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def units(text: str) -> dict[str, Unit]:
    """A file's functions by qualified name, those of classes too, and under ``""`` what remains without them.

    A function in a function belongs to that one. A file that is no Python is one unit.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {MODULE: Unit(hashlib.sha256(text.encode()).hexdigest())}
    bodies: dict[str, list[str]] = {}

    def strip(nodes: list[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body, node.body = node.body, []
                bodies.setdefault(prefix + node.name, []).append(_digest(ast.Module(body, [])))
            elif isinstance(node, ast.ClassDef):
                strip(node.body, f"{prefix}{node.name}.")
            else:  # what stands in an ``if`` or a ``try``
                for field in ("body", "orelse", "finalbody"):
                    inner = getattr(node, field, None)
                    if isinstance(inner, list) and inner and isinstance(inner[0], ast.stmt):
                        strip(inner, prefix)
                for handler in getattr(node, "handlers", ()):
                    strip(handler.body, prefix)

    strip(tree.body, "")
    found = {name: Unit(hashlib.sha256("".join(rows).encode()).hexdigest()) for name, rows in bodies.items()}
    parts = tuple(sorted((_name(node), _digest(node)) for node in _statements(tree.body, "")))
    found[MODULE] = Unit(_digest(tree), parts)
    return found


def _statements(nodes: list[ast.stmt], prefix: str) -> Iterator[ast.stmt]:
    """The statements of a file, those of its classes one by one, with the class in their name."""
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            inner, node.body = node.body, []
            node._within = prefix  # type: ignore[attr-defined]
            yield node
            yield from _statements(inner, f"{prefix}{node.name}.")
            node.body = inner
        else:
            node._within = prefix  # type: ignore[attr-defined]
            yield node


def _name(node: ast.stmt) -> str:
    within = getattr(node, "_within", "")
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return within + node.name
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    if names := [target.id for target in targets if isinstance(target, ast.Name)]:
        return within + names[0]
    return within + type(node).__name__.lower()


def _digest(node: ast.AST) -> str:
    return hashlib.sha256(ast.dump(node).encode()).hexdigest()


@dataclasses.dataclass
class Changes:
    """What differs between the documented version and a candidate.

    Attributes
    ----------
    functions
        File to the functions whose bodies differ or that are gone.
    modules
        File to names in what remains of it that differ: signatures, constants, imports, classes. New, gone and
        unparsable files are among them.
    texts
        Files of Python whose text differs in any way.
    others
        Files of the package that are no Python and differ.
    metadata
        Files about the package that differ: its version, what it requires.
    """

    functions: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    modules: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    texts: set[str] = dataclasses.field(default_factory=set)
    others: set[str] = dataclasses.field(default_factory=set)
    metadata: set[str] = dataclasses.field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.functions or self.modules or self.others)

    def reach(self, touched: dict[str, Any] | None, raised: set[str], backend: str) -> set[tuple[str, str]]:
        """What of these changes a result can depend on, as pairs of a file and a name; empty where it cannot.

        Parameters
        ----------
        touched
            What was noted with the result, of which nothing is known where it is empty or None.
        raised
            Files of Mithril that raised an error in it, whose lines it tells.
        backend
            The backend that it ran on.
        """
        every = {(file, name) for found in (self.functions, self.modules) for file in found for name in found[file]}
        every |= {(file, MODULE) for file in self.others}
        if not touched or "functions" not in touched:
            return every | {(file, MODULE) for file in self.texts | self.metadata}
        beyond: str = touched.get("beyond", "")
        if beyond and not beyond.startswith("PyTorch"):
            return every
        loaded: dict[str, set[str]] = {file: set(names) for file, names in touched["functions"].items()}
        found = set()
        for file, names in self.functions.items():
            followed = beyond and file in loaded and not any(folder in file for folder in _BACKENDS)
            found |= {(file, name) for name in names if followed or name in loaded.get(file, ())}
        for file, names in self.modules.items():
            if file in loaded:
                found |= {(file, name) for name in names}
        read = {place.partition("/")[2] for place in touched.get("read", ()) if place.startswith("mithril/")}
        told = {place.partition("/")[2] for place in touched.get("read", ()) if ".dist-info/" in place}
        found |= {(file, MODULE) for file in self.texts & (read | raised) if file not in {known for known, _ in found}}
        found |= {(file, MODULE) for file in self.others if file in read or backend == "c"}
        return found | {(f"metadata: {file}", MODULE) for file in self.metadata & told}


@functools.cache
def _units_of(path: Path) -> dict[str, Unit]:
    return units(path.read_text(encoding="utf-8", errors="replace"))


def changes(documented: Path, candidate: Path) -> Changes:
    """Compare two trees, each a folder that holds ``mithril/`` and what its installer wrote about it."""
    found = Changes()
    before, after = package_files(documented), package_files(candidate)
    for place in sorted(before.keys() | after.keys()):
        old, new = before.get(place), after.get(place)
        if not place.endswith(".py"):
            if old is None or new is None or old.read_bytes() != new.read_bytes():
                found.others.add(place)
            continue
        if old is None or new is None:
            found.modules[place] = {"a new file" if old is None else "the file is gone"}
            found.texts.add(place)
            continue
        if old.read_bytes() == new.read_bytes():
            continue
        found.texts.add(place)
        first, second = _units_of(old), _units_of(new)
        names = {name for name in first if name != MODULE and first[name] != second.get(name)}
        if names:
            found.functions[place] = names
        if first[MODULE].digest != second[MODULE].digest:
            apart = set(first[MODULE].parts) ^ set(second[MODULE].parts)
            found.modules[place] = {name for name, _ in apart} or {"the order of its statements"}
    told, tells = metadata_files(documented), metadata_files(candidate)
    found.metadata = {name for name in told.keys() | tells.keys() if told.get(name) != tells.get(name)}
    return found
