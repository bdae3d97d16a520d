"""Self-contained HTML pages: results to look at, in one file that needs no network."""

from egcam_jax.report._compare import Map, Row, compare_page

__all__ = ["Map", "Row", "compare_page"]
