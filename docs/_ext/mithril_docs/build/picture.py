"""The picture that others show beside a link to the site: its name, a sentence, and the backends."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

#: Width and height that the services which show such pictures ask for.
SIZE = (1200, 630)

BLUE, INK, GREY, PAPER, PALE = "#2b6cb0", "#16202b", "#4a5866", "#ffffff", "#e8f0f9"
#: The mark, as in ``docs/_static/logo.svg``: a hexagon, and an M in it.
HEXAGON = [(16, 1), (29, 8.5), (29, 23.5), (16, 31), (3, 23.5), (3, 8.5)]
LETTER = [(9.5, 21.5), (9.5, 10.5), (16, 17.5), (22.5, 10.5), (22.5, 21.5)]
MARGIN = 90


def picture(name: str, sentence: str, labels: list[str], key: str) -> bytes:
    """A PNG picture that holds ``key`` as a comment.

    Parameters
    ----------
    name, sentence, labels
        What it says: in large letters, below in smaller ones, and in a row of boxes at the foot.
    key
        Words that say what the picture was made from.
    """
    scale = 2  # drawn larger and made smaller, which smooths every edge
    image = Image.new("RGB", (SIZE[0] * scale, SIZE[1] * scale), PAPER)
    draw = ImageDraw.Draw(image)

    def at(x: float, y: float) -> tuple[float, float]:
        return x * scale, y * scale

    def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        return ImageFont.load_default(size * scale)

    draw.rectangle([at(0, 0), at(16, SIZE[1])], BLUE)
    zoom, left, top = 4.2, MARGIN - 12, 84
    placed = [at(left + x * zoom, top + y * zoom) for x, y in HEXAGON]
    draw.polygon(placed, BLUE)
    placed = [at(left + x * zoom, top + y * zoom) for x, y in LETTER]
    draw.line(placed, PAPER, int(3 * zoom * scale), joint="curve")
    for x, y in (placed[0], placed[-1]):
        half = 1.5 * zoom * scale
        draw.ellipse([x - half, y - half, x + half, y + half], PAPER)
    draw.text(at(left + 34 * zoom + 8, top + 16 * zoom), name, INK, font(104), anchor="lm")
    y = 290.0
    for row in _rows(draw, sentence, font(42), (SIZE[0] - 2 * MARGIN) * scale):
        draw.text(at(MARGIN, y), row, GREY, font(42))
        y += 58
    x = float(MARGIN)
    for label in labels:
        width = draw.textlength(label, font(34)) / scale + 56
        draw.rounded_rectangle([at(x, 490), at(x + width, 562)], 36 * scale, PALE)
        draw.text(at(x + width / 2, 526), label, BLUE, font(34), anchor="mm")
        x += width + 20
    made, told = io.BytesIO(), PngInfo()
    told.add_text("Comment", key)
    image.resize(SIZE, Image.Resampling.LANCZOS).quantize(64).save(made, "PNG", optimize=True, pnginfo=told)
    return made.getvalue()


def _rows(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float
          ) -> list[str]:  # fmt: skip
    """A text cut into rows of no more than a width."""
    rows: list[str] = []
    for word in text.split():
        longer = f"{rows[-1]} {word}" if rows else word
        if rows and draw.textlength(longer, font) <= width:
            rows[-1] = longer
        else:
            rows.append(word)
    return rows
