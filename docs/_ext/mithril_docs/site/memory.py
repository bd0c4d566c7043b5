"""When memory is collected: Sphinx's trees are cyclic, and left to itself the collector walks all of them all the time.

That takes a sixth of a render. Collecting after every few pages keeps memory as flat at a fraction of the cost, and
what has outlived a collection, the environment above all, is not walked again.
"""

from __future__ import annotations

import gc

from sphinx.application import Sphinx

#: Pages that are read or written between two collections.
PAGES = 20

_seen = 0


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _take_over)
    for event in ("doctree-read", "html-page-context"):
        app.connect(event, _collect)
    app.connect("build-finished", _give_back)


def _take_over(app: Sphinx) -> None:
    gc.disable()
    gc.freeze()


def _collect(app: Sphinx, *_: object) -> None:
    global _seen
    _seen += 1
    if _seen % PAGES == 0:
        gc.collect()
        gc.freeze()


def _give_back(app: Sphinx, exception: Exception | None) -> None:
    gc.unfreeze()
    gc.enable()
