"""The aggregators' equations, channel by channel and place by place, in float64."""

import numpy as np


def combine(weights, a):
    """``sum_k w_k A_k`` with a weight for each channel, or for each channel at each place."""
    total = np.zeros(a.shape[:-1])
    for k in range(a.shape[-1]):
        total += weights[..., k] * a[..., k]
    return total


def gradcam(g, a):
    """Selvaraju et al., equation 1: the mean over places."""
    return np.array([g[..., k].mean() for k in range(g.shape[-1])])


def gradcam_plus_plus(g, a, *, second=None, third=None, normalize_alphas=False, clamp=False):
    """Chattopadhay et al., equation 19, in powers of the gradients as it is printed.

    With moments, those of Smooth Grad-CAM++, whose denominators can be of either sign: 0 where not positive.
    """
    sampled = second is not None
    second, third = (second, third) if sampled else (g**2, g**3)
    weights = np.zeros(g.shape[-1])
    for k in range(len(weights)):
        alphas = np.zeros(g.shape[:-1])
        for place in np.ndindex(alphas.shape):
            tail = a[..., k].sum() * third[(*place, k)]
            below = 2 * second[(*place, k)] + (max(tail, 0) if clamp else tail)
            if below > 0 or (below < 0 and not sampled):
                alphas[place] = second[(*place, k)] / below
        if normalize_alphas:
            total = alphas[g[..., k] > 0].sum()
            alphas = alphas / total if total else alphas
        weights[k] = (alphas * np.maximum(g[..., k], 0)).sum()
    return weights


def xgradcam(g, a):
    """Fu et al.: the mean of the gradients, weighted by the activation they belong to."""
    sums = [a[..., k].sum() for k in range(a.shape[-1])]
    return np.array([(g[..., k] * a[..., k]).sum() / s if s else 0.0 for k, s in enumerate(sums)])


def hirescam(g, a):
    """Draelos and Carin: gradient times activation, place by place."""
    return g


def layercam(g, a):
    """Jiang et al.: positive gradients only, place by place."""
    return np.maximum(g, 0)


AGGREGATORS = {
    "gradcam": gradcam,
    "gradcam++": gradcam_plus_plus,
    "xgradcam": xgradcam,
    "hirescam": hirescam,
    "layercam": layercam,
}
