"""The machine that builds Mithril's documentation.

A page goes one straight line through this package::

    page.py ──▶ execute.py ──▶ store.py ──▶ merge.py ──▶ render.py ──▶ the site
               (kernel.py)               (verification.py, downloads.py)

``python -m mithril_docs execute`` runs inside one backend's environment; all that follows runs inside Sphinx, which
executes nothing.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the parts of the extension with Sphinx."""
    from mithril_docs import (
        coverage,
        directives,
        downloads,
        errors,
        glossary,
        reference,
        references,
        render,
        verification,
    )

    for part in (render, directives, glossary, reference, references, errors, coverage, verification, downloads):
        part.setup(app)
    # Pages that other code rendered are rendered anew.
    code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return {"version": "1", "env_version": zlib.crc32(code), "parallel_read_safe": True, "parallel_write_safe": True}
