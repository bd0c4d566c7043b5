"""What programs show of the package: the public names that cells use, by what is known of each object's class.

Nothing is run. A program is walked in order, and each expression is worth what the package itself says: a class that is
called gives an object of it, a function or a method what its annotation promises. What is not known counts for nothing.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Iterator
from types import ModuleType, UnionType
from typing import Any, NamedTuple

from mithril_docs.backends import BACKENDS, WRITTEN_CLASS
from mithril_docs.page import Page
from mithril_docs.reference import package

#: How deep a program's own functions are followed.
_DEEPEST = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """A class, function, module or constant itself, with the name that it was asked for by, from the package's."""

    value: Any
    path: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and other.value is self.value and other.path == self.path

    def __hash__(self) -> int:
        return id(self.value)


class Object(NamedTuple):
    """An object of a class."""

    kind: type


class Method(NamedTuple):
    """A method, of an object of a class."""

    function: Any
    kind: type


class Items(NamedTuple):
    """Something that holds values."""

    inner: frozenset[Any]


class Local(NamedTuple):
    """A function of the program's own."""

    node: ast.FunctionDef | ast.Lambda


Value = Known | Object | Method | Items | Local
Values = frozenset[Value]
NOTHING: Values = frozenset()


def shown_by(page: Page) -> set[str]:
    """The public names that a page's cells show at work, on all backends that it runs on."""
    program = _Program()
    for cell in page.cells:
        if cell.code:
            classes = [BACKENDS[name].cls for name in page.backends if cell.runs_on(name)]
            program.run_cell(cell.source, classes, "backend" in cell.tags)
    return program.shown


@functools.cache
def _names() -> frozenset[str]:
    return frozenset(package.names())


@functools.cache
def _by_identity() -> dict[int, str]:
    """Public classes and functions by identity, with the name that the reference has for each."""
    found = {name: package.resolve(name) for name in _names()}
    return {id(value): name for name, value in found.items() if inspect.isclass(value) or inspect.isfunction(value)}


@functools.cache
def _classes_by_name() -> dict[str, type]:
    return {path: package.resolve(path) for path in package.CLASSES}


@functools.cache
def _backends() -> frozenset[type]:
    return frozenset(_classes_by_name()[f"mithril.{row.cls}"] for row in BACKENDS.values())


@functools.cache
def _members(kind: type, name: str) -> frozenset[str]:
    """The public names of a member of an object.

    It is a member of the nearest class that the reference has, and of its abstract bases, of which there are no
    objects. Where another class inherits the very same function, this shows it there too; but a class is not shown by
    those that are made from it.
    """
    found = set()
    near = next((k for k in kind.__mro__ if k in _classes_by_name().values() and _has(k, name)), None)
    if near is None:
        return frozenset()
    member = inspect.getattr_static(near, name)
    for path, other in _classes_by_name().items():
        abstract = issubclass(near, other) and inspect.isabstract(other)
        inherited = not issubclass(near, other) and name not in vars(other) and _has(other, name)
        same = inherited and inspect.getattr_static(other, name) is member
        if other is near or abstract or same:
            found.add(f"{path}.{name}")
    return frozenset(found & _names())


def _has(kind: type, name: str) -> bool:
    return inspect.getattr_static(kind, name, None) is not None


#: What is called for an operator.
_OPERATORS: dict[type[ast.operator], str] = {
    ast.BitOr: "__or__",
    ast.Add: "__add__",
    ast.Sub: "__sub__",
    ast.Mult: "__mul__",
    ast.Div: "__truediv__",
    ast.MatMult: "__matmul__",
    ast.Pow: "__pow__",
}


