"""Pictures with known pixels, and settings to see them with."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

NAMES = ("zebra", "street sign", "tabby", "goldfish", "umbrella", "airliner", "warplane")
"""Classes of a small network."""


class Settings(NamedTuple):
    """A ``Preprocess``."""

    size: int = 16
    resize: int = 16
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.25, 0.5, 1.0)
    scale: float = 1.0
    bgr: bool = False


def noise(seed: int, height: int = 20, width: int = 30) -> np.ndarray:
    """A picture like no other."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    """Write a PNG file, and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def png(pixels: np.ndarray) -> bytes:
    """A PNG file's content."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()
