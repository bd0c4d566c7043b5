"""The names of the digits, and words as numbers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

NAMES = {
    "English": "zero one two three four five six seven eight nine",
    "German": "null eins zwei drei vier fuenf sechs sieben acht neun",
    "Dutch": "nul een twee drie vier vijf zes zeven acht negen",
    "French": "zero un deux trois quatre cinq six sept huit neuf",
    "Spanish": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "Italian": "zero uno due tre quattro cinque sei sette otto nove",
}
OTHERS = {
    "Portuguese": "zero um dois tres quatro cinco seis sete oito nove",
    "Catalan": "zero un dos tres quatre cinc sis set vuit nou",
    "Danish": "nul en to tre fire fem seks syv otte ni",
}
LETTERS = ".abcdefghijklmnopqrstuvwxyz"


def letter_pairs(words: Iterable[str]) -> np.ndarray:
    """(words, 729): how often each pair of letters occurs in each word."""
    words = list(words)
    counts = np.zeros((len(words), len(LETTERS) ** 2))
    for row, word in zip(counts, words, strict=True):
        for first, second in pairwise(f".{word}."):
            row[27 * LETTERS.index(first) + LETTERS.index(second)] += 1
    return counts
