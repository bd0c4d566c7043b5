"""Runs the models of the cards beside one framework: nothing in this room knows Sphinx."""
