"""Pictures side by side with their labels, and the file they go to."""

import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from egcam_jax.render._colour import colour_map

_GAP = 8
_TEXT = 15
_LINE = 24
_INK = (32, 32, 32)


def grid(
    rows: Sequence[Sequence[UInt8[np.ndarray, "_ _ 3"]]],
    *,
    titles: Sequence[str] = (),
    captions: Sequence[str] = (),
    height: int = 448,
    bar: str | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Set pictures side by side on white, scaled to one height, with a title above each column.

    Args:
        rows: Rows of ``(H, W, 3)`` 8-bit pictures, equally many in each; a row's pictures may differ in size.
        titles: One for each column, or none.
        captions: One below each row, or none.
        height: Of every picture in the result, in pixels.
        bar: A colour map drawn as a bar from low to high below the last column, or ``None``.

    Returns:
        ``(H, W, 3)`` 8-bit picture. Text that does not fit is cut, ending in "…".

    Raises:
        ValueError: No pictures, uneven rows, or labels that do not match in number.
    """
    _check(rows, titles, captions)
    cells = [[_scaled(image, height) for image in row] for row in rows]
    widths = [max(row[j].width for row in cells) for j in range(len(cells[0]))]
    lefts = [_GAP + sum(widths[:j]) + j * _GAP for j in range(len(widths))]
    row_height = height + (_LINE if captions else 0) + _GAP
    top = _LINE + _GAP if titles else _GAP
    total = (sum(widths) + _GAP * (len(widths) + 1), top + row_height * len(rows) + (_LINE if bar else 0))
    sheet = Image.new("RGB", total, "white")
    for i, row in enumerate(cells):
        for left, cell in zip(lefts, row):
            sheet.paste(cell, (left, top + i * row_height))
    for left, width, title in zip(lefts, widths, titles):
        _write(sheet, title, left, _GAP // 2, width)
    for i, caption in enumerate(captions):
        _write(sheet, caption, _GAP, top + i * row_height + height + 2, total[0] - 2 * _GAP)
    if bar:
        _draw_bar(sheet, bar, lefts[-1], total[1] - _LINE, widths[-1])
    return np.asarray(sheet)


def save_png(path: str | os.PathLike[str], image: UInt8[np.ndarray, "H W 3"]) -> Path:
    """Write a picture as PNG, which loses nothing.

    Args:
        path: File to write; what was there is replaced.
        image: ``(H, W, 3)`` 8-bit RGB picture.

    Returns:
        The file written.

    Raises:
        ValueError: The picture is not ``(H, W, 3)`` 8-bit.
        OSError: The file cannot be written.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: {image.dtype} {image.shape} came, uint8 (H, W, 3) wanted")
    Image.fromarray(image).save(path, format="PNG")
    return Path(path)


def _check(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str], captions: Sequence[str]) -> None:
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            f"rows: rows of {[len(row) for row in rows]} pictures came, at least one row, and equally many "
            "pictures in each, wanted"
        )
    for name, labels, count in (("titles", titles, len(rows[0])), ("captions", captions, len(rows))):
        if labels and len(labels) != count:
            raise ValueError(f"{name}: {len(labels)} came, {count} or none wanted")


def _scaled(image: np.ndarray, height: int) -> Image.Image:
    """Scale to a height; small pictures are enlarged bicubically, so that no pixel edges are invented."""
    picture = Image.fromarray(image)
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _write(sheet: Image.Image, text: str, left: int, top: int, width: int) -> None:
    font = _font()
    if font.getlength(text) > width:
        while text and font.getlength(text + "…") > width:
            text = text[:-1]
        text = text.rstrip() + "…"
    ImageDraw.Draw(sheet).text((left, top), text, fill=_INK, font=font)


def _draw_bar(sheet: Image.Image, cmap: str, left: int, top: int, width: int) -> None:
    low, high, font = "low", "high", _font()
    start = left + int(font.getlength(low)) + _GAP
    end = left + width - int(font.getlength(high)) - _GAP
    length = max(2, end - start)
    colours = colour_map(np.tile(np.linspace(0, 1, length), (_LINE // 2, 1)), cmap=cmap)
    sheet.paste(Image.fromarray(colours), (start, top + 3))
    _write(sheet, low, left, top, width)
    _write(sheet, high, start + length + _GAP, top, width)


def _font() -> ImageFont.FreeTypeFont:
    """Matplotlib's own font: it is always there, and knows more than Latin letters."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), _TEXT)
