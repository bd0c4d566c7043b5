"""What is left of a stream once its control characters have done their work: a bar of progress is its last state.

A carriage return goes back to where the line begins, a backspace takes away what stands before it, and what comes next
is written over what stands there, all as JupyterLab does it. JupyterLab takes the other marks of a terminal for
characters that can be written over; here colors belong to what they color, going up or down a line and erasing one do
what they do on a terminal, as bars of several lines need it, and of the other marks nothing is seen.
"""

from __future__ import annotations

import re

#: The marks of a terminal; those that end in ``m`` are colors.
_MARK = r"\x1b\[[0-9;:?]{0,40}[@-~]"
_MOVES = re.compile(r"[\r\b]|\x1b\[[0-9;:?]{0,40}[@-ln-~]")
_CHANGES_LINE = re.compile(r"\x1b\[[0-9]{0,40}[AB]")
_PARTS = re.compile(rf"([\r\b\n]|{_MARK})")
#: What a terminal obeys and does not show: titles, links, sets of characters.
_UNSEEN = re.compile(r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)|[()*+]\w|[=>78cDEM])")
#: A color that takes back those before it, and one that does nothing else.
_RESETS, _NO_COLOR = re.compile(r"\x1b\[0*[;m]"), re.compile(r"\x1b\[0*m")

#: Marks of color that are in force at once: those before them are as good as taken back.
COLORS = 16
#: A character and the marks of its color.
_Place = tuple[str, tuple[str, ...]]


def settled(text: str) -> str:
    """The text as it stands when the last of it was written."""
    if "\x1b" in text:
        text = _UNSEEN.sub("", text)
    if not _MOVES.search(text):
        return text
    if _CHANGES_LINE.search(text):
        return _Screen().written(text)
    return "\n".join(_Screen().written(line) if _MOVES.search(line) else line for line in text.split("\n"))


class _Screen:
    """Lines, and where the next character goes."""

    def __init__(self) -> None:
        self._lines: list[list[_Place]] = [[]]
        self._row = self._column = 0
        self._color: tuple[str, ...] = ()

    def written(self, text: str) -> str:
        """What a text comes to."""
        for place, part in enumerate(_PARTS.split(text)):
            if place % 2 == 0:
                self._write(part)
            elif part == "\n":
                self._row += 1
                self._column = 0
                self._lines += [[]] * (self._row == len(self._lines))
            elif part == "\r":
                self._column = 0
            elif part == "\b":
                self._take_back()
            else:
                self._mark(part[-1], part)
        return self._text()

    def _write(self, words: str) -> None:
        if not words:
            return
        line = self._lines[self._row]
        line += [(" ", ())] * (self._column - len(line))
        line[self._column : self._column + len(words)] = [(character, self._color) for character in words]
        self._column += len(words)

    def _take_back(self) -> None:
        if self._column:  # JupyterLab takes the one under the cursor too
            del self._lines[self._row][self._column - 1 : self._column + 1]
            self._column -= 1

    def _mark(self, kind: str, mark: str) -> None:
        number = int(mark[2:-1]) if mark[2:-1].isdigit() else None
        if kind == "m":
            before = () if _RESETS.match(mark) else tuple(other for other in self._color if other != mark)
            self._color = () if _NO_COLOR.match(mark) else (*before[1 - COLORS :], mark)
        elif kind == "A":
            self._row = max(self._row - (number or 1), 0)
        elif kind == "B":  # no further than there are lines
            self._row = min(self._row + (number or 1), len(self._lines) - 1)
        elif kind == "K":
            line = self._lines[self._row]
            if number in (1, 2):
                line[: self._column] = [(" ", ())] * min(self._column, len(line))
            if number != 1:
                del line[self._column :]

    def _text(self) -> str:
        now: tuple[str, ...] = ()
        rows = []
        for line in self._lines:
            row = []
            for character, color in line:
                if color != now:
                    row.append(_between(now, color))
                    now = color
                row.append(character)
            rows.append("".join(row))
        return "\n".join(rows) + _between(now, self._color)


def _between(before: tuple[str, ...], after: tuple[str, ...]) -> str:
    """The marks that lead from one color to another one."""
    if after[: len(before)] == before:
        return "".join(after[len(before) :])
    return "".join(("\x1b[0m", *after))
