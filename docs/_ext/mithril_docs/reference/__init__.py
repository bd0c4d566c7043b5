"""Inside Sphinx, beside stand-ins for the frameworks: the reference, made from the live package."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from mithril_docs.reference import conformance, coverage, directives, links, matrix
from mithril_docs.site import PARALLEL


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the reference with Sphinx."""
    for part in (links, conformance, directives, matrix, coverage):
        part.setup(app)
    return dict(PARALLEL)
