"""What the installed package offers, as ``inspect`` finds it: the names that the reference must describe."""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any
from unittest import mock

from mithril_docs.reference.standins import standing_in

#: Classes whose public methods and properties are described, by the name they are imported under.
CLASSES = (
    "mithril.models.Model",
    "mithril.models.PhysicalModel",
    "mithril.models.TrainModel",
    "mithril.models.Connection",
    "mithril.IOKey",
    "mithril.Connect",
    "mithril.Backend",
    "mithril.NumpyBackend",
    "mithril.TorchBackend",
    "mithril.JaxBackend",
    "mithril.MlxBackend",
    "mithril.CBackend",
)
#: Modules whose public functions are described.
MODULES = ("mithril.utils.dict_conversions",)


@functools.cache
def installed() -> Any:
    """The ``mithril`` module, with every backend class in its place."""
    with standing_in():
        import mithril
        from mithril.backends.with_autograd.mlx_backend import MlxBackend

        with mock.patch("ctypes.CDLL"):  # the library that it loads is built by the user
            from mithril.backends.with_manualgrad.c_backend.backend import CBackend
        mithril.MlxBackend, mithril.CBackend = MlxBackend, CBackend
        setattr(type(mithril.TBD), "__repr__", _tbd)  # noqa: B010 - a default, which signatures show
    return mithril


def _tbd(self: object) -> str:
    return "TBD"


def undecided() -> type:
    """The type of ``ml.TBD``."""
    return type(installed().TBD)


@functools.cache
def models() -> dict[str, type]:
    """The model classes of ``mithril.models``, by name."""
    base = installed().models.BaseModel
    found = vars(installed().models).items()
    return {name: kind for name, kind in sorted(found) if inspect.isclass(kind) and issubclass(kind, base)}


def classes() -> set[str]:
    """The names of all public classes."""
    return {*models(), *(path.rpartition(".")[2] for path in CLASSES)}


def names() -> set[str]:
    """Every public name that the reference must describe, as a reader would import or call it."""
    found = {f"mithril.{name}" for name in installed().__all__} | {f"mithril.models.{name}" for name in models()}
    for path in CLASSES:
        found |= {path} | {f"{path}.{name}" for name in members(resolve(path))}
    for path in MODULES:
        module = importlib.import_module(path)
        functions = inspect.getmembers(module, inspect.isfunction)
        found |= {f"{path}.{name}" for name, function in functions if function.__module__ == path}
    return found


def members(kind: type) -> list[str]:
    """The public methods and properties of a class, inherited ones too."""
    found = inspect.getmembers(kind, lambda value: inspect.isroutine(value) or isinstance(value, property))
    return [name for name, value in found if not name.startswith("_")]


def resolve(path: str) -> Any:
    """The object at a dotted path such as ``mithril.models.Model.summary``. Raises :class:`AttributeError`."""
    installed()
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            found = getattr(found, name)
        return found
    raise AttributeError(path)


def _undecorated(function: Any) -> Any:
    """The function behind a decorator that hides its signature, as ``TrainModel`` has on its methods."""
    inner = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    return next((found for found in inner if inspect.isfunction(found)), function)


#: Functions and methods whose parameters are options that the configuration reference describes.
CONFIGURED = (
    "mithril.compile",
    "mithril.NumpyBackend",
    "mithril.TorchBackend",
    "mithril.JaxBackend",
    "mithril.MlxBackend",
    "mithril.models.TrainModel.add_loss",
    "mithril.models.TrainModel.add_regularization",
    "mithril.models.TrainModel.add_metric",
    "mithril.models.TrainModel.set_loss_combiner",
    "mithril.models.TrainModel.summary",
    "mithril.models.Model.summary",
    "mithril.models.PhysicalModel.summary",
)


def options() -> dict[str, inspect.Parameter]:
    """Every configuration option, such as ``compile.jit``, with its parameter in the live signature."""
    found: dict[str, inspect.Parameter] = {}
    for path in CONFIGURED:
        parameters = inspect.signature(_undecorated(resolve(path))).parameters
        short = path.removeprefix("mithril.").removeprefix("models.")
        named = [p for p in parameters.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name != "self"]
        found |= {f"{short}.{parameter.name}": parameter for parameter in named}
    return found
