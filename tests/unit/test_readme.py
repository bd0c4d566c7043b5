"""What the README names is there."""

from __future__ import annotations

import re
import sys

from support.places import ROOT


def test_places_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = re.findall(r"`((?:docs|tests|constraints|examples|\.ci|\.github)/[\w./-]*)`", text)
    assert names
    for name in names:
        assert (ROOT / name).exists(), name
    assert sys.version_info[:2] == (3, 12)
