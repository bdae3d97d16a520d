"""What a network was trained to see: the shortest side resized, the centre cropped, the values normalised."""

import math
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_SUPPORT = 3
"""Radius of the widest filter, in pixels of the smaller of the two pictures."""


@runtime_checkable
class Preprocess(Protocol):
    """The settings that a model's weights were trained with; every ``Model.preprocess`` has them.

    Example:
        >>> from egcam_jax import data, models
        >>> settings: data.Preprocess = models.Preprocess(size=32, resize=32)
        >>> settings.size
        32
    """

    @property
    def size(self) -> int | tuple[int, int]:
        """Side of the square that the network takes, in pixels; or height and width of an oblong."""

    @property
    def resize(self) -> int:
        """Length of the shortest side before the crop, in pixels."""

    @property
    def interpolation(self) -> str:
        """Filter of the resizing: "nearest", "bilinear", "bicubic" or "lanczos"."""

    @property
    def mean(self) -> tuple[float, ...]:
        """Subtracted from each channel, in the network's channel order; one number where it takes grey pictures."""

    @property
    def std(self) -> tuple[float, ...]:
        """Each channel is divided by it, in the network's channel order."""

    @property
    def scale(self) -> float:
        """Value of white before ``mean`` is subtracted: 255 or 1."""

    @property
    def bgr(self) -> bool:
        """Whether the network takes blue first."""


def crop(image: UInt8[np.ndarray, "H W 3"] | Image.Image, settings: Preprocess) -> UInt8[np.ndarray, "h w 3"]:
    """Resize the shortest side and crop the centre: the picture that the network sees, for the overlay.

    For an oblong network the picture is resized until it covers an oblong of the network's form whose shortest side is
    ``resize``.

    Args:
        image: ``(H, W, 3)`` 8-bit RGB picture, or Pillow's.
        settings: ``resize``, ``size`` and ``interpolation`` are used.

    Returns:
        ``(size, size, 3)`` 8-bit RGB picture, or ``(height, width, 3)``; in colour for networks of grey pictures too.

    Raises:
        TypeError: The picture is not 8-bit.
        ValueError: The picture is not ``(H, W, 3)``; the crop is larger than the resized picture; the
            interpolation is unknown.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import data, models
        >>> picture = np.zeros((4, 8, 3), np.uint8)
        >>> picture[:, 2:6] = 255  # white in the centre
        >>> data.crop(picture, models.Preprocess(size=4, resize=4))[..., 0].mean().item()
        255.0
    """
    return np.asarray(_centre(_picture(image), settings, _filter(settings.interpolation)))


def crop_mask(mask: Bool[np.ndarray, "H W"], settings: Preprocess) -> Bool[np.ndarray, "h w"]:
    """Resize and crop a mask as ``crop`` does its picture: true where at least half of a pixel is the object's.

    Args:
        mask: ``(H, W)``, of the picture's size.
        settings: ``resize`` and ``size`` are used.

    Returns:
        ``(size, size)`` mask.

    Raises:
        TypeError: The mask is not boolean.
        ValueError: The mask is not ``(H, W)``; the crop is larger than the resized mask.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import data, models
        >>> mask = np.zeros((4, 8), bool)
        >>> mask[:, 2:4] = True
        >>> data.crop_mask(mask, models.Preprocess(size=4, resize=4))[0].tolist()
        [True, True, False, False]
    """
    if mask.dtype != np.bool_:
        raise TypeError(f"mask must be booleans; got {mask.dtype} values. Compare the mask first, as in mask > 0.")
    if mask.ndim != 2:
        raise ValueError(f"mask must be (H, W); got shape {mask.shape}")
    grey = _centre(Image.fromarray(mask.astype(np.uint8) * 255), settings, Image.Resampling.BOX)
    return np.asarray(grey) >= 128


def preprocess(image: UInt8[np.ndarray, "H W 3"] | Image.Image, settings: Preprocess) -> Float32[np.ndarray, "h w C"]:
    """Turn a picture into the network's input: ``(crop * scale / 255 - mean) / std``, blue first if ``bgr``.

    Args:
        image: ``(H, W, 3)`` 8-bit RGB picture, or Pillow's.
        settings: The model's own: ``model.preprocess``.

    Returns:
        ``(size, size, 3)`` float32 input; of one channel, the luminance, where ``mean`` is of one.

    Raises:
        TypeError, ValueError: As ``crop`` and ``normalise``.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import data, models
        >>> settings = models.Preprocess(size=2, resize=2, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
        >>> data.preprocess(np.full((6, 8, 3), 255, np.uint8), settings)[0, 0].tolist()
        [2.0, 2.0, 2.0]
    """
    return normalise(crop(image, settings), settings)


