"""A color of a figure that was drawn for white paper, as it can be seen in both themes of the site."""

from __future__ import annotations

import functools

from coloraide import Color

#: The grounds of the two themes, and the text of the dark one, as docs/_static/theme.css and the theme have them.
LIGHT, DARK, DARK_TEXT = "#ffffff", "#14181e", "#ced6dd"
#: The least contrast of what is read, as WCAG asks of text, and of what helps to read it, such as a grid.
READ, HELP = 4.5, 3.0
#: Less than this on white is a tint: it sets off a part of the ground and is not read itself.
TINT = 1.8


def mark(color: str, least: float = READ) -> str:
    """What is read against the ground, as CSS: in each theme with at least this contrast."""
    if color == "#000000":
        return "currentColor"
    if is_ground(color):
        return shade(color)
    # A gray turns around with the ground: what stood out less stands out less.
    dark = _turned(color) if _is_gray(color) else color
    return _both(_seen(color, LIGHT, least), _seen(dark, DARK, least))


def shade(color: str) -> str:
    """What lies under words and lines, as CSS: in the dark theme light and dark change sides, and the hue stays."""
    if color == LIGHT:
        return "var(--pst-color-background)"
    return _both(color, _turned(color))


@functools.cache
def hex_of(words: str) -> str:
    """An opaque color, in any words of CSS, as ``#rrggbb``; empty where it is none."""
    found = Color.match(words, fullmatch=True)
    return found.color.convert("srgb").to_string(hex=True) if found and found.color.alpha() == 1 else ""


def is_ground(color: str) -> bool:
    """Whether a color is that of the ground, or so near to it that it is meant to vanish there."""
    return _is_gray(color) and Color(color).contrast(LIGHT) < 1.2


def is_tint(color: str) -> bool:
    """Whether a color is too pale to be read."""
    return Color(color).contrast(LIGHT) < TINT


def _both(light: str, dark: str) -> str:
    return f"light-dark({light},{dark})"


@functools.cache
def _is_gray(color: str) -> bool:
    return Color(color).convert("oklch")["chroma"] < 0.02


@functools.cache
def _turned(color: str) -> str:
    """White becomes the dark ground, black the text on it, and all between what lies between.

    Pale colors end up lighter than pale grays: at the lightness of the ground no eye tells their hues apart.
    """
    low, high = (Color(name).convert("oklch")["lightness"] for name in (DARK, DARK_TEXT))
    found = Color(color).convert("oklch")
    low += 0.15 * min(found["chroma"] / 0.05, 1)
    return _hex(found.set("lightness", high - (high - low) * found["lightness"]))


@functools.cache
def _seen(color: str, ground: str, least: float) -> str:
    """A color made darker, or lighter on a dark ground, as little as gives it a contrast."""
    found = Color(color).convert("oklch")
    step = -0.005 if ground == LIGHT else 0.005
    while Color(_hex(found)).contrast(ground) < least:
        found.set("lightness", found["lightness"] + step)
    return _hex(found)


def _hex(color: Color) -> str:
    return color.convert("srgb").fit(method="oklch-chroma").to_string(hex=True)
