"""The pages as Sphinx reads them: the merged notebook in the place of each, and a line for each thing that failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from mithril_docs.backends import BACKENDS
from mithril_docs.build import records
from mithril_docs.build.notebook import merged_notebook
from mithril_docs.page import NO_PAGES, find_strays
from mithril_docs.site.state import State, build_of, digest, put, state_of
from mithril_docs.store import Store

LOGGER = logging.getLogger(__name__)

#: The topic of pages that tell what became of all pages.
RECORDS = "records"


def setup(app: Sphinx) -> None:
    app.add_config_value("mithril_store", "build/store", "")
    app.add_config_value("mithril_backends", list(BACKENDS), "env", types=[list, str])
    app.setup_extension("myst_nb")
    app.connect("config-inited", _read_every_page_as_merged)
    app.connect("builder-inited", _collect)
    app.connect("env-get-outdated", _outdated)
    app.connect("source-read", _put_merged_notebook)


def read_notebook(text: str) -> nbformat.NotebookNode:
    """The notebook that :func:`_put_merged_notebook` wrote, not validated once more."""
    return nbformat.from_dict(json.loads(text))


def _read_every_page_as_merged(app: Sphinx, config: Any) -> None:
    config.exclude_patterns = [*config.exclude_patterns, *NO_PAGES]
    config.nb_execution_mode = "off"
    config.nb_custom_formats = {".md": [f"{__name__}.read_notebook", {}, False]}
    if isinstance(config.mithril_backends, str):  # from the command line: -D mithril_backends=numpy,jax
        config.mithril_backends = config.mithril_backends.split(",")


def _collect(app: Sphinx) -> None:
    """Read pages and store once, before anything is rendered, and report every failure in one line."""
    store = Store(Path(app.confdir, app.config.mithril_store))
    build = records.collect(Path(app.srcdir), store, app.config.mithril_backends)
    state = State(store, build)
    state.topics[RECORDS] = digest({name: _told(record) for name, record in build.records.items()})
    put(app, state)
    for words in records.environment_failures(build):
        LOGGER.warning(words, type="mithril", subtype="environment")
    for path, words in find_strays(Path(app.srcdir)):
        LOGGER.warning(words, type="mithril", subtype="page", location=f"{path}:1")
    for record in build.records.values():
        for line, words in record.failures:
            LOGGER.warning(words, type="mithril", subtype="page", location=(record.page.name, line))


def _told(record: records.Record) -> object:
    """What other pages tell of a page."""
    runs = [(name, run.status, run.result and run.result.seconds) for name, run in record.runs.items()]
    return runs, record.parity, record.page.roadmap


def _outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Pages whose merged notebook is another than the one rendered last, though their text is the same."""
    rendered: dict[str, str] = getattr(env, "mithril_docs_rendered", {})
    digests = {name: _digest(record) for name, record in build_of(app).records.items()}
    env.mithril_docs_rendered = digests  # type: ignore[attr-defined]
    return [name for name in env.found_docs if digests.get(name) != rendered.get(name)]


def _digest(record: records.Record) -> str:
    runs = [(name, run.status, run.failures, run.result and run.result.digest) for name, run in record.runs.items()]
    return digest((runs, record.failures))


def _put_merged_notebook(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = json.dumps(merged_notebook(state_of(app).build.records[docname]))