def normalise(cropped: UInt8[np.ndarray, "h w 3"], settings: Preprocess) -> Float32[np.ndarray, "h w C"]:
    """Scale and centre the values of a picture that has its size already: the second half of ``preprocess``.

    Args:
        cropped: ``(h, w, 3)`` 8-bit RGB picture, from ``crop``.
        settings: ``scale``, ``bgr``, ``mean`` and ``std`` are used.

    Returns:
        ``(h, w, C)`` float32 input, ``C`` the length of ``mean``: 3, or 1 for the luminance.

    Raises:
        ValueError: Another number of channels.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import data, models
        >>> settings = models.Preprocess(size=1, resize=1, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
        >>> data.normalise(np.array([[[0, 255, 255]]], np.uint8), settings).tolist()
        [[[-2.0, 2.0, 2.0]]]
    """
    if len(settings.mean) not in (1, 3) or len(settings.std) != len(settings.mean):
        raise ValueError(
            f"settings must have 3 numbers in mean and in std, or 1 for grey pictures; got {len(settings.mean)} and "
            f"{len(settings.std)}. Make inputs of other channels yourself."
        )
    if len(settings.mean) == 1:
        cropped = np.asarray(Image.fromarray(cropped).convert("L"))[..., None]
    pixels = cropped.astype(np.float32) * np.float32(settings.scale / 255)
    pixels = pixels[..., ::-1] if settings.bgr else pixels
    return (pixels - np.asarray(settings.mean, np.float32)) / np.asarray(settings.std, np.float32)


def _centre(picture: Image.Image, settings: Preprocess, interpolation: Image.Resampling) -> Image.Image:
    height, width = (settings.size,) * 2 if isinstance(settings.size, int) else settings.size
    if min(height, width) > settings.resize:
        raise ValueError(
            f"settings: the crop of {min(height, width)} pixels is larger than the shortest side after resizing, "
            f"{settings.resize}; raise resize or lower size"
        )
    resized_width, resized_height = _resized(picture.size, (width, height), settings.resize)
    across = _extent(picture.width, resized_width, width)
    down = _extent(picture.height, resized_height, height)
    part = picture.crop((across[0], down[0], across[1], down[1]))
    return part.resize((width, height), interpolation, box=(across[2], down[2], across[3], down[3]))


def _picture(image: np.ndarray | Image.Image) -> Image.Image:
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    if image.dtype != np.uint8:
        raise TypeError(
            f"image must be 8-bit (uint8), as data.read returns; got {image.dtype} values. A picture in "
            "[0, 1] becomes one by (image * 255).round().astype('uint8')"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be (H, W, 3); got shape {image.shape}. Read the file with egcam_jax.data.read")
    return Image.fromarray(image)


def _resized(size: tuple[int, int], kept: tuple[int, int], shortest: int) -> tuple[int, int]:
    """Width and height that cover an oblong like ``kept`` with the shortest side as told.

    One side is the oblong's; the other rounds down, as in training pipelines.
    """
    width, height = size
    across, down = (shortest * side // min(kept) for side in kept)
    if width * down <= height * across:
        return across, max(down, int(across * height / width))
    return max(across, int(down * width / height)), down


def _extent(length: int, resized: int, kept: int) -> tuple[int, int, float, float]:
    """Where the centre of a resized side comes from, so that no more is resized, however long the side is.

    Returns:
        The pixels that the filter touches, first and past the last, and the centre's ends, counted from the first.
    """
    scale = length / resized
    start = round((resized - kept) / 2) * scale
    end = min(start + kept * scale, length)
    margin = _SUPPORT * max(1.0, scale) + 1
    first, last = max(0, math.floor(start - margin)), min(length, math.ceil(end + margin))
    return first, last, start - first, end - first


def _filter(name: str) -> Image.Resampling:
    if name not in _FILTERS:
        raise ValueError(f"interpolation must be one of {', '.join(_FILTERS)}; got {name!r}")
    return _FILTERS[name]
