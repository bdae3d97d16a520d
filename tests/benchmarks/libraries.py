"""The methods of pytorch-grad-cam, torch-cam and captum as plain calls, for ``compare.py``. Needs all three.

Each call makes its own extractor and removes its hooks, so that none slows the next; that takes milliseconds.
"""

import functools
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_grad_cam as pgc
import torch
import torchvision
from captum.attr import LayerGradCam, LayerGradientXActivation
from pytorch_grad_cam.ablation_layer import AblationLayer
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam import methods as torchcam

PACKAGES = ("torch", "torchvision", "grad-cam", "torchcam", "captum")


class Case(NamedTuple):
    """What is explained: a network at a layer, in torchvision's name, images and the class for each."""

    network: nn.Module
    layer: str
    x: Tensor
    targets: list[int]

    @property
    def module(self) -> nn.Module:
        """The target layer."""
        return self.network.get_submodule(self.layer)


def versions() -> str:
    """Versions of what is compared with."""
    return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES)


def network(name: str, path: Path) -> nn.Module:
    """One of torchvision's networks with random weights, which go to the file."""
    torch.manual_seed(0)
    made = getattr(torchvision.models, name)(weights=None).eval()
    torch.save(made.state_dict(), path)
    return made


def forward(case: Case) -> Tensor:
    """Run the network alone."""
    with torch.no_grad():
        return case.network(case.x)


def with_pgc(kind: Callable[..., Any], case: Case) -> np.ndarray:
    """Explain by one of pytorch-grad-cam's classes."""
    with kind(case.network, [case.module]) as method:
        return method(case.x, [ClassifierOutputTarget(target) for target in case.targets])


def with_torchcam(kind: Callable[..., Any], case: Case, gradients: bool = True) -> Tensor:
    """Explain by one of torch-cam's classes, the forward pass that it asks for included."""
    with kind(case.network, case.layer) as method:
        with torch.set_grad_enabled(gradients):
            scores = case.network(case.x)
        return method(case.targets, scores)[0]


def with_captum(kind: Callable[..., Any], case: Case) -> Tensor:
    """Explain by one of captum's classes, ReLU included."""
    return kind(case.network, case.module).attribute(case.x, case.targets).sum(1).relu()


class _FirstAblated(AblationLayer):
    """Ablates the first so many channels only."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def activations_to_be_ablated(self, activations: Any, ratio_channels_to_ablate: float = 1.0) -> np.ndarray:
        self.indices = np.arange(self.count)
        return self.indices


class _FirstScoredPgc(pgc.ScoreCAM):
    """Scores the first so many channels only."""

    def __init__(self, *given: Any, count: int) -> None:
        super().__init__(*given)
        self.count = count

    def get_cam_weights(self, x: Any, layer: Any, targets: Any, activations: Any, gradients: Any) -> np.ndarray:
        weights = super().get_cam_weights(x, layer, targets, activations[:, : self.count], gradients)
        return np.pad(weights, ((0, 0), (0, activations.shape[1] - weights.shape[1])))


class _FirstScoredTorchcam(torchcam.ScoreCAM):
    """Scores the first so many channels only."""

    def __init__(self, *given: Any, count: int) -> None:
        super().__init__(*given)
        self.count = count

    def _get_score_weights(self, activations: list[Tensor], *given: Any) -> list[Tensor]:
        (weights,) = super()._get_score_weights([a[:, : self.count] for a in activations], *given)
        return [nn.functional.pad(weights, (0, activations[0].shape[1] - weights.shape[1]))]


def ablate(case: Case, count: int) -> np.ndarray:
    """Ablation-CAM by pytorch-grad-cam over the first so many channels of each image."""
    return with_pgc(functools.partial(pgc.AblationCAM, ablation_layer=_FirstAblated(count)), case)


def score(case: Case, count: int) -> dict[str, Callable[[], Any]]:
    """Score-CAM over the first so many channels of each image."""
    return {
        "pytorch-grad-cam": lambda: with_pgc(functools.partial(_FirstScoredPgc, count=count), case),
        "torch-cam": lambda: with_torchcam(functools.partial(_FirstScoredTorchcam, count=count), case, gradients=False),
    }


def smooth(case: Case, samples: int) -> dict[str, Callable[[], Any]]:
    """Smooth Grad-CAM++ with so many samples."""
    kind = functools.partial(torchcam.SmoothGradCAMpp, num_samples=samples)
    return {"torch-cam": lambda: with_torchcam(kind, case)}


_ONE_GRADIENT = {
    "gradcam": {"pytorch-grad-cam": pgc.GradCAM, "torch-cam": torchcam.GradCAM, "captum": LayerGradCam},
    "gradcam++": {"pytorch-grad-cam": pgc.GradCAMPlusPlus, "torch-cam": torchcam.GradCAMpp},
    "xgradcam": {"pytorch-grad-cam": pgc.XGradCAM, "torch-cam": torchcam.XGradCAM},
    "hirescam": {"pytorch-grad-cam": pgc.HiResCAM, "captum": LayerGradientXActivation},
    "layercam": {"pytorch-grad-cam": pgc.LayerCAM, "torch-cam": torchcam.LayerCAM},
}
_CALLS = {"pytorch-grad-cam": with_pgc, "torch-cam": with_torchcam, "captum": with_captum}


def one_gradient(method: str, case: Case) -> dict[str, Callable[[], Any]]:
    """A method that takes one gradient, by every library that has it."""
    kinds = _ONE_GRADIENT[method]
    return {library: functools.partial(_CALLS[library], kind, case) for library, kind in kinds.items()}
