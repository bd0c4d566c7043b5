"""The machine that builds Mithril's documentation.

A page goes one straight line through this package::

    page ──▶ execute/ ──▶ store ──▶ build/ ──▶ site/ ──▶ the site

Each folder is a room with one answer to two questions: where its code runs, and what a change of it makes stale.

=================== =============================================== ==========================================
room                where it runs                                   what a change makes stale
=================== =============================================== ==========================================
the top             everywhere                                      everything
``execute/``        beside a framework, never in Sphinx             what every page and every model gave
``models/``         beside a framework, never in Sphinx             what every model gave
``conformance/``    beside a framework, or NumPy alone where it    what every case of conformance gave
                    draws, works out what is right, and judges
``build/``          anywhere: it turns plain values into others     what Sphinx rendered
``site/``           inside Sphinx                                   what Sphinx rendered
``reference/``      inside Sphinx, beside the stood-in frameworks   what Sphinx rendered
``errors/``         inside Sphinx                                   what Sphinx rendered
``gate/``           in the release gate, in an environment of its   nothing
                    own; it starts the rooms above beside Mithril
``commands/``       what nox calls and no page depends on           nothing
=================== =============================================== ==========================================

A room imports from those above it in the table, and from its own; ``tests/unit/test_rooms.py`` holds it to that.
"""
