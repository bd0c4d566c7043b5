"""Executes pages beside one framework: nothing in this room knows Sphinx.

``pages`` decides what to execute and judges what came out, ``kernel`` runs a page's process, ``shell`` is that process.
``figures`` draws what it shows for the site.
"""
