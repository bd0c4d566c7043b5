"""The text of a file, whatever wrote it."""

from __future__ import annotations

from pathlib import Path


class CannotReadError(Exception):
    """A file that holds no text; the message says why and what to do."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(words)
        self.line = line


def read_text(path: Path) -> str:
    """What a file holds, with line feeds between its lines. Raises :class:`CannotReadError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CannotReadError(1, f"the file cannot be read: {error.strerror}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        words = f"the file is not in UTF-8: byte 0x{content[error.start]:02x} is no part of it; save it as UTF-8"
        raise CannotReadError(line, words) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise CannotReadError(line, "the file holds a null character; save it as text in UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")
