"""Every place in the installed package that raises an error with a message, as ``ast`` finds it."""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator

from mithril_docs.backends import mithril_folder

#: What stands in a template for a value that is filled in when the error is raised.
HOLE = re.compile(r"\{[^{}]*\}+")


@dataclasses.dataclass(frozen=True)
class Place:
    """A ``raise`` or an ``assert`` with a message.

    Attributes
    ----------
    path, line, end
        The file, relative to the package, and the first and the last line of the statement.
    scope
        The function, as ``Model.extend``.
    kind
        The class of the exception.
    fixed
        The words of the message before, between and behind the values that are filled in.
    text
        The message as the source has it, with ``{name}`` where a value is filled in.
    """

    path: str
    line: int
    end: int
    scope: str
    kind: str
    fixed: tuple[str, ...]
    text: str

    @property
    def template(self) -> str:
        """Kind and message, the same for all spellings of the values and of white space."""
        return template(f"{self.kind}: {self.text}")

    def is_named(self, words: str) -> bool:
        """Whether words such as ``Model.extend`` or ``jax_backend/ops.py:auc_core`` name this place."""
        name = f"{self.path}:{self.scope}"
        return name == words or name.endswith((f"/{words}", f":{words}"))


def template(words: str) -> str:
    """A message in a form to compare: ``{}`` for each value, one space for any white space."""
    return " ".join(HOLE.sub("{}", words).split())


@functools.cache
def places() -> tuple[Place, ...]:
    """Every place of the installed package that raises with a message, by file and line."""
    found: list[Place] = []
    for path in sorted(mithril_folder().rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += _places(tree, path.relative_to(mithril_folder()).as_posix(), ())
    return tuple(sorted(found, key=lambda place: (place.path, place.line)))


def _places(node: ast.AST, path: str, scope: tuple[str, ...]) -> Iterator[Place]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):  # holds no statement
            continue
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from _places(child, path, (*scope, child.name))
            continue
        if isinstance(child, ast.Raise | ast.Assert) and (found := _message(child)):
            kind, message = found
            parts = tuple(_parts(message, node))
            text = "".join(part if isinstance(part, str) else f"{{{ast.unparse(part)}}}" for part in parts)
            yield Place(
                path, child.lineno, child.end_lineno or child.lineno, ".".join(scope), kind, _fixed(parts), text
            )
        yield from _places(child, path, scope)


def _message(node: ast.Raise | ast.Assert) -> tuple[str, ast.expr] | None:
    """The class of the exception and its message, where the node raises one with a message."""
    if isinstance(node, ast.Assert):
        return ("AssertionError", node.msg) if node.msg else None
    if isinstance(node.exc, ast.Call) and node.exc.args:
        return ast.unparse(node.exc.func), node.exc.args[0]
    return None


def _parts(message: ast.expr, around: ast.AST) -> Iterator[str | ast.expr]:
    """The words of a message, and the expressions between them."""
    if isinstance(message, ast.Constant):
        yield str(message.value)
    elif isinstance(message, ast.JoinedStr):
        for value in message.values:
            yield str(value.value) if isinstance(value, ast.Constant) else getattr(value, "value", value)
    elif isinstance(message, ast.BinOp) and isinstance(message.op, ast.Add):
        yield from _parts(message.left, around)
        yield from _parts(message.right, around)
    else:
        found = [node for node in ast.walk(around) if isinstance(node, ast.Assign)]
        name = ast.unparse(message)
        assigned = [node.value for node in found if [ast.unparse(target) for target in node.targets] == [name]]
        if assigned and isinstance(assigned[-1], ast.JoinedStr):
            yield from _parts(assigned[-1], around)
        else:
            yield message


def _fixed(parts: Iterable[str | ast.expr]) -> tuple[str, ...]:
    found = [""]
    for part in parts:
        if isinstance(part, str):
            found[-1] += part
        else:
            found.append("")
    return tuple(found)
