"""The arguments of the metrics, checked once: every array has the images as its leading axis."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Shaped

from egcam_jax.core import checks, contexts, inputs, perturb
from egcam_jax.core.types import (
    Context,
    Image,
    ImagesLike,
    Integers,
    KeyLike,
    MapsLike,
    Nested,
    Number,
    PRNGKey,
    Scalar,
    Whole,
)

EXPLANATIONS = 8
"""Images that are explained in one pass by default. Each takes the memory that ``explain`` takes for one image."""

Perturbations: TypeAlias = Shaped[ArrayLike, "... H W C"] | Nested
"""``(S, H, W, C)`` noise for all images, or ``(B, S, H, W, C)`` for each."""

Draw: TypeAlias = Callable[[PRNGKey, tuple[int, ...]], Image]
"""``(key, shape)`` to random numbers of that shape."""

_NOT_TAKEN: Any = None
"""In place of an argument that a metric does not take, or that is not given."""


class Subject(NamedTuple):
    """The images of a batch, or one image inside a metric. An argument that the metric does not take is ``None``.

    Attributes:
        x: ``(B, H, W, C)`` images.
        saliency: ``(B, H, W)`` maps, float32.
        target: ``(B,)`` classes.
        mask: ``(B, H, W)`` booleans, true on the object.
        segments: ``(B, H, W)`` labels of the segments, from 0.
        key: The PRNG key of each image.
        perturbations: ``(B, S, H, W, C)`` noise, which stands in place of a key.
        indices: ``(B,)`` the place of each image in the whole.
        context: The model's other inputs, a pytree with leading axis B.
    """

    x: Float[Array, "*b H W C"] = _NOT_TAKEN
    saliency: Float[Array, "*b H W"] = _NOT_TAKEN
    target: Int[Array, "*b"] = _NOT_TAKEN
    mask: Bool[Array, "*b H W"] = _NOT_TAKEN
    segments: Int[Array, "*b H W"] = _NOT_TAKEN
    key: PRNGKey = _NOT_TAKEN
    perturbations: Float[Array, "*b S H W C"] | None = None
    indices: Int[Array, "*b"] = _NOT_TAKEN
    context: Context = None


class Checked(NamedTuple):
    """A batch of subjects, and whether the caller passed one image without a batch axis."""

    batch: Subject
    single: bool


def images(x: ImagesLike, target: Integers | None = None, context: Context = None) -> Checked:
    """Check images, and the class and the context of each image."""
    pixels = inputs.images(x)
    single = pixels.ndim == 3
    pixels = pixels[None] if single else pixels
    if callable(target) or (target is not None and np.ndim(target) > 0 + (not single)):
        raise ValueError(f"target must be None, one class or one for each image; got {target!r}.")
    classes = inputs.target(target, len(pixels), single)
    return Checked(Subject(x=pixels, target=classes, context=contexts.checked(context, len(pixels), single)), single)


def images_and_maps(
    x: ImagesLike, saliency: MapsLike, target: Integers | None = None, context: Context = None
) -> Checked:
    """Check images, the class and the context of each image, and a map of the image's size."""
    checked = images(x, target, context)
    saliency = jnp.asarray(saliency, jnp.float32)
    wanted = checked.batch.x.shape[checked.single : -1]
    if saliency.shape != wanted:
        raise ValueError(
            f"saliency must have shape {wanted}, one value for each pixel of x; got {saliency.shape}. "
            f"Explanation.saliency is at the size of the image; Explanation.cam is not."
        )
    saliency = saliency[None] if checked.single else saliency
    return Checked(checked.batch._replace(saliency=saliency), checked.single)


def maps(saliency: MapsLike) -> Checked:
    """Check maps alone: ``(B, H, W)`` or ``(H, W)``."""
    saliency = jnp.asarray(saliency, jnp.float32)
    if saliency.ndim not in (2, 3) or 0 in saliency.shape:
        raise ValueError(f"saliency must have shape (B, H, W), or (H, W) for one map; got {saliency.shape}.")
    single = saliency.ndim == 2
    return Checked(Subject(saliency=saliency[None] if single else saliency), single)


