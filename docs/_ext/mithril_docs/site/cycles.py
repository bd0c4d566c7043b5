"""Toctrees that lead back to themselves: a line for each, where Sphinx would go round until it is out of memory."""

from __future__ import annotations

from collections.abc import Iterator

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)

#: The attribute of Sphinx's environment that holds the pages of the last build whose toctrees lead back.
_CUT = "mithril_docs_cut"


def setup(app: Sphinx) -> None:
    app.connect("config-inited", _tell_once)
    app.connect("env-get-outdated", _outdated)
    app.connect("env-updated", _cut, priority=100)


def _tell_once(app: Sphinx, config: Config) -> None:
    """Sphinx tells a cycle again on every page that has it in its sidebar, and not what to do."""
    config.suppress_warnings = [*config.suppress_warnings, "toc.circular"]


def _outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """The pages whose toctrees were cut: they are told of until they are mended."""
    return [name for name in getattr(env, _CUT, ()) if name in env.found_docs]


def _cut(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Take out of the toctrees what leads back."""
    found = list(_leading_back(env.toctree_includes, [app.config.root_doc, *sorted(env.toctree_includes)]))
    setattr(env, _CUT, sorted({page for page, _ in found}))
    for page, other in found:
        env.toctree_includes[page] = [name for name in env.toctree_includes[page] if name != other]
        words = "the toctree names '%s', whose own toctrees lead back to this page: take the page out of one of them"
        LOGGER.warning(words, other, type="mithril", subtype="toctree", location=(page, 1))
    return []


def _leading_back(includes: dict[str, list[str]], starts: list[str]) -> Iterator[tuple[str, str]]:
    """The pages, and what in their toctrees is one of the pages above them or themselves."""
    done: set[str] = set()
    for start in starts:
        above = {start: iter(includes.get(start, ()))}
        while above:
            page, names = next(reversed(above.items()))
            name = next(names, None)
            if name is None:
                above.pop(page)
                done.add(page)
            elif name in above:
                yield page, name
            elif name not in done:
                above[name] = iter(includes.get(name, ()))
