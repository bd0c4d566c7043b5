"""A byte-pair tokenizer, learned from a text."""

import re
from collections import Counter
from itertools import pairwise

WORD = re.compile(r" ?\w+| ?[^\w\s]+|\s")


def merged(word, pair, new):
    """The tokens of a word, with each such pair replaced by one token."""
    tokens = []
    for token in word:
        if tokens and (tokens[-1], token) == pair:
            tokens[-1] = new
        else:
            tokens.append(token)
    return tuple(tokens)


def learn_merges(text, count):
    """The pairs of tokens to merge, in order. Tokens 0 to 255 are bytes."""
    frequent = Counter(WORD.findall(text)).most_common(2000)
    words = {tuple(word.encode()): times for word, times in frequent}
    merges = []
    for new in range(256, 256 + count):
        pairs = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        words = {merged(w, best, new): times for w, times in words.items()}
        merges.append(best)
    return merges


class Tokenizer:
    """Byte-pair encoding: 256 bytes and one more token for each merge."""

    def __init__(self, merges):
        self.rank = {pair: i for i, pair in enumerate(merges)}
        self.bytes = [bytes([i]) for i in range(256)]
        for left, right in merges:
            self.bytes.append(self.bytes[left] + self.bytes[right])

    def word(self, word):
        """A word as tokens: apply the earliest merge until none is left."""
        tokens = tuple(word.encode())
        while known := [p for p in pairwise(tokens) if p in self.rank]:
            first = min(known, key=self.rank.get)
            tokens = merged(tokens, first, 256 + self.rank[first])
        return tokens

    def encode(self, text):
        """A text as a list of tokens."""
        words = WORD.findall(text)
        tokens = {word: self.word(word) for word in set(words)}
        return [token for word in words for token in tokens[word]]

    def decode(self, tokens):
        """Tokens as a text. Bytes that are no UTF-8 become a question mark."""
        joined = b"".join(self.bytes[token] for token in tokens)
        return joined.decode(errors="replace")