class _Program:
    """A program on its way, with what its names are worth."""

    def __init__(self) -> None:
        self.shown: set[str] = set()
        self._names: dict[str, Values] = {}
        self._depth = 0
        #: The backends' classes that the cell has objects of, and what stands there for the class that pages name.
        self._here: frozenset[Any] = frozenset()
        self._swapped: Values = NOTHING

    def run_cell(self, code: str, classes: list[str], swapped: bool) -> None:
        """Walk a cell that runs with these backend classes; it may name one for all of them."""
        package.installed()
        values = [package.resolve(f"mithril.{name}") for name in classes]
        self._here = frozenset(values)
        self._swapped = frozenset(Known(value, f"mithril.{value.__name__}") for value in values) if swapped else NOTHING
        for statement in ast.parse(code).body:
            self.run(statement)

    def run(self, node: ast.stmt) -> Values:
        """Walk a statement; what a ``return`` in it gives."""
        match node:
            case ast.Import(names):
                for alias in names:
                    self._import(alias.name, alias.asname)
            case ast.ImportFrom(module, names) if module and module.partition(".")[0] == "mithril":
                package.installed()
                for alias in names:
                    self._import_from(module, alias.name, alias.asname or alias.name)
            case ast.FunctionDef(name):
                for used in (*node.decorator_list, *node.args.defaults):
                    self.worth(used)
                self._names[name] = frozenset([Local(node)])
                self._call_local(Local(node), {})
            case ast.ClassDef(name, bases):
                kinds = [base.value for part in bases for base in self.worth(part) if isinstance(base, Known)]
                self._names[name] = frozenset(Known(kind) for kind in kinds if isinstance(kind, type))
                inner = frozenset(Object(kind) for kind in kinds if isinstance(kind, type))
                for part in node.body:
                    if isinstance(part, ast.FunctionDef) and part.args.args:
                        for decorator in part.decorator_list:
                            self.worth(decorator)
                        self._call_local(Local(part), {part.args.args[0].arg: inner})
                    else:
                        self.run(part)
            case ast.Assign(targets, value):
                worth = self.worth(value)
                for target in targets:
                    self._bind(target, worth)
            case ast.AnnAssign(target, _, value) if value:
                self._bind(target, self.worth(value))
            case ast.AugAssign(target, operator, value):
                self.worth(value)
                self._bind(target, self._operate(self.worth(target), operator) or self.worth(target))
            case ast.For(target, iterable, body, orelse):
                self._bind(target, self._inside(self.worth(iterable)))
                return self._all([*body, *orelse])
            case ast.With(items, body):
                for item in items:
                    worth = self.worth(item.context_expr)
                    if item.optional_vars:
                        self._bind(item.optional_vars, worth)
                return self._all(body)
            case ast.Return(value) if value:
                return self.worth(value)
            case _:
                found = NOTHING
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.worth(child)
                    elif isinstance(child, ast.stmt):
                        found |= self.run(child)
                    else:
                        found |= self._all([part for part in ast.iter_child_nodes(child) if isinstance(part, ast.stmt)])
                return found
        return NOTHING

    def _all(self, body: list[ast.stmt]) -> Values:
        return frozenset(value for statement in body for value in self.run(statement))

    def _import(self, path: str, name: str | None) -> None:
        if path.partition(".")[0] == "mithril":
            package.installed()
            self._names[name or "mithril"] = frozenset([Known(importlib.import_module(path if name else "mithril"))])

    def _import_from(self, module: str, name: str, called: str) -> None:
        if name == "*":
            found = importlib.import_module(module)
            for inner in getattr(found, "__all__", None) or [n for n in vars(found) if n[0] != "_"]:
                self._import_from(module, inner, inner)
            return
        self._names[called] = _of(importlib.import_module(module), name)

    def _bind(self, target: ast.expr, worth: Values) -> None:
        if isinstance(target, ast.Name):
            self._names[target.id] = worth
        elif isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self._bind(part, self._inside(worth))
        elif isinstance(target, ast.Starred):
            self._bind(target.value, worth)
        else:
            self.worth(target)

    def worth(self, node: ast.expr) -> Values:
        """What an expression is worth; what it uses is shown."""
        match node:
            case ast.Name(name):
                return self._show(self._names.get(name, NOTHING))
            case ast.Attribute(value, name):
                return frozenset(found for inner in self.worth(value) for found in self._attribute(inner, name))
            case ast.Call(function, arguments, keywords):
                return self._call(function, arguments, keywords)
            case ast.List(parts) | ast.Tuple(parts) | ast.Set(parts):
                return frozenset([Items(frozenset(value for part in parts for value in self.worth(part)))])
            case ast.Dict(keys, values):
                for key in keys:
                    if key:
                        self.worth(key)
                return frozenset([Items(frozenset(value for part in values for value in self.worth(part)))])
            case ast.Subscript(value, index):
                self.worth(index)
                worth = self.worth(value)
                return self._inside(worth) | self._special(worth, "__getitem__")
            case ast.BinOp(left, operator, right):
                self.worth(right)
                return self._operate(self.worth(left), operator)
            case ast.IfExp(test, body, orelse):
                self.worth(test)
                return self.worth(body) | self.worth(orelse)
            case ast.BoolOp(_, values):
                return frozenset(value for part in values for value in self.worth(part))
            case ast.NamedExpr(target, value):
                worth = self.worth(value)
                self._bind(target, worth)
                return worth
            case ast.Starred(value):
                return self._inside(self.worth(value))
            case ast.Lambda():
                self._call_local(Local(node), {})
                return frozenset([Local(node)])
            case ast.ListComp(element) | ast.SetComp(element) | ast.GeneratorExp(element):
                self._bind_generators(node.generators)
                return frozenset([Items(self.worth(element))])
            case ast.DictComp(key, value):
                self._bind_generators(node.generators)
                self.worth(key)
                return frozenset([Items(self.worth(value))])
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.worth(child)
        return NOTHING

    def _bind_generators(self, generators: list[ast.comprehension]) -> None:
        for part in generators:
            self._bind(part.target, self._inside(self.worth(part.iter)))
            for test in part.ifs:
                self.worth(test)

    def _show(self, values: Values) -> Values:
        for value in values:
            if isinstance(value, Known):
                name = value.path if value.path in _names() else _by_identity().get(id(value.value))
                self.shown |= {name} if name else set()
        return values

    def _inside(self, values: Values) -> Values:
        return frozenset(inner for value in values if isinstance(value, Items) for inner in value.inner)

    def _attribute(self, value: Value, name: str) -> Values:
        if isinstance(value, Known):
            if name == WRITTEN_CLASS and self._swapped:
                return self._show(self._swapped)
            if isinstance(value.value, type):
                self.shown |= _members(value.value, name)
            elif not isinstance(value.value, ModuleType):
                return NOTHING
            return self._show(_of(value.value, name))
        if isinstance(value, Items):  # what it holds may be reached in many ways: items(), values(), get()
            return frozenset([value])
        if not isinstance(value, Object):
            return NOTHING
        if value.kind not in self._here and value.kind in _backends():
            return NOTHING
        self.shown |= _members(value.kind, name)
        found = inspect.getattr_static(value.kind, name, None)
        if isinstance(found, property):
            return _promised(found.fget, value.kind)
        if isinstance(found, staticmethod | classmethod):
            return frozenset([Method(found.__func__, value.kind)])
        if inspect.isroutine(found):
            return frozenset([Method(found, value.kind)])
        if found is None and issubclass(value.kind, package.installed().models.BaseModel):
            return frozenset([Object(package.resolve("mithril.models.Connection"))])  # models have their terminals so
        return NOTHING

    def _call(self, function: ast.expr, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Values:
        called = self.worth(function)
        given = [self.worth(part) for part in arguments]
        named = {part.arg: self.worth(part.value) for part in keywords}
        if isinstance(function, ast.Name) and not called:
            if function.id in ("getattr", "hasattr") and len(arguments) > 1 and isinstance(arguments[1], ast.Constant):
                return frozenset(f for value in given[0] for f in self._attribute(value, str(arguments[1].value)))
            if function.id in (
                "list",
                "tuple",
                "sorted",
                "reversed",
                "iter",
                "next",
                "zip",
                "enumerate",
                "dict",
                "set",
            ):
                inner = frozenset(value for part in (*given, *named.values()) for value in self._inside(part))
                return inner if function.id == "next" else frozenset([Items(inner)])
            if function.id in ("copy", "deepcopy"):
                return given[0] if given else NOTHING
            if hasattr(builtins, function.id):
                return NOTHING
        found: set[Value] = set()
        for value in called:
            if isinstance(value, Known) and isinstance(value.value, type):
                found.add(Object(value.value))
            elif isinstance(value, Known):
                found |= _promised(value.value, None)
            elif isinstance(value, Method):
                found |= _promised(value.function, value.kind)
            elif isinstance(value, Object):
                found |= self._special(frozenset([value]), "__call__")
            elif isinstance(value, Items):
                found.add(value)
                found |= value.inner
            elif isinstance(value, Local):
                names = [part.arg for part in value.node.args.args]
                bound = dict(zip(names, given, strict=False)) | {k: v for k, v in named.items() if k}
                found |= self._call_local(value, bound)
        return frozenset(found)

    def _special(self, values: Values, name: str) -> Values:
        kinds = [value.kind for value in values if isinstance(value, Object)]
        methods = [(kind, getattr(kind, name, None)) for kind in kinds]
        return frozenset(found for kind, method in methods if method for found in _promised(method, kind))

    def _operate(self, values: Values, operator: ast.operator) -> Values:
        name = _OPERATORS.get(type(operator))
        return self._special(values, name) if name else NOTHING

    def _call_local(self, called: Local, bound: dict[str, Values]) -> Values:
        """Walk a function of the program's own with arguments of which something is known."""
        if self._depth >= _DEEPEST:
            return NOTHING
        self._depth += 1
        kept = dict(self._names)
        self._names |= {part.arg: NOTHING for part in called.node.args.args} | bound
        body = called.node.body
        found = self._all(body) if isinstance(body, list) else self.worth(body)
        self._names = kept
        self._depth -= 1
        return found


def _of(holder: Any, name: str) -> Values:
    """What a class or module has under a name."""
    missing = object()
    try:
        found = getattr(holder, name, missing)
    except Exception:
        return NOTHING
    return NOTHING if found is missing else frozenset([Known(found, f"{holder.__name__}.{name}")])


@functools.cache
def _promised(function: Any, kind: type | None) -> Values:
    """What a function's annotation says that it gives."""
    function = inspect.unwrap(function) if callable(function) else function
    annotation = getattr(function, "__annotations__", {}).get("return")
    if annotation is None:
        return NOTHING
    if isinstance(annotation, str):
        module = sys.modules.get(getattr(function, "__module__", ""), None)
        try:
            annotation = eval(annotation, {**vars(typing), **vars(module)} if module else {}, {"Self": kind})
        except Exception:
            return NOTHING
    return frozenset(Object(found) for found in _classes(annotation, kind))


def _classes(annotation: Any, kind: type | None) -> Iterator[type]:
    if annotation is typing.Self and kind:
        yield kind
    elif isinstance(annotation, UnionType) or typing.get_origin(annotation) is typing.Union:
        for inner in typing.get_args(annotation):
            yield from _classes(inner, kind)
    elif isinstance(origin := typing.get_origin(annotation), type):
        yield origin
    elif isinstance(annotation, type):
        yield annotation
