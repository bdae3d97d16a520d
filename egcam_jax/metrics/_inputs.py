"""What a metric is told of the images, checked once: every leaf with the images as its leading axis."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.core import checks, contexts, perturb
from egcam_jax.core.types import Context

EXPLANATIONS = 8
"""How many images are explained in one pass unless told otherwise; each takes what ``explain`` takes for one image."""


class Subject(NamedTuple):
    """Images under judgement, or one of them inside a metric; what a metric does not take is ``None``.

    Attributes:
        x: ``(B, H, W, C)`` images.
        saliency: ``(B, H, W)`` maps, float32.
        target: ``(B,)`` classes.
        mask: ``(B, H, W)`` booleans, true on the object.
        segments: ``(B, H, W)`` labels of the segments, from 0.
        key: The PRNG key of each image.
        perturbations: ``(B, S, H, W, C)`` given in place of a key.
        index: ``(B,)`` the place of each image in the whole.
        context: What the model takes beside the images, a pytree with leading axis B.
    """

    x: Any = None
    saliency: Any = None
    target: Any = None
    mask: Any = None
    segments: Any = None
    key: Any = None
    perturbations: Any = None
    index: Any = None
    context: Context = None


class Checked(NamedTuple):
    """A batch of subjects, and whether the caller passed one image without a batch axis."""

    batch: Subject
    single: bool


def images(x: Any, target: Any = None, context: Context = None) -> Checked:
    """Check images, and the class and the context of each."""
    x = checks.images(x)
    single = x.ndim == 3
    x = x[None] if single else x
    if callable(target) or (target is not None and np.ndim(target) > 0 + (not single)):
        raise ValueError(f"target must be None, one class or one for each image; got {target!r}.")
    target, context = checks.target(target, len(x), single), contexts.checked(context, len(x), single)
    return Checked(Subject(x=x, target=target, context=context), single)


def images_and_maps(x: Any, saliency: Any, target: Any = None, context: Context = None) -> Checked:
    """Check images, the class and the context of each, and a map of the size of each."""
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


def maps(saliency: Any) -> Checked:
    """Check maps alone: ``(B, H, W)`` or ``(H, W)``."""
    saliency = jnp.asarray(saliency, jnp.float32)
    if saliency.ndim not in (2, 3) or 0 in saliency.shape:
        raise ValueError(f"saliency must have shape (B, H, W), or (H, W) for one map; got {saliency.shape}.")
    single = saliency.ndim == 2
    return Checked(Subject(saliency=saliency[None] if single else saliency), single)


def maps_and_masks(saliency: Any, mask: Any) -> Checked:
    """Check maps, and a mask of the size of each: booleans, or zeros and ones."""
    checked = maps(saliency)
    mask = jnp.asarray(mask)
    wanted = checked.batch.saliency.shape[checked.single :]
    if mask.shape != wanted:
        raise ValueError(f"mask must have the shape of saliency, {wanted}; got {mask.shape}. Resize it with the image.")
    if mask.dtype != bool and checks.concrete(mask) and not np.isin(np.asarray(mask), (0, 1)).all():
        raise ValueError("mask must be boolean, or zeros and ones, one on the object; threshold it: mask > 0.5.")
    mask = (mask[None] if checked.single else mask) != 0
    return Checked(checked.batch._replace(mask=mask), checked.single)


def indexed(checked: Checked, index: Any) -> Checked:
    """Give every image its place in the whole."""
    places = checks.indices(index, len(checked.batch.x))
    return checked._replace(batch=checked.batch._replace(index=places))


def drawn(checked: Checked, metric: str, key: Any, index: Any, perturbations: Any, num_samples: int) -> Checked:
    """Give every image a key of its own, from its index, or what is to be drawn itself.

    Args:
        checked: The images, with ``x``.
        metric: Its name, for the errors.
        key: A PRNG key.
        index: The first image's index in the whole, or one for each.
        perturbations: ``(S, H, W, C)`` for all images, or ``(B, S, H, W, C)``; used in place of a key.
        num_samples: S, where it is drawn.
    """
    checked = indexed(checked, index)
    batch, count = checked.batch, len(checked.batch.x)
    if perturbations is None:
        checks.count("num_samples", num_samples)
        keys = jax.vmap(perturb.image_key, (None, 0))(checks.key(key, metric), batch.index)
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
    """How many perturbations there are of each image: as many as were given, or as are to be drawn."""
    given = checked.batch.perturbations
    return num_samples if given is None else int(given.shape[1])


def perturbation(subject: Subject, number: Any, draw: Any) -> Any:
    """A perturbation of one image by its number: as given, or ``draw(key, shape)`` with a key for that number."""
    if subject.perturbations is not None:
        return subject.perturbations[number]
    return draw(jax.random.fold_in(subject.key, number), subject.x.shape)
