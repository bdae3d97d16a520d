"""The tables of the Expected Grad-CAM paper: its figures as data, its settings for the runner, and ours beside its.

table = paper.table("table3")
metrics = paper.metrics(table, model.preprocess)
plan = Plan(data="folder:photographs", out="runs/x", model=model, methods=table.methods, metrics=metrics)
print(paper.markdown(table, {"resnet50": read(run(plan))}))
"""

from egcam_jax.paper._compare import Agreement, Row, agreements, compare
from egcam_jax.paper._deviations import deviations
from egcam_jax.paper._markdown import lettered, markdown, sheets
from egcam_jax.paper._presets import images, metrics, preprocess
from egcam_jax.paper._tables import Doubt, Table, names, table

__all__ = [
    "Agreement",
    "Doubt",
    "Row",
    "Table",
    "agreements",
    "compare",
    "deviations",
    "images",
    "lettered",
    "markdown",
    "metrics",
    "names",
    "preprocess",
    "sheets",
    "table",
]
