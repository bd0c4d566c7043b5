"""The options of a card: each argument of a constructor, with its type, its default and a sentence from the page.

The page writes a field for each argument, ``:axis: The axis to reduce.``. Where the signature states no type, the page
does, in front of the name: ``:bool use_bias: Whether to add a bias.``
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from docutils import nodes

from mithril_docs.reference import package
from mithril_docs.site.tables import code


@dataclasses.dataclass(frozen=True)
class Sentence:
    """What a page says of an argument: the type where the page states one, and the nodes of its sentences."""

    type: str
    body: tuple[nodes.Node, ...]


def sentences(content: list[nodes.Node]) -> dict[str, Sentence]:
    """The fields of a directive's content by the name of the argument."""
    found = {}
    for listed in content:
        for field in listed.findall(nodes.field):
            name, body = field.children
            stated, _, argument = name.astext().rpartition(" ")
            found[argument] = Sentence(stated, tuple(body.children))
    return found


def problems(kind: type, said: dict[str, Sentence]) -> Iterator[str]:
    """Where sentences and the live constructor do not fit, in words."""
    wanted = _parameters(kind)
    for name, parameter in wanted.items():
        if name not in said:
            yield f"the option {name} of {kind.__name__} has no sentence"
        elif parameter.annotation is parameter.empty and not said[name].type:
            yield f"the signature of {kind.__name__} states no type of {name}: write one in front of its name"
        elif parameter.annotation is not parameter.empty and said[name].type:
            yield f"the signature of {kind.__name__} states the type of {name}, so its sentence must not"
    for name in said.keys() - wanted.keys():
        yield f"{kind.__name__} has no option {name}"


def listing(kind: type, said: dict[str, Sentence], undecided: nodes.Node) -> nodes.definition_list:
    """The options of a class in the order of its signature.

    Parameters
    ----------
    undecided
        What stands for ``ml.TBD`` in the types that allow it.
    """
    made = nodes.definition_list(classes=["mb-options"])
    hints = get_type_hints(inspect.getattr_static(kind, "__init__"))
    for name, parameter in _parameters(kind).items():
        if name not in said:
            continue
        term = nodes.term("", "", nodes.literal(name, str(parameter).partition(":")[0].partition("=")[0]))
        told = nodes.inline("", classes=["mb-type"])
        if name in hints:
            told += code(_type(hints[name]))
            if package.undecided() in _members(hints[name]):
                told += [nodes.Text(" or "), undecided.deepcopy()]
        else:
            told += [code(said[name].type), nodes.Text(" (not annotated)")]
        if parameter.default is not parameter.empty:
            told += [nodes.Text(", default "), code(repr(parameter.default))]  # autodoc made it as it is written
        elif parameter.kind is not parameter.VAR_KEYWORD:
            told += nodes.Text(", required")
        term += [nodes.Text(" "), told]
        made += nodes.definition_list_item("", term, nodes.definition("", *said[name].body))
    return made


def _parameters(kind: type) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(kind).parameters)


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _type(hint: Any) -> str:
    """A type as a reader writes it, without ``ToBeDetermined``."""
    if hint is Ellipsis:
        return "..."
    if get_origin(hint) in (Union, UnionType):
        return " | ".join(_type(part) for part in get_args(hint) if part is not package.undecided())
    if hint is NoneType:
        return "None"
    if inner := get_args(hint):
        return f"{get_origin(hint).__name__}[{', '.join(map(_type, inner))}]"
    return getattr(hint, "__name__", str(hint))
