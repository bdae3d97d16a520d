"""Maps of scaled images, and what is left of an image where a map is strongest."""

from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax.core import checks, contexts, inputs
from egcam_jax.core.types import ApplyFn, Context, Image, InputsLike, Integers, KeyLike, Map, Numbers, Params
from egcam_jax.explanation import Explanation
from egcam_jax.methods import EncodedReferences, explain
from egcam_jax.saturation._scaling import batch, checked, scaled

PATCHES = 7
"""Patches along each side of an image."""


def explanations(
    params: Params,
    apply_fn: ApplyFn,
    x: InputsLike,
    refs: InputsLike | EncodedReferences | None = None,
    key: KeyLike | None = None,
    *,
    alphas: Numbers,
    target: Integers,
    baseline: Numbers = 0.0,
    index: Integers = 0,
    context: Context = None,
    **options: Any,
) -> Explanation:
    """Explain images that are scaled down, all for the same class and with the same draws.

    Args:
        params: The model's parameters.
        apply_fn: As for ``saturation``.
        x: ``(N, H, W, C)`` images, preprocessed.
        refs: As for ``explain``.
        key: As for ``explain``.
        alphas: ``(A,)`` scalings.
        target: ``(N,)`` classes or one, explained whatever the network says of the scaled image.
        baseline: As for ``saturation``.
        index: As for ``explain``.
        context: As for ``explain``.
        **options: Of ``explain``, such as ``method``, ``layer`` and ``num_samples``.

    Returns:
        An ``Explanation`` whose arrays have the axes N and A in the place of images.

    Raises:
        ValueError, TypeError: As ``explain``.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> x, alphas = jnp.array([[2.0, 4]])[None, ..., None], jnp.array([0.5, 1])
        >>> weights, options = jnp.array([[1.0, -1]]), {"target": 0, "method": "gradcam"}
        >>> explanation = egcam_jax.saturation.explanations(weights, network, x, alphas=alphas, **options)
        >>> explanation.cam.ravel().tolist()  # each scaling has its own map
        [0.5, 1.0, 1.0, 2.0]

    Source: the Expected Grad-CAM paper, Figures 2, 8 and 14.
    """
    x, scalings = batch(x), checked(alphas)
    targets = inputs.target(target, len(x))
    if targets is None or callable(targets) or targets.ndim != 1:
        raise ValueError("target must be one class, or one for each image, so that all scalings have the same.")
    images = jax.vmap(lambda image: scaled(image, scalings, baseline))(x)
    repeat = lambda values: jnp.repeat(values, len(scalings), axis=0)
    found = explain(
        params,
        apply_fn,
        images.reshape(-1, *x.shape[1:]),
        refs,
        key,
        target=repeat(targets),
        index=repeat(inputs.indices(index, len(x))),
        context=jax.tree.map(repeat, contexts.checked(context, len(x))),
        **options,
    )
    return jax.tree.map(lambda leaf: leaf.reshape(len(x), len(scalings), *leaf.shape[1:]), found)


def insert_patches(x: Image, cam: Map, *, count: int = 4, side: int = PATCHES, baseline: Numbers = 0.0) -> Image:
    """Put the strongest patches of an image into its baseline: what is left if a map is right.

    The image is cut into ``side`` by ``side`` patches, and the map is resized to one value for each. Patches where it
    is zero are no evidence, and are not put in even where fewer than ``count`` are left; of equal ones the first come
    first.

    Args:
        x: ``(H, W, C)`` image, preprocessed.
        cam: ``(h, w)`` map, not negative, such as ``Explanation.cam``.
        count: How many patches; the paper shows four.
        side: Patches along each side; the paper's ResNet-50 has 7 by 7 cells.
        baseline: As for ``saturation``.

    Returns:
        ``(H, W, C)`` image, whose score says how well the map found what the model looks at.

    Raises:
        ValueError: ``count`` is not from 1 to the number of patches.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import saturation
        >>> cam = jnp.array([[3.0, 1], [0, 2]])
        >>> print(saturation.insert_patches(jnp.ones((2, 2, 1)), cam, count=2, side=2)[..., 0])
        [[1. 0.]
         [0. 1.]]

    Source: the Expected Grad-CAM paper, Figures 2b and 8b.
    """
    checks.count("count", count)
    checks.count("side", side)
    if count > side**2:
        raise ValueError(f"count is {count}, but there are {side} by {side} patches: at most {side**2}.")
    strength = jax.image.resize(cam, (side, side), "linear").ravel()
    chosen = jnp.zeros(strength.shape).at[jax.lax.top_k(strength, count)[1]].set(1) * (strength > 0)
    mask = jax.image.resize(chosen.reshape(side, side), x.shape[:2], "nearest")[..., None]
    return jnp.where(mask > 0, x, jnp.asarray(baseline))
