"""Stand-ins for the frameworks, so that every backend class can be described where none of them is installed.

Sphinx's own mock objects do not do: the backends compute with types (``jax.Array | None``) when they are imported.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

from mithril_docs.backends import BACKENDS


class _Kind(type):
    """The type of a stand-in: a class, for it must serve in annotations, with any attribute and any call."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _standin(f"{cls.__module__}.{cls.__qualname__}", name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        # A decorator hands back what it decorates.
        return args[0] if len(args) == 1 and callable(args[0]) and not kwargs else super().__call__()

    def __getitem__(cls, item: Any) -> Any:
        return cls


def _standin(module: str, name: str) -> Any:
    return _Kind(name, (), {"__module__": module})


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = _standin(self.__name__, name)
        setattr(self, name, made)
        return made


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, roots: set[str]) -> None:
        self.roots = roots

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        known = fullname.partition(".")[0] in self.roots
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if known else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


@contextlib.contextmanager
def standing_in() -> Iterator[None]:
    """Let every framework of the table be imported, as stand-ins; what was imported with them goes on to work."""
    finder = _Finder({module for row in BACKENDS.values() for module in row.modules})
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] in finder.roots]:
            del sys.modules[name]
