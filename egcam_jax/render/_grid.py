"""Pictures side by side with their labels, and the file they go to."""

import os
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from egcam_jax.render import _text
from egcam_jax.render._colour import overlay

_GAP = 8
_GREY = 128
"""What the bar lies over: a photograph in the middle."""


def grid(
    rows: Sequence[Sequence[UInt8[np.ndarray, "_ _ 3"]]],
    *,
    titles: Sequence[str] = (),
    captions: Sequence[str] = (),
    labels: Sequence[Sequence[str]] = (),
    height: int = 448,
    bar: str | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Set pictures side by side on white, scaled to one height, with a title above each column.

    Args:
        rows: Rows of ``(H, W, 3)`` 8-bit pictures, equally many in each; a row's pictures may differ in size.
        titles: One for each column, or none; cut where they do not fit, ending in "…".
        captions: One below each row, or none; cut likewise.
        labels: One below each picture, wrapped to its column, or none.
        height: Of every picture in the result, in pixels.
        bar: A colour map drawn as a bar from low to high below the last column, as ``overlay`` lays it over mid
            grey, or ``None``.

    Returns:
        ``(H, W, 3)`` 8-bit picture.

    Raises:
        ValueError: No pictures, uneven rows, or labels that do not match in number.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import render
        >>> picture = np.zeros((8, 8, 3), np.uint8)
        >>> made = render.grid([[picture, picture]], height=16)
        >>> made.shape[1] > 2 * 16, int(made.max()), int(made.min())
        (True, 255, 0)
    """
    _check(rows, titles, captions, labels)
    cells = [[_scaled(image, height) for image in row] for row in rows]
    widths = [max(row[j].width for row in cells) for j in range(len(cells[0]))]
    lefts = list(accumulate(widths, lambda left, width: left + width + _GAP, initial=_GAP))
    wrapped = [[_text.wrap(label, width) for label, width in zip(row, widths)] for row in labels]
    below = [_below(row) for row in wrapped] or [0] * len(cells)
    heights = [height + space + (_text.LINE if captions else 0) + _GAP for space in below]
    tops = list(accumulate(heights, initial=_text.LINE + _GAP if titles else _GAP))
    sheet = Image.new("RGB", (lefts[-1], tops[-1] + (_text.LINE if bar else 0)), "white")
    for top, row in zip(tops, cells):
        for left, cell in zip(lefts, row):
            sheet.paste(cell, (left, top))
    for left, width, title in zip(lefts, widths, titles):
        _text.write(sheet, title, left, _GAP // 2, width)
    for top, words in zip(tops, wrapped):
        _write_labels(sheet, words, lefts, top + height + 2)
    for top, space, caption in zip(tops, below, captions):
        _text.write(sheet, caption, _GAP, top + height + space + 2, lefts[-1] - 2 * _GAP)
    if bar:
        _draw_bar(sheet, bar, lefts[-2], tops[-1], widths[-1])
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

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from egcam_jax import data, render
        >>> picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print((data.read(render.save_png(pathlib.Path(folder, "picture.png"), picture)) == picture).all())
        True
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be uint8 (H, W, 3); got {image.dtype} {image.shape}")
    Image.fromarray(image).save(path, format="PNG")
    return Path(path)


def _check(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    captions: Sequence[str],
    labels: Sequence[Sequence[str]],
) -> None:
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            f"rows: rows of {[len(row) for row in rows]} pictures came, at least one row, and equally many "
            "pictures in each, wanted"
        )
    for name, words, count in (("titles", titles, len(rows[0])), ("captions", captions, len(rows))):
        if words and len(words) != count:
            raise ValueError(f"{name} must be {count} or none; got {len(words)}")
    if labels and [len(row) for row in labels] != [len(row) for row in rows]:
        raise ValueError(
            f"labels must be one for each picture, as in rows, or none; got rows of {[len(row) for row in labels]}"
        )


def _scaled(image: np.ndarray, height: int) -> Image.Image:
    """Scale to a height; small pictures are enlarged bicubically, so that no pixel edges are invented."""
    picture = Image.fromarray(image)
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _below(labels: Sequence[Sequence[str]]) -> int:
    """Height that a row's labels take."""
    return _text.LEADING * max(map(len, labels)) + _GAP


def _write_labels(sheet: Image.Image, labels: Sequence[Sequence[str]], lefts: Sequence[int], top: int) -> None:
    for left, lines in zip(lefts, labels):
        for i, line in enumerate(lines):
            _text.write(sheet, line, left, top + i * _text.LEADING, sheet.width)


def _draw_bar(sheet: Image.Image, cmap: str, left: int, top: int, width: int) -> None:
    low, high = "low", "high"
    start = left + _text.length(low) + _GAP
    end = left + width - _text.length(high) - _GAP
    steps = max(2, end - start)
    levels = np.tile(np.linspace(0, 1, steps), (_text.LINE // 2, 1))
    colours = overlay(np.full((*levels.shape, 3), _GREY, np.uint8), levels, cmap=cmap)
    sheet.paste(Image.fromarray(colours), (start, top + 3))
    _text.write(sheet, low, left, top, width)
    _text.write(sheet, high, start + steps + _GAP, top, width)
