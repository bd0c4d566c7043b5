"""Inside Sphinx: merged notebooks in the place of pages, what surrounds them, and the looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from mithril_docs.site import (
    address,
    assistants,
    coverage,
    cycles,
    facts,
    foot,
    glossary,
    gpu,
    leftovers,
    measured,
    memory,
    navigation,
    pages,
    panes,
    passages,
    pictures,
    private,
    search,
    social,
    state,
    takeaways,
    theme,
    verification,
)
from mithril_docs.store import code_digest, digest_of

#: All rooms whose code shapes what Sphinx renders.
_ROOMS = ("models", "conformance", "build", "site", "reference", "errors")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register each part with Sphinx."""
    reading = (private, memory, state, pages, panes, passages, pictures, glossary)
    telling = (coverage, cycles, navigation, verification, facts, measured, gpu, takeaways)
    published = (leftovers, search, assistants, address, social, foot)
    for part in (*reading, *telling, *published, theme):
        part.setup(app)
    # Pages that other code rendered are rendered anew.
    tables = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.parent.rglob("*.toml"))]
    version = int(digest_of(code_digest(*_ROOMS), tables)[:8], 16)
    return {"version": "1", "env_version": version, **PARALLEL}


#: Every part of this package may be read and written in several processes.
PARALLEL = {"parallel_read_safe": True, "parallel_write_safe": True}
