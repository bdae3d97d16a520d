"""Quality metrics of saliency maps: pure functions of images, maps and the functions under judgement."""

from egcam_jax.metrics._precision import in_dtype
from egcam_jax.metrics._registry import FAMILIES, METRICS, Metric
from egcam_jax.metrics._score import Score
from egcam_jax.metrics.coherence import adcc, coherency
from egcam_jax.metrics.completeness import completeness_gap
from egcam_jax.metrics.confidence import average_drop, average_drop_deletion, increase_in_confidence
from egcam_jax.metrics.faithfulness import faithfulness_estimate
from egcam_jax.metrics.fidelity import infidelity
from egcam_jax.metrics.flipping import pixel_flipping
from egcam_jax.metrics.imputation import road
from egcam_jax.metrics.insertion_deletion import deletion_auc, insertion_auc, insertion_deletion
from egcam_jax.metrics.localisation import (
    attribution_localisation,
    energy_pointing_game,
    pointing_game,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    top_k_intersection,
)
from egcam_jax.metrics.mosaics import Mosaic, grid_pointing_game, mosaic
from egcam_jax.metrics.neighbours import sufficiency
from egcam_jax.metrics.randomisation import mprt
from egcam_jax.metrics.segments import irof
from egcam_jax.metrics.sensitivity import avg_sensitivity, local_lipschitz, max_sensitivity
from egcam_jax.metrics.spread import complexity, sparseness
from egcam_jax.metrics.stability import relative_input_stability, relative_output_stability
from egcam_jax.metrics.timing import running_time

__all__ = [
    "FAMILIES",
    "METRICS",
    "Metric",
    "Mosaic",
    "Score",
    "adcc",
    "attribution_localisation",
    "average_drop",
    "average_drop_deletion",
    "avg_sensitivity",
    "coherency",
    "completeness_gap",
    "complexity",
    "deletion_auc",
    "energy_pointing_game",
    "faithfulness_estimate",
    "grid_pointing_game",
    "in_dtype",
    "increase_in_confidence",
    "infidelity",
    "insertion_auc",
    "insertion_deletion",
    "irof",
    "local_lipschitz",
    "max_sensitivity",
    "mosaic",
    "mprt",
    "pixel_flipping",
    "pointing_game",
    "relative_input_stability",
    "relative_output_stability",
    "relevance_mass_accuracy",
    "relevance_rank_accuracy",
    "road",
    "running_time",
    "sparseness",
    "sufficiency",
    "top_k_intersection",
]
