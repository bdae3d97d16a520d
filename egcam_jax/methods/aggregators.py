"""How a gradient field and the activations become weights: one function for each aggregator."""

from jaxtyping import Array, Float

from egcam_jax._types import Activation
from egcam_jax.methods._registry import aggregator


@aggregator("gradcam")
def gradcam(gradients: Activation, activations: Activation) -> Float[Array, " K"]:
    """Weigh each channel by the spatial mean of its gradients: ``w_k = mean_ij G_ijk`` (eqs. 5 and 15).

    Source: Selvaraju et al., Grad-CAM, 2017. The authors' Lua code sums where the paper takes the mean,
    which scales the map by h * w.
    """
    return gradients.mean(axis=(0, 1))
