"""Host side: maps as pictures, with NumPy, Pillow and Matplotlib's colour maps."""

from egcam_jax.render._bands import bands
from egcam_jax.render._colour import DEFAULT_COLOUR_MAP, colour_map, overlay
from egcam_jax.render._grid import grid, save_png

__all__ = ["DEFAULT_COLOUR_MAP", "bands", "colour_map", "grid", "overlay", "save_png"]
