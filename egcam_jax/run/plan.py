"""What a run is asked for, whatever becomes of its results."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from egcam_jax.core import answers, checks
from egcam_jax.data import Source
from egcam_jax.models import Model
from egcam_jax.run.grammar import texts


@dataclasses.dataclass(frozen=True)
class Plan:
    """Examples, methods, metrics and targets: all that a run is asked for.

    Attributes:
        data: A source of data as ``data.open_source`` names it, a folder, or a source of your own.
        out: The folder of the run.
        model: A network's name, or one of your own.
        weights: A file of weights for a network that is given by name; its published ones by default.
        layer: The target layer, several to fuse; the model's own by default.
        fused: Whether, where no layer is named, the layers are fused whose maps together are the model's best known.
        methods: ``NAME[:OPTION=VALUE...]`` each, or ``all``.
        metrics: Likewise, or ``all``, or a family of metrics.
        classes: Which of the data's classes, for sources that can tell; all by default.
        target: What is explained: ``"label"``, the image's label with the largest logit, or its top class where it has
            none; ``"top"``, the top class; ``"top:3"``, the three top classes; or one class for all images.
        negative: Whether the maps show what speaks against the class.
        rivals: Classes to hold each image's class against, as for ``explain``: by index or name between commas, or
            ``"top:3"``, the three most likely others.
        gamma: How much the rivals count; as for ``explain`` by default.
        limit: How many images, drawn with ``seed``; all by default.
        refs: Where the references are drawn from, as ``data``; by default images of ``data`` that are not explained,
            or, where all of them are, photographs that come with an installed package.
        num_refs: How many references at most.
        samples: Samples or steps of each method that has any; each method's own by default.
        seed: Seed of all that is drawn.
        batch: Images in a batch; ``sufficiency`` compares the images of a batch.
        dtype: ``"float32"`` or ``"bfloat16"``: the network's arithmetic.
        precision: Of the network's products, as for ``explain``: ``"highest"`` computes in float32 on every device.
        probability: ``"softmax"``, ``"sigmoid"`` where each class is a question of its own, or a function from logits
            to probabilities.
        chunk: Images times samples in one pass of a device; changes the memory and not the results.
        pictures: How many pictures are kept with the results, for the gallery.

    Example:
        >>> from egcam_jax import evaluate
        >>> evaluate.Plan(data="photographs", out="results", methods="gradcam", metrics="insertion_auc").target
        'label'
    """

    data: str | os.PathLike[str] | Source
    out: str | os.PathLike[str]
    model: str | Model = "efficientnet_lite0"
    weights: Path | None = None
    layer: str | Sequence[str] = ()
    fused: bool = False
    methods: str | Sequence[str] = ("all",)
    metrics: str | Sequence[str] = ("all",)
    classes: str | None = None
    target: str = "label"
    negative: bool = False
    rivals: str | Sequence[int] | None = None
    gamma: float | None = None
    limit: int | None = None
    refs: str | os.PathLike[str] | Source | None = None
    num_refs: int = 32
    samples: int | None = None
    seed: int = 0
    batch: int = 16
    dtype: str = "float32"
    precision: str | None = None
    probability: answers.Probability = "softmax"
    chunk: int | None = None
    pictures: int = 256

    def __post_init__(self) -> None:
        """Take one text for several, and a path for the text of its folder."""
        for name in ("methods", "metrics"):
            self._set(name, tuple(texts(getattr(self, name))))
        self._set("layer", (self.layer,) if isinstance(self.layer, str) else tuple(self.layer or ()))
        for name in ("data", "refs"):
            if isinstance(given := getattr(self, name), os.PathLike):
                self._set(name, os.fspath(given))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def layers(self) -> Any:
        """The target layer as ``explain`` takes it: several as a list, none as ``None``."""
        return list(self.layer) if len(self.layer) > 1 else self.layer[0] if self.layer else None


def check(plan: Plan) -> None:
    """Refuse numbers and words that make no sense.

    Raises:
        ValueError, TypeError: It names the argument.
    """
    for name in ("batch", "num_refs", "limit", "samples", "chunk"):
        if getattr(plan, name) is not None:
            checks.count(name, getattr(plan, name))
    answers.checked(plan.probability)
    checks.one_of("dtype", plan.dtype, ("float32", "bfloat16"))
    checks.precision(plan.precision)
    if not plan.methods:
        raise ValueError("methods must name at least one method; got none. Name some, or all.")
    if not isinstance(plan.model, str | Model):
        raise TypeError(
            "model must be a network's name or a models.Model, which holds a function, its parameters, preprocessing "
            f"and class names; got {type(plan.model).__name__}."
        )
