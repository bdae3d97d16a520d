"""Saturation: how soon a layer and the output stop changing as an image is scaled up from its baseline.

curves = saturation(params, apply_fn, x, baseline=black)
mean, spread = band(curves.similarity)
"""

from egcam_jax.saturation._curves import STEPS, Saturation, band, saturation
from egcam_jax.saturation._maps import PATCHES, explanations, insert_patches
from egcam_jax.saturation._scaling import scaled

__all__ = ["PATCHES", "STEPS", "Saturation", "band", "explanations", "insert_patches", "saturation", "scaled"]
