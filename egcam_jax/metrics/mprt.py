"""Whether a map depends on the trained weights: the similarity of maps as layers lose their weights."""

import functools
from collections.abc import Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from egcam_jax.core import checks, compilation, inputs, kernel, numerics
from egcam_jax.core.types import Context, Explain, ImagesLike, Integers, KeyLike, Map, Params, PRNGKey, Scalar
from egcam_jax.metrics import _functions, _inputs, _layers, _program, _similarity
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="randomisation",
    higher_is_better=False,
    needs=("explain", "params", "key"),
    undefined="the image's own map, or every map with lost weights, is constant or not finite",
    left_out="the layers that lose their weights must be named in order",
    source="Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018",
)
def mprt(
    explain: Explain,
    params: Params,
    x: ImagesLike,
    key: KeyLike | None = None,
    *,
    layers: Sequence[str] | None = None,
    target: Integers | None,
    cascading: bool = True,
    similarity: str = "spearman",
    absolute: bool = False,
    perturbations: Sequence[Params] | None = None,
    index: Integers = 0,
    context: Context = None,
    chunk_size: int | None = _inputs.EXPLANATIONS,
) -> Score:
    """Compare a map with the maps after layers lost their weights: the model parameter randomisation test.

    ``value = mean_l corr(a(theta), a(theta_l))``. In ``theta_l`` the first l layers, or the l-th alone, are shuffled:
    the entries of each array are permuted, which keeps their distribution. An array of equal entries, such as a new
    bias, stays the same. Arrays of one size in one innermost scope, such as scale and offset of the same channels,
    share their permutation. The value is the same for the same network in all frameworks.

    Args:
        explain: ``(params, x, target)`` with ``(b, H, W, C)`` images and ``(b,)`` classes, to ``(b, h, w)`` maps. Keep
            one function object. The function is called on single images under ``vmap``. A function that draws samples
            has an argument ``index`` too; see ``local_lipschitz``.
        params: The model's parameters.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        key: PRNG key for the permutations, which are the same for all images.
        layers: Names of layers, in the order in which they lose their weights; the published order is from the output
            to the input. A name is a named scope as ``egcam_jax.layers`` lists them, or its unambiguous end, or a scope
            without a grid such as ``"fc"``. The layer has the arrays that ``explain`` uses first inside the scope. In a
            network without scopes, a name is a key of ``params``, such as ``"Dense_0"`` or ``"params/Dense_0"``, and
            the layer has the arrays below it. Integers and keys stay.
        target: ``(B,)`` classes or one; ``None`` is refused, since the class must stay the same.
        cascading: Keep the earlier layers shuffled as the next layer is shuffled; ``False`` shuffles one layer at a
            time.
        similarity: ``"spearman"`` or ``"pearson"``.
        absolute: Compare absolute values.
        perturbations: The parameters ``theta_l`` themselves, a sequence of trees like ``params``, such as new initial
            weights, in place of ``key`` and ``layers``.
        index: The index of the first image in the whole data set, or one index for each image, as given to
            ``egcam_jax.explain``.
        context: The model's other inputs, with one row for each image; ``explain`` must then have an argument
            ``context``.
        chunk_size: Images in one pass.

    Returns:
        ``Score`` of value ``(B,)`` in [-1, 1], and curve ``(B, L)``, a value for each layer. Lower is better: a map
        that stays does not depend on the weights. A layer's value is NaN where the map is constant or not finite, and
        the mean leaves it out.

    Raises:
        ValueError: For shapes that do not fit, a name of no layer with parameters or of several layers, or neither
            ``layers`` nor ``perturbations``.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> params = {"first": jnp.arange(4.0).reshape(2, 2)}
        >>> same, depends = lambda params, x, target: x.sum(-1), lambda params, x, target: x.sum(-1) * params["first"]
        >>> x, key = jnp.arange(1.0, 5).reshape(2, 2, 1), jax.random.key(1)
        >>> scores = [metrics.mprt(explain, params, x, key, layers=["first"], target=0) for explain in (same, depends)]
        >>> [round(float(score.value), 3) < 1 for score in scores]  # the first map does not depend on the weights
        [False, True]

    Quantus: draws new initial weights with the layer's own ``reset_parameters``, and takes the similarity as an
    argument. A function has no ``reset_parameters``: pass such weights as ``perturbations``.

    Source: Adebayo et al., 2018.
    """
    checked = _inputs.indexed(_inputs.images(x, target, context), index)
    if checked.batch.target is None:
        raise ValueError(
            "target must be a class, or one for each image, which stays as layers lose their weights; got None. Pass "
            "target."
        )
    _similarity.checked(similarity)
    cascading = checks.flag("cascading", cascading)
    maps = functools.partial(
        _maps,
        _program.as_argument(explain, "explain"),
        batch=checked.batch,
        chunk_size=None if chunk_size is None else checks.count("chunk_size", chunk_size),
    )
    trees: Iterable[Params]
    if perturbations is not None:
        trees = _given(params, perturbations)
    elif layers is not None:
        lost = _layers.losses(params, layers, maps)
        trees = _randomized(params, lost, inputs.key(key, "mprt"), cascading)
    else:
        raise ValueError("layers must be names of layers where perturbations is None; got None. Pass one of them.")
    whole = maps(params)
    flags = {"similarity": similarity, "absolute": checks.flag("absolute", absolute)}
    curve = [_alike(whole, maps(tree), **flags) for tree in trees]
    values = jnp.stack(curve, axis=1)
    there = jnp.isfinite(values)
    mean = numerics.divide(jnp.where(there, values, 0).sum(axis=1), there.sum(axis=1), jnp.nan)
    return _program.scored(checked, mean, values, len(curve) + 1)


