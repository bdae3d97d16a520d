"""A preprocessing as people write it in an option: the name of a network, or ``scale=255,mean=104 117 123``."""

import dataclasses
from collections.abc import Callable
from typing import Any

from egcam_jax.core.checks import nearest
from egcam_jax.models._registry import names, spec
from egcam_jax.models._spec import Preprocess


def parse_preprocess(text: str, default: Preprocess) -> Preprocess:
    """Read a preprocessing.

    Args:
        text: A network's name, for that of its published weights; or fields of ``Preprocess`` between commas, as in
            ``scale=255,mean=104 117 123,std=1 1 1,bgr=true``.
        default: Gives the fields that the text leaves out.

    Returns:
        The preprocessing.

    Raises:
        ValueError: No such network or field, or a value that the field cannot have.

    Example:
        >>> from egcam_jax import models
        >>> models.parse_preprocess("size=64 128,mean=0.5,std=0.25", models.Preprocess()).size
        (64, 128)
    """
    if "=" not in text:
        if text not in names():
            raise ValueError(
                f"preprocess must be a network's name or FIELD=VALUE; got {text!r}. {nearest(text, names())}"
            )
        return spec(text).preprocess
    return dataclasses.replace(default, **dict(_field(part) for part in text.split(",")))


def _field(part: str) -> tuple[str, Any]:
    name, _, value = (piece.strip() for piece in part.partition("="))
    if name not in _READERS:
        raise ValueError(
            f"preprocess must have the fields {', '.join(_READERS)}; got {name!r}. {nearest(name, _READERS)}"
        )
    try:
        return name, _READERS[name](value)
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"preprocess must give {name} a value of its kind; got {value!r}. See models.Preprocess."
        ) from error


def _sides(value: str) -> int | tuple[int, int]:
    height, width = map(int, value.split() * (2 if len(value.split()) == 1 else 1))
    return height if height == width else (height, width)


def _numbers(value: str) -> tuple[float, ...]:
    return tuple(map(float, value.split()))


_READERS: dict[str, Callable[[str], Any]] = {
    "size": _sides,
    "resize": int,
    "interpolation": {name: name for name in ("nearest", "bilinear", "bicubic", "lanczos")}.__getitem__,
    "mean": _numbers,
    "std": _numbers,
    "scale": float,
    "bgr": {"true": True, "false": False}.__getitem__,
}
