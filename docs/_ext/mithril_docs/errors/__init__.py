"""Inside Sphinx: the error catalogue, and the box that finds a pasted error in it."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from mithril_docs.errors import directives
from mithril_docs.site import PARALLEL


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the catalogue with Sphinx."""
    directives.setup(app)
    return dict(PARALLEL)
