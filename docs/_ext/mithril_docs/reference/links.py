"""Where names in the reference lead: the table ``links.toml``, and docstrings that must be shown as they are."""

from __future__ import annotations

import functools
import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from mithril_docs.reference import package


def setup(app: Sphinx) -> None:
    package.installed()  # before autodoc imports it without the stand-ins
    app.connect("missing-reference", _lead)
    app.connect("autodoc-process-docstring", _verbatim, priority=400)  # before napoleon reads sections into it
    app.connect("autodoc-process-docstring", _list_all_parameters, priority=600)  # behind those that have types


@functools.cache
def _table() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _longest(table: str, name: str) -> str | None:
    """The value of the longest key that is the name, or ends in a dot and begins it."""
    found = [key for key in _table()[table] if key == name or (key.endswith(".") and name.startswith(key))]
    return _table()[table][max(found, key=len)] if found else None


def _lead(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement) -> nodes.Node | None:
    """Lead a Python name to where the table says; None, and so a warning, for a name that it does not hold."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"]
    if address := _longest("outside", name):
        return nodes.reference("", "", content, refuri=address.format(name=name), internal=False)
    if other := _longest("inside", name):
        python = env.domains["py"]
        place = node["refdoc"]
        return (
            python.resolve_any_xref(env, place, app.builder, other, node, content)[0][1]
            if _known(env, other)
            else content
        )
    return content if _longest("nowhere", name) else None


def _known(env: BuildEnvironment, name: str) -> bool:
    return name in env.domaindata["py"]["objects"]


def _verbatim(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if name in _table()["silent"]:
        lines.clear()
    elif name in _table()["verbatim"]:
        lines[:] = ["::", "", *(f"    {line}" for line in lines), ""]


def _list_all_parameters(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """List parameters that no annotation states the type of beside the others, which sphinx-autodoc-typehints lists."""
    if what not in ("class", "function", "method"):
        return
    try:
        parameters = list(inspect.signature(obj).parameters.values())
    except (TypeError, ValueError):
        return
    stated = {found for line in lines for found in re.findall(r"^:param (?:[^:]* )?[\\*]*(\w+):", line)}
    silent = [p for p in parameters if p.annotation is p.empty and p.name not in stated | {"self", "cls"}]
    if silent and not any(line.startswith(":") for line in lines[-1:]):
        lines += [""]
    for parameter in silent:
        default = "" if parameter.default is parameter.empty else f", default: ``{parameter.default!r}``"
        lines.append(f":param {parameter.name}: no type is stated{default}")