def _randomized(
    params: Params, lost: Iterable[Sequence[_layers.Loss]], key: PRNGKey, cascading: bool
) -> Iterator[Params]:
    """The parameters after each layer lost its weights."""
    now = params
    for number, losses in enumerate(lost):
        now = _shuffled(now if cascading else params, losses, jax.random.fold_in(key, number))
        yield now


def _given(params: Params, perturbations: Sequence[Params]) -> list[Params]:
    """Check the parameters that the caller gave."""
    if not isinstance(perturbations, Sequence):
        raise ValueError(f"perturbations must be a sequence of trees like params; got {type(perturbations).__name__}.")
    trees = list(perturbations)
    form = lambda tree: (jax.tree.structure(tree), [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)])
    for number, tree in enumerate(trees):
        if form(tree) != form(params):
            raise ValueError(
                f"perturbations must be trees like params; number {number} has other leaves, or leaves of other shapes."
            )
    if not trees:
        raise ValueError("perturbations must hold the parameters of at least one step; got none.")
    return trees


@functools.partial(compilation.jit, static_argnames=("chunk_size",))
def _maps(explain: Explain, params: Params, *, batch: Subject, chunk_size: int | None) -> Float[Array, "b h w"]:
    blocks = kernel.plan(len(batch.x), 1, chunk_size)
    one = lambda subject: _functions.explainer(functools.partial(explain, params), subject)(subject.x, subject.target)
    return kernel.map_images(one, batch, blocks.images)


@functools.partial(compilation.jit, static_argnames=("similarity", "absolute"))
def _alike(
    whole: Float[Array, "b h w"], now: Float[Array, "b h w"], *, similarity: str, absolute: bool
) -> Float[Array, " b"]:
    size = jnp.abs if absolute else (lambda values: values)

    def one(before: Map, after: Map) -> Scalar:
        return _similarity.correlation(size(before), size(after), similarity)

    return jax.vmap(one)(whole, now)


def _shuffled(params: Params, losses: Sequence[_layers.Loss], key: PRNGKey) -> Params:
    """The parameters with the entries of some arrays permuted.

    The permutation depends on the group and on the number of entries, not on names or on the layout of the array:
    the same network loses the same weights in every framework.
    """
    leaves, structure = jax.tree.flatten(params)
    for loss in losses:
        leaf = jnp.asarray(leaves[loss.number])
        part = leaf if loss.step is None else leaf[loss.step]
        ordered = jnp.transpose(part, loss.axes)
        own = jax.random.fold_in(jax.random.fold_in(key, loss.group), ordered.size)
        shuffled = jax.random.permutation(own, ordered.ravel()).reshape(ordered.shape)
        shuffled = jnp.transpose(shuffled, tuple(map(loss.axes.index, range(part.ndim))))
        leaves[loss.number] = shuffled if loss.step is None else leaf.at[loss.step].set(shuffled)
    return jax.tree.unflatten(structure, leaves)
