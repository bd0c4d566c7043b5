"""The public names of Mithril: what a candidate adds, removes and changes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import griffe

from mithril_docs.gate.candidate import PACKAGE
from mithril_docs.gate.findings import BREAKS, CATCH_UP, Finding


def api_findings(documented: Path, candidate: Path) -> Iterator[Finding]:
    """Compare the public names of two trees: names, parameters, defaults, classes, and the messages of errors."""
    old = griffe.load(PACKAGE, search_paths=[str(documented)], resolve_aliases=True, allow_inspection=False)
    new = griffe.load(PACKAGE, search_paths=[str(candidate)], resolve_aliases=True, allow_inspection=False)
    seen = set()
    for breakage in griffe.find_breaking_changes(old, new):
        told = breakage.as_dict()
        path = str(told["object_path"]).removeprefix(f"{PACKAGE}.")
        kind = breakage.kind.value
        first, second = _words(told.get("old_value")), _words(told.get("new_value"))
        key = path, kind, first, second
        if key in seen:
            continue
        seen.add(key)
        parts = f": {first} became {second}" if first and second else f": {first or second}" if first or second else ""
        yield Finding("api", BREAKS, path, "", 0, f"{kind[:1].lower()}{kind[1:]}{parts}", first, second, _reach(path))
    before, after = dict(_signatures(old)), dict(_signatures(new))
    for path in sorted(after.keys() - before.keys()):
        parent = path.rpartition(".")[0]
        if parent in after and parent not in before:
            continue  # told of with what it belongs to
        yield Finding("api", CATCH_UP, path, "", 0, f"new: {after[path]}", "", after[path], _reach(path))
    for path in sorted(before.keys() & after.keys()):
        if before[path] != after[path] and not any(path == where for where, *_ in seen):
            what = "its signature is another"
            if _only_optional_added(before[path], after[path]):
                what = "it takes more, with defaults"
            yield Finding("api", CATCH_UP, path, "", 0, what, before[path], after[path], _reach(path))
    yield from _message_findings(documented, candidate)


def _reach(path: str) -> tuple[str, ...]:
    return (f"api:{path}",)


def _words(value: object) -> str:
    return "" if value is None else " ".join(str(value).split())


def _signatures(module: griffe.Object | griffe.Alias) -> Iterator[tuple[str, str]]:
    """The public functions, classes and attributes under a module, each with what a caller must know of it."""
    for name, member in sorted(module.members.items()):
        if name.startswith("_") and name != "__init__":
            continue
        if member.is_alias:
            continue
        path = member.path.removeprefix(f"{PACKAGE}.")
        if isinstance(member, griffe.Function):
            yield path, f"{member.name}({', '.join(_parameter(one) for one in member.parameters)})"
        elif isinstance(member, griffe.Class):
            yield path, f"class {member.name}({', '.join(map(str, member.bases))})"
            yield from _signatures(member)
        elif isinstance(member, griffe.Module):
            yield from _signatures(member)
        elif isinstance(member, griffe.Attribute) and module.is_module:
            yield path, f"{member.name}"


def _parameter(one: griffe.Parameter) -> str:
    note = f": {one.annotation}" if one.annotation is not None else ""
    return f"{one.name}{note}{f' = {one.default}' if one.default is not None else ''}"


def _only_optional_added(was: str, now: str) -> bool:
    first, second = was.rstrip(")").split(", "), now.rstrip(")").split(", ")
    return all(one in second for one in first) and all("=" in one for one in second if one not in first)


def _message_findings(documented: Path, candidate: Path) -> Iterator[Finding]:
    """Words of errors that are others, in functions that are in both: the error catalogue quotes them."""
    before, after = dict(_messages(documented)), dict(_messages(candidate))
    for path in sorted(before.keys() & after.keys()):
        gone, come = before[path] - after[path], after[path] - before[path]
        for one in sorted(gone):
            other = min(come, key=lambda words: _distance(words, one), default="")
            come.discard(other)
            what = "raises an error with other words" if other else "raises an error no more"
            yield Finding("api", BREAKS, path.replace(":", "."), "", 0, what, one, other, (path,))
        for one in sorted(come):
            yield Finding("api", CATCH_UP, path.replace(":", "."), "", 0, "raises a new error", "", one, (path,))


def _distance(a: str, b: str) -> float:
    import difflib

    return -difflib.SequenceMatcher(None, a, b).ratio()


def _messages(tree: Path) -> Iterator[tuple[str, set[str]]]:
    """The errors that each function raises: its file and name, and each class with its words."""
    root = tree / PACKAGE
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root).as_posix()
        for name, node in _functions(ast.parse(path.read_bytes()), ""):
            raised = (inner.exc for inner in ast.walk(node) if isinstance(inner, ast.Raise))
            yield f"{place}:{name}", {_told(error) for error in raised if error is not None}


def _told(error: ast.expr) -> str:
    """The class of an error and its words, as far as they stand in the code: what is put into them has other names."""
    words = [one.value for one in ast.walk(error) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    kind = error.func if isinstance(error, ast.Call) else error
    return f"{ast.unparse(kind)}: {' … '.join(words)}"


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + inner.name, inner
        elif isinstance(inner, ast.ClassDef):
            yield from _functions(inner, f"{prefix}{inner.name}.")
        elif not isinstance(inner, ast.expr):
            yield from _functions(inner, prefix)
