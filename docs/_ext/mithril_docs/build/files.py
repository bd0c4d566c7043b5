"""Files of the site, written only where they change, so that what looks at times sees what is new."""

from __future__ import annotations

from pathlib import Path


def write(path: Path, content: str) -> None:
    """Write a text, unless the file holds it already."""
    if path.is_file() and path.read_bytes() == content.encode():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
