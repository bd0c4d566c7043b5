"""What draws the options of random networks."""

from __future__ import annotations

from typing import Any

import numpy as np


class Dice:
    """Draws options of layers."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def of(self, *choices: Any) -> Any:
        """One of these."""
        return choices[self.rng.integers(len(choices))]

    def size(self, low: int = 1, high: int = 6) -> int:
        """A whole number; both ends are possible."""
        return int(self.rng.integers(low, high + 1))

    def yes(self) -> bool:
        """True or False."""
        return bool(self.rng.integers(2))
