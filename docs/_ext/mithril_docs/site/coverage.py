"""What the site covers, as the rooms count it against the installed package; what is missing fails the build."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from mithril_docs.site.state import build_of, state_of

LOGGER = logging.getLogger(__name__)

#: Pages under this folder make the reference; a site without any is not asked to cover anything.
FOLDER = "reference/"


def setup(app: Sphinx) -> None:
    app.connect("env-check-consistency", _check)


def coverage(app: Sphinx) -> dict[str, Any]:
    """The counts for ``verification.json``, once all pages are read; empty where the site has no reference."""
    if not any(name.startswith(FOLDER) for name in build_of(app).records):
        return {}
    made = ((what, count()) for what, count in state_of(app).counted.items())
    return {what: counts for what, counts in made if counts}


def _check(app: Sphinx, env: BuildEnvironment) -> None:
    for part in coverage(app).values():
        for words in part["missing"]:
            LOGGER.warning("the reference is not complete: %s", words, type="mithril", subtype="coverage")