def maps_and_masks(saliency: MapsLike, mask: MapsLike) -> Checked:
    """Check maps, and a mask of each map's size: booleans, or zeros and ones."""
    checked = maps(saliency)
    mask = jnp.asarray(mask)
    wanted = checked.batch.saliency.shape[checked.single :]
    if mask.shape != wanted:
        raise ValueError(f"mask must have the shape of saliency, {wanted}; got {mask.shape}. Resize it with the image.")
    if mask.dtype != bool and checks.concrete(mask) and not np.isin(np.asarray(mask), (0, 1)).all():
        raise ValueError(
            "mask must be boolean, or zeros and ones, one on the object; got other numbers. Pass mask > 0.5."
        )
    mask = (mask[None] if checked.single else mask) != 0
    return Checked(checked.batch._replace(mask=mask), checked.single)


def amount(argument: str, value: Number, low: float = 0.0) -> Scalar:
    """Check a number that the program computes with: an array, so that another value compiles nothing again.

    Under a transformation of the user's the number may be traced; its value is then not checked.
    """
    return jnp.asarray(checks.number(argument, value, low=low), jnp.float32)


def indexed(checked: Checked, index: Integers) -> Checked:
    """Give every image its place in the whole."""
    places = inputs.indices(index, len(checked.batch.x))
    return checked._replace(batch=checked.batch._replace(indices=places))


def drawn(
    checked: Checked,
    metric: str,
    key: KeyLike | None,
    index: Integers,
    perturbations: Perturbations | None,
    num_samples: int,
) -> Checked:
    """Give every image a key of its own, which is folded from its index, or its row of the perturbations.

    Args:
        checked: The images, with ``x``.
        metric: Its name, for the errors.
        key: A PRNG key.
        index: The index of the first image in the whole data set, or one index for each image.
        perturbations: ``(S, H, W, C)`` for all images, or ``(B, S, H, W, C)``; used in place of a key.
        num_samples: S, for random perturbations.
    """
    checked = indexed(checked, index)
    batch, count = checked.batch, len(checked.batch.x)
    if perturbations is None:
        checks.count("num_samples", num_samples)
        keys = jax.vmap(perturb.image_key, (None, 0))(inputs.key(key, metric), batch.indices)
        return checked._replace(batch=batch._replace(key=keys))
    perturbations = jnp.asarray(perturbations, jnp.float32)
    checks.finite("perturbations", perturbations)
    image = batch.x.shape[1:]
    if perturbations.ndim not in (4, 5) or perturbations.shape[-3:] != image or 0 in perturbations.shape:
        raise ValueError(
            f"perturbations must have shape (S, {', '.join(map(str, image))}), or (B, S, ...) for one set for each "
            f"image; got {perturbations.shape}."
        )
    if perturbations.ndim == 5 and len(perturbations) != count:
        raise ValueError(f"perturbations must have one set for each of the {count} images; got {len(perturbations)}.")
    each = jnp.broadcast_to(perturbations, (count, *perturbations.shape[-4:]))
    return checked._replace(batch=batch._replace(perturbations=each))


def samples(checked: Checked, num_samples: int) -> int:
    """The number of perturbations of each image: of those that were given, or ``num_samples``."""
    given = checked.batch.perturbations
    return num_samples if given is None else int(given.shape[1])


def perturbation(subject: Subject, number: int | Whole, draw: Draw) -> Image:
    """A perturbation of one image by its number: as given, or ``draw(key, shape)`` with a key for that number."""
    if subject.perturbations is not None:
        return subject.perturbations[number]
    return draw(jax.random.fold_in(subject.key, number), subject.x.shape)
