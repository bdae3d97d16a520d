"""How a gradient field and the activations become weights: one function for each aggregator.

G is the gradient field and A the image's activation, both ``(h, w, K)`` or with any other number of spatial axes.
The map is ``ReLU(sum_k w_k A_k)``, where w is one weight for each channel or one for each of its positions; with
``contrast="references"`` it is ``ReLU(sum_k w_k (A_k - E[A'_k]))``, by the mean over all references.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from egcam_jax.core import numerics
from egcam_jax.core.types import Activation
from egcam_jax.methods._options import Flag
from egcam_jax.methods._problem import Moments
from egcam_jax.methods._registry import aggregator


@aggregator("gradcam", source="Selvaraju et al., Grad-CAM, ICCV 2017")
def gradcam(gradients: Activation, activations: Activation) -> Float[Array, " K"]:
    """Weigh each channel by the spatial mean of its gradients: ``w_k = mean_ij G_ijk`` (eqs. 5 and 15).

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax.methods import aggregators
        >>> gradients = jnp.array([[1.0, 3], [0, 0]])[..., None]
        >>> aggregators.gradcam(gradients, jnp.ones((2, 2, 1))).tolist()
        [1.0]

    Source: Selvaraju et al., Grad-CAM, 2017. The authors' Lua code sums where the paper takes the mean,
    which scales the map by h * w.
    """
    return _total(gradients) / (gradients.size // gradients.shape[-1])


@aggregator(
    "gradcam++",
    source="Chattopadhay et al., Grad-CAM++, WACV 2018",
    options={"normalize_alphas": Flag(), "clamp": Flag()},
    linear=False,
    moments=True,
)
def gradcam_plus_plus(
    gradients: Activation,
    activations: Activation,
    moments: Moments | None,
    *,
    normalize_alphas: bool,
    clamp: bool,
) -> Float[Array, " K"]:
    r"""Weigh each channel by its positive gradients, each by its own share: ``w_k = sum_ij alpha_ijk ReLU(G_ijk)``.

    With ``S_k = sum_ab A_abk``, equation 19 of the paper, ``alpha = G^2 / (2 G^2 + S_k G^3)``, is
    ``1 / (2 + S_k G)`` wherever G is not 0: the same without powers that underflow. Where the gradients were sampled,
    ``alpha = D2 / (2 D2 + S_k D3)`` with ``D_p`` the mean of their p-th powers (Smooth Grad-CAM++), 0 where the
    denominator is not positive. The factor exp(y) of the paper scales the whole map and is left out.

    Options:
        normalize_alphas: Divide a channel's alphas by their sum over positions with positive G, as the authors' code
            does and their paper does not.
        clamp: ``max(S_k G, 0)`` in place of ``S_k G``, so that alpha stays in (0, 1/2] whatever the signs.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax.methods import aggregators
        >>> gradients, activations = jnp.array([[1.0, -1], [0, 0]])[..., None], jnp.array([[2.0, 0], [0, 0]])[..., None]
        >>> flags = {"normalize_alphas": False, "clamp": False}
        >>> aggregators.gradcam_plus_plus(gradients, activations, None, **flags).tolist()  # 1 / (2 + 2 * 1)
        [0.25]

    Source: Chattopadhay et al., Grad-CAM++, 2018; Omeiza et al., Smooth Grad-CAM++, 2019, with D2 for the D1 that
    its alpha has as numerator, without which it would not be Grad-CAM++ for no noise. pytorch-grad-cam adds 1e-6 to
    the denominator of equation 19, which changes maps where gradients are below 1e-3; torch-cam computes
    ``sum_ij ReLU(G)^3``.
    """
    slope = gradients if moments is None else numerics.divide(moments.third, moments.second)
    tilt = _total(activations) * slope
    share = 2 + (jnp.maximum(tilt, 0) if clamp else tilt)
    alphas = numerics.divide(jnp.ones(()), share if moments is None else jnp.maximum(share, 0))
    alphas = jnp.where(gradients > 0, alphas, 0)
    if normalize_alphas:
        alphas = numerics.divide(alphas, _total(alphas))
    return _total(alphas * jax.nn.relu(gradients))


@aggregator("xgradcam", source="Fu et al., Axiom-based Grad-CAM (XGrad-CAM), BMVC 2020")
def xgradcam(gradients: Activation, activations: Activation) -> Float[Array, " K"]:
    """Weigh each channel by its gradients' mean under its activation: ``w_k = sum_ij G A / sum_ij A``, 0 where that is.

    Meant for activations after a ReLU: where A has both signs its sum may be near 0 and the weight without bound.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax.methods import aggregators
        >>> gradients, activations = jnp.array([[1.0, 3], [5, 0]])[..., None], jnp.array([[3.0, 1], [0, 0]])[..., None]
        >>> aggregators.xgradcam(gradients, activations).tolist()  # (1 * 3 + 3 * 1) / 4
        [1.5]

    Source: Fu et al., Axiom-based Grad-CAM, 2020. The authors' code and others add 1e-6 to 1e-8 to the denominator.
    """
    return numerics.divide(_total(gradients * activations), _total(activations))


@aggregator("hirescam", source="Draelos and Carin, HiResCAM, 2020")
def hirescam(gradients: Activation, activations: Activation) -> Activation:
    """Weigh each position by its own gradient: ``w_ijk = G_ijk``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax.methods import aggregators
        >>> aggregators.hirescam(jnp.array([[1.0, -3]])[..., None], jnp.ones((1, 2, 1))).ravel().tolist()
        [1.0, -3.0]

    Source: Draelos and Carin, HiResCAM, 2020. Their map keeps its signs, and it is for this that faithfulness is shown:
    it is ``signed``; ``cam`` has the ReLU of pytorch-grad-cam.
    """
    return gradients


@aggregator("layercam", source="Jiang et al., LayerCAM, IEEE TIP 2021", linear=False)
def layercam(gradients: Activation, activations: Activation) -> Activation:
    """Weigh each position by its own gradient where that is positive: ``w_ijk = ReLU(G_ijk)``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax.methods import aggregators
        >>> aggregators.layercam(jnp.array([[1.0, -3]])[..., None], jnp.ones((1, 2, 1))).ravel().tolist()
        [1.0, 0.0]

    Source: Jiang et al., LayerCAM, 2021. Their ``tanh(2 M / max M)`` belongs to the fusion of layers: ``fusion="max"``.
    For one layer the libraries agree. For several, torch-cam takes the maximum after ``tanh(2 M)``, and
    pytorch-grad-cam the mean of the maps, each scaled to [0, 1] first.
    """
    return jax.nn.relu(gradients)


@aggregator(
    "attribution",
    source="Erion et al., Improving performance of deep learning models with axiomatic attribution priors and "
    "expected gradients, 2021, at a layer",
    additive=True,
)
def attribution(gradients: Activation, activations: Activation) -> Activation:
    """Sum contributions over channels: ``S = sum_k G_k``, for a field G that holds them already.

    With ``G = E[(A - A') * Delta]`` the sum of the map over its places is ``y(x) - E y(x')``: each place is in logits,
    and maps of several layers, classes and images have one scale.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import egcam_jax
        >>> network = egcam_jax.Split(lambda weights, x: jax.nn.relu(x), lambda weights, a: a.mean((1, 2)) @ weights)
        >>> weights, x, refs = jnp.array([[1.0, -1]]), jnp.array([[4.0, 2], [0, 0]])[..., None], jnp.ones((1, 2, 2, 1))
        >>> explanation = egcam_jax.explain(
        ...     weights, network, x, refs, jax.random.key(0), target=0, method="expected_attribution", num_samples=2
        ... )
        >>> round(float(explanation.signed.sum()), 3)  # the image's logit 6/4 less the reference's 1
        0.5

    Source: Erion et al., 2021, whose expected gradients this is at a layer, summed over channels. captum's
    ``LayerIntegratedGradients`` is the same for one reference and ``LayerGradientShap`` for ``path="input"`` and
    ``difference="latent"``; both run the whole network for each sample.
    """
    return gradients


def _total(field: Activation) -> Float[Array, " K"]:
    """Sum each channel over its positions, as a product with ones in full float32.

    A plain sum across rows of channels takes the CPU up to ten times as long, and longer still where what is summed is
    computed on the way.
    """
    rows = field.reshape(-1, field.shape[-1])
    return jnp.matmul(jnp.ones(len(rows), rows.dtype), rows, precision=jax.lax.Precision.HIGHEST)
