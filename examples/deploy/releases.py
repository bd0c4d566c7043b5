"""Put releases live, one after the other: health, shadow, rollback."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from predict import (
    Predict,
    ReleaseError,
    batched,
    check,
    load,
    read_manifest,
)
from ways import run_release


class Releases:
    """A folder of releases, and a file that says which of them is live."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._file = root / "live.json"

    def history(self) -> list[str]:
        """The releases that were live. The last one is."""
        if not self._file.exists():
            return []
        return json.loads(self._file.read_text())

    def promote(self, name: str) -> None:
        """Make a release live, if it passes its check in a new process."""
        read_manifest(self.root / name)
        done = run_release(self.root / name, "--check")
        if done.returncode:
            raise ReleaseError(f"{name}: {done.stderr.strip()}")
        self._write([*self.history(), name])

    def rollback(self) -> None:
        """Make the release live that was so before."""
        if len(self.history()) < 2:
            raise ReleaseError("there is no release to go back to")
        self._write(self.history()[:-1])

    def _write(self, names: list[str]) -> None:
        """Replace the file at once, so that no reader sees half of it."""
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(names))
        part.replace(self._file)


@dataclass
class Shadow:
    """A release that sees each request, and whose answers nobody gets."""

    name: str
    predict: Predict
    rows: int = 0
    same: int = 0
    errors: int = 0

    def see(self, pixels: np.ndarray, scores: np.ndarray) -> None:
        """Count how often it agrees. Its errors harm nobody."""
        self.rows += len(pixels)
        try:
            found = self.predict(pixels)
        except Exception:
            self.errors += len(pixels)
            return
        same = found.argmax(axis=1) == scores.argmax(axis=1)
        self.same += int(same.sum())


class Service:
    """Answers requests with the live release."""

    def __init__(self, releases: Releases, size: int = 32) -> None:
        self.releases = releases
        self.size = size
        self.name: str | None = None
        self.shadow: Shadow | None = None
        self._predict: Predict | None = None

    @property
    def ready(self) -> bool:
        """Whether requests can be answered."""
        return self._predict is not None

    def refresh(self) -> None:
        """Load the live release if it is a new one. Then change over."""
        name = self.releases.history()[-1]
        if name != self.name:
            self._predict = self._warm(name)
            self.name = name

    def try_out(self, name: str) -> None:
        """Let a release see all requests from now on."""
        self.shadow = Shadow(name, self._warm(name))

    def answer(self, pixels: np.ndarray) -> np.ndarray:
        """The scores of the live release."""
        if self._predict is None:
            raise ReleaseError("not ready")
        scores = self._predict(pixels)
        if self.shadow is not None:
            self.shadow.see(pixels, scores)
        return scores

    def _warm(self, name: str) -> Predict:
        """A release whose first call is over, with the right scores."""
        folder = self.releases.root / name
        predict = functools.partial(batched, load(folder), size=self.size)
        check(folder, predict)
        return predict
