"""Quality metrics of saliency maps: pure functions of images, maps and the functions under judgement."""

from egcam_jax.metrics._precision import in_dtype
from egcam_jax.metrics._registry import FAMILIES, METRICS, Metric
from egcam_jax.metrics._score import Score
from egcam_jax.metrics.adcc import adcc
from egcam_jax.metrics.attribution_localisation import attribution_localisation
from egcam_jax.metrics.average_drop import average_drop
from egcam_jax.metrics.average_drop_deletion import average_drop_deletion
from egcam_jax.metrics.avg_sensitivity import avg_sensitivity
from egcam_jax.metrics.coherency import coherency
from egcam_jax.metrics.completeness_gap import completeness_gap
from egcam_jax.metrics.complexity import complexity
from egcam_jax.metrics.deletion_auc import deletion_auc
from egcam_jax.metrics.energy_pointing_game import energy_pointing_game
from egcam_jax.metrics.faithfulness_estimate import faithfulness_estimate
from egcam_jax.metrics.grid_pointing_game import grid_pointing_game
from egcam_jax.metrics.increase_in_confidence import increase_in_confidence
from egcam_jax.metrics.infidelity import infidelity
from egcam_jax.metrics.insertion_auc import insertion_auc
from egcam_jax.metrics.insertion_deletion import insertion_deletion
from egcam_jax.metrics.irof import irof
from egcam_jax.metrics.local_lipschitz import local_lipschitz
from egcam_jax.metrics.max_sensitivity import max_sensitivity
from egcam_jax.metrics.mosaic import Mosaic, mosaic
from egcam_jax.metrics.mprt import mprt
from egcam_jax.metrics.pixel_flipping import pixel_flipping
from egcam_jax.metrics.pointing_game import pointing_game
from egcam_jax.metrics.relative_input_stability import relative_input_stability
from egcam_jax.metrics.relative_output_stability import relative_output_stability
from egcam_jax.metrics.relevance_mass_accuracy import relevance_mass_accuracy
from egcam_jax.metrics.relevance_rank_accuracy import relevance_rank_accuracy
from egcam_jax.metrics.road import road
from egcam_jax.metrics.running_time import running_time
from egcam_jax.metrics.sparseness import sparseness
from egcam_jax.metrics.sufficiency import sufficiency
from egcam_jax.metrics.top_k_intersection import top_k_intersection

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
