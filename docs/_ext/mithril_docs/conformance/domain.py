"""Domains: what the options and inputs of a model may be, and beside it a reference, written from the definition."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import runpy
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mithril_docs.conformance.values import Draw

#: Bits of floating-point numbers that every model is tried with; the first is the default.
BITS = (32, 64, 16)
_found: dict[str, Domain] = {}


class DomainsError(Exception):
    """A file of domains is not as it should be; the message says where and how."""


class Refused(ValueError):  # noqa: N818
    """A reference raises it where a model must refuse: the definition gives no value."""


@dataclasses.dataclass(frozen=True)
class Domain:
    """A model with all that it is tried with.

    Attributes
    ----------
    model
        Its name in ``mithril.models``.
    options
        Option to its values, the plainest first.
    inputs
        The inputs of each trial, by name: a :class:`~mithril_docs.conformance.values.Draw`, or a plain value for an
        input that is no array.
    reference
        Takes all options and inputs by name: arrays as 64-bit NumPy arrays that hold what the backend gets. Returns
        the output, or a dictionary of outputs by name. If it has a parameter ``bits``, it gets the precision too.
    where
        Takes the same names, draws in place of arrays: whether the definition says what this gives.
    data
        Inputs that no gradient is asked for, beside those without floating-point numbers.
    constant
        Outputs that no gradient flows through.
    slope
        A function like the reference whose derivative is the right gradient, where that is another function.
    build
        Takes ``mithril.models`` and the options, and returns the model.
    code
        Python that makes ``model``, of a small graph that is no model of ``mithril.models``; empty for all others.
    random
        Whether the values are drawn anew in each call: shapes and types alone are compared.
    slack
        What tolerances are multiplied by, for a reason that stands beside it.
    dtype
        Takes the options by name: the name of the outputs' dtype where an option sets it, else None.
    sample
        How many cases are run where not all is proved, of a model that takes long to compile; 0 for the usual number.
    source
        The file.
    """

    model: str
    options: dict[str, list[Any]]
    inputs: list[dict[str, Any]]
    reference: Callable[..., Any]
    where: Callable[..., bool]
    data: frozenset[str]
    constant: frozenset[str]
    slope: Callable[..., Any]
    build: Callable[..., Any]
    code: str
    random: bool
    slack: float
    dtype: Callable[..., str | None]
    sample: int
    source: Path

    def chosen(self, case: Case) -> dict[str, Any]:
        """The options of a case."""
        return {name: values[case.options[place]] for place, (name, values) in enumerate(self.options.items())}

    def allows(self, case: Case) -> bool:
        """Whether the definition says what a case gives."""
        return bool(self.where(**self.chosen(case), **self.inputs[case.inputs]))

    def arrays(self, case: Case) -> dict[str, Any]:
        """The inputs of a case, made."""
        return {
            name: value.make(f"{self.model} {name}") if isinstance(value, Draw) else value
            for name, value in self.inputs[case.inputs].items()
        }

    @property
    def digest(self) -> str:
        """Of the file that it stands in."""
        return hashlib.sha256(self.source.read_bytes()).hexdigest()


@dataclasses.dataclass(frozen=True, order=True)
class Case:
    """One configuration: places in the lists of a domain, and in what way it runs.

    Attributes
    ----------
    inputs, options
        Places in the domain's lists.
    bits
        The precision of the backend.
    told
        Whether ``compile`` is told the shapes.
    jit
        Whether it compiles.
    """

    inputs: int
    options: tuple[int, ...]
    bits: int = BITS[0]
    told: bool = False
    jit: bool = False


def model(
    name: str,
    *,
    inputs: dict[str, list[Any]] | list[dict[str, Any]],
    options: dict[str, list[Any]] | None = None,
    where: Callable[..., bool] = lambda **_: True,
    data: Iterable[str] = (),
    constant: Iterable[str] = (),
    slope: Callable[..., Any] | None = None,
    build: Callable[..., Any] | None = None,
    code: str = "",
    random: bool = False,
    slack: float = 1.0,
    dtype: Callable[..., str | None] = lambda **_: None,
    sample: int = 0,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function the reference of a model; :class:`Domain` says what each argument is.

    ``inputs`` is a list of dictionaries, or, where inputs do not depend on each other, a dictionary of lists: the first
    of all lists are tried, and then each further one with the first of the others.
    """
    joint = inputs if isinstance(inputs, list) else _crossed(inputs)

    def keep(reference: Callable[..., Any]) -> Callable[..., Any]:
        if name in _found:
            raise ValueError(f"{name} has a domain in {_found[name].source.name} already")
        _found[name] = Domain(
            model=name,
            options=options or {},
            inputs=joint,
            reference=reference,
            where=where,
            data=frozenset(data),
            constant=frozenset(constant),
            slope=slope or reference,
            build=build or (lambda models, **chosen: getattr(models, name)(**chosen)),
            code=code,
            random=random,
            slack=slack,
            dtype=dtype,
            sample=sample,
            source=Path(inspect.getfile(reference)),
        )
        return reference

    return keep


def graph(
    name: str, code: str, *, inputs: dict[str, list[Any]] | list[dict[str, Any]], **more: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function the reference of a small graph of models: ``code`` makes it as ``model``, and takes no options.

    ``code`` sees ``ml`` and all of ``mithril.models``; ``more`` is what :func:`model` takes.
    """

    def build(models: Any) -> Any:
        import mithril

        made = {"ml": mithril, **vars(models)}
        exec(code, made)
        return made["model"]

    return model(name, inputs=inputs, build=build, code=code, **more)


def _crossed(lists: dict[str, list[Any]]) -> list[dict[str, Any]]:
    first = {name: values[0] for name, values in lists.items()}
    return [first] + [first | {name: value} for name, values in lists.items() for value in values[1:]]


@functools.cache
def domains(folder: Path) -> dict[str, Domain]:
    """The domains of all files in a folder, by model. Raises :class:`DomainsError`."""
    _found.clear()
    for path in sorted(folder.glob("*.py")):
        try:
            runpy.run_path(str(path))
        except Exception as error:
            rows = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
            row = error.lineno if isinstance(error, SyntaxError) else rows[-1] if rows else 1
            raise DomainsError(f"{path.name}:{row}: {type(error).__name__}: {error}") from error
    return dict(sorted(_found.items()))
