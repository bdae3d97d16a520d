"""Quality metrics of saliency maps: pure functions of images, maps and the functions under judgement."""

from egcam_jax.metrics._registry import METRICS, Metric
from egcam_jax.metrics._score import Score
from egcam_jax.metrics.insertion_deletion import deletion_auc, insertion_auc, insertion_deletion

__all__ = ["METRICS", "Metric", "Score", "deletion_auc", "insertion_auc", "insertion_deletion"]
