"""Words on a picture: wrapped or cut to a width."""

import functools
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

LINE = 24
"""Height of a line that stands alone."""
LEADING = 20
"""Height of each line of several."""
_SIZE = 15
_INK = (32, 32, 32)


def length(text: str) -> int:
    """Width of a text in pixels."""
    return int(_font().getlength(text))


def write(sheet: Image.Image, text: str, left: int, top: int, width: int) -> None:
    """Write one line, cut to the width, ending in "…" where it is."""
    if length(text) > width:
        while text and length(text + "…") > width:
            text = text[:-1]
        text = text.rstrip() + "…"
    ImageDraw.Draw(sheet).text((left, top), text, fill=_INK, font=_font())


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines of at most a width, between words where that can be, and where it has line breaks."""
    lines = []
    for line in text.splitlines():
        lines.append("")
        for word in line.split():
            joined = f"{lines[-1]} {word}".lstrip()
            head, *rest = [joined] if length(joined) <= width else [lines[-1], *_pieces(word, width)]
            lines[-1:] = [head, *rest] if head else rest
    return lines


def _pieces(word: str, width: int) -> list[str]:
    """A word in pieces that fit."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and length(pieces[-1] + letter) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


@functools.cache
def _font() -> ImageFont.FreeTypeFont:
    """Matplotlib's own font: it is always there, and knows more than Latin letters."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), _SIZE)
