"""The rooms of the package: which may import which, and what a change in each makes stale.

The table below is that of ``docs/_ext/mithril_docs/__init__.py``, written here once more.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import mithril_docs
from mithril_docs import conformance, site, store
from mithril_docs.models.cards import Card, model_key
from mithril_docs.page import read_page
from mithril_docs.results import Environment
from mithril_docs.site import private
from mithril_docs.store import code_digest, page_key
from support.places import EXTENSION, ROOT
from support.tiny import TinySite

PACKAGE = EXTENSION / "mithril_docs"
#: Room to what a change in it makes stale, from the top down; a room imports from its own and from those above it.
ROOMS = {
    "": {"pages", "models", "cases", "rendered"},
    "execute": {"pages", "models", "cases"},
    "models": {"models", "cases", "rendered"},
    "conformance": {"cases", "rendered"},
    "build": {"rendered"},
    "site": {"rendered"},
    "reference": {"rendered"},
    "errors": {"rendered"},
    "gate": set(),
    "commands": set(),
}
#: Rooms whose code may run inside Sphinx.
IN_SPHINX = ("site", "reference", "errors")
#: Sphinx, docutils and what builds on them.
SPHINX = re.compile(r"(sphinx|docutils|myst_|pydata_sphinx)")
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The room that a file of the package lies in."""
    return path.relative_to(PACKAGE).parent.as_posix().removeprefix(".")


def imported(code: str) -> Iterator[str]:
    """Every module that code imports, wherever in it; what only a checker of types reads is no import."""
    waiting: list[ast.AST] = [ast.parse(code)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            # What is imported may be a module itself.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def forbidden(room: str, module: str) -> bool:
    """Whether code of a room may not import a module."""
    first, _, rest = module.partition(".")
    if first == "mithril_docs":
        other = rest.partition(".")[0]
        order = list(ROOMS)
        return room != "commands" and order.index(other if other in ROOMS else "") > order.index(room)
    return bool(SPHINX.match(first)) and room not in (*IN_SPHINX, "commands")


def test_every_room_has_its_row() -> None:
    """The table, the package's own and the folders name the same rooms; a room has no rooms inside."""
    assert {room_of(path) for path in FILES} == {*ROOMS}
    assert mithril_docs.__doc__
    told = re.findall(r"^(?:``(\w+)/``|the top) {2,}", mithril_docs.__doc__, re.MULTILINE)
    assert told == list(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_room_imports_from_above(path: Path) -> None:
    room = room_of(path)
    assert [module for module in imported(path.read_text(encoding="utf-8")) if forbidden(room, module)] == []


@pytest.mark.parametrize(
    ("room", "code", "found"),
    [
        ("", "import mithril_docs.execute.pages", True),
        ("", "from mithril_docs import build", True),
        ("", "from mithril_docs import page", False),
        ("execute", "def f():\n    from docutils import nodes", True),
        ("execute", "from mithril_docs.models.cards import Card", True),
        ("models", "from mithril_docs.execute import environment", False),
        ("build", "if x:\n    import sphinx.util", True),
        ("build", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sphinx", False),
        ("build", "if TYPE_CHECKING:\n    import ast\nelse:\n    import sphinx", True),
        ("build", "import myst_nb", True),
        ("site", "import sphinx", False),
        ("site", "from mithril_docs.reference.package import names", True),
        ("errors", "from mithril_docs.reference import package", False),
        ("errors", "try:\n    from mithril_docs import commands\nexcept ImportError:\n    pass", True),
        ("commands", "import sphinx, mithril_docs.errors.catalogue", False),
    ],
)
def test_what_is_no_import_from_above_is_found(room: str, code: str, found: bool) -> None:
    assert any(forbidden(room, module) for module in imported(code)) is found


@pytest.fixture
def keys(tiny: TinySite, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, dict[str, str]]]:
    """A copy of the package that is taken for it, and the keys that depend on its code."""
    copy = tiny.folder / "mithril_docs"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(store, "_HERE", copy)
    yield copy, digests(tiny)
    code_digest.cache_clear()


def digests(tiny: TinySite) -> dict[str, str]:
    """What a page's result, a model's and a rendered page depend on, as the code now is."""
    code_digest.cache_clear()
    path, found = tiny.page("page"), Environment("digest")
    card = Card("Relu", "page", 1, "Relu()", "input=normal(2)", (), "", "", ())
    return {
        "pages": page_key(read_page(path, tiny.docs), "numpy", found),
        "models": model_key(card, "numpy", found),
        "cases": code_digest(*conformance.ROOMS),
        "rendered": code_digest(*site._ROOMS),
    }


def test_the_same_code_makes_nothing_stale(tiny: TinySite, keys: tuple[Path, dict[str, str]]) -> None:
    copy, before = keys
    (copy / "execute" / "notes.txt").write_text("no code")
    assert digests(tiny) == before


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_what_a_change_makes_stale(tiny: TinySite, keys: tuple[Path, dict[str, str]], path: Path) -> None:
    copy, before = keys
    with (copy / path.relative_to(PACKAGE)).open("a") as file:
        file.write("# changed\n")
    after = digests(tiny)
    assert {what for what in before if before[what] != after[what]} == ROOMS[room_of(path)]


def test_a_new_file_makes_stale_too(tiny: TinySite, keys: tuple[Path, dict[str, str]]) -> None:
    copy, before = keys
    (copy / "execute" / "new.py").write_text("x = 1\n")
    after = digests(tiny)
    assert {what for what in before if before[what] != after[what]} == ROOMS["execute"]


def test_what_libraries_do_not_promise_is_used_at_the_pins() -> None:
    """With another version of one of them, read :mod:`mithril_docs.site.private` again, then name it there."""
    rows = (ROOT / "constraints" / "site.txt").read_text().splitlines()
    pins = dict(row.split(" ;")[0].split("==") for row in rows if "==" in row)
    assert {name: pins.get(name) for name in private.READ_AT} == private.READ_AT


def test_docutils_mathematics_is_used_in_one_place() -> None:
    users = {path.relative_to(PACKAGE).as_posix() for path in FILES if any(
        module.startswith("docutils.utils.math") for module in imported(path.read_text(encoding="utf-8")))}  # fmt: skip
    assert users == {"site/private.py"}
