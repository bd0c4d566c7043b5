"""Conformance: every model over the domain of its options and inputs, on every backend, against a reference.

One straight line::

    domain ──▶ draw ──▶ run (a backend) ──▶ judge ──▶ causes
                 └────▶ reference (NumPy) ──┘

``docs/_conformance/`` holds the domains and references, a file for each page of cards.
"""

#: The rooms whose code the results of cases depend on.
ROOMS = ("execute", "models", "conformance")
