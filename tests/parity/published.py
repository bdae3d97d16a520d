"""What the published PyTorch libraries answer on the small network. Needs grad-cam, torchcam and captum."""

import importlib.metadata
from collections.abc import Callable

import numpy as np
import torch
from captum.attr import LayerGradCam, LayerGradientXActivation, LayerIntegratedGradients
from pytorch_grad_cam import AblationCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam import methods as torchcam

PACKAGES = ("torch", "grad-cam", "torchcam", "captum")
STEPS = 10  # of Integrated Grad-CAM


class Network(nn.Module):
    """The twin of ``small_network.apply_fn``; each target layer is a module of its own."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        shape = lambda name: weights[f"{name}.weight"].shape
        conv = lambda name: nn.Conv2d(shape(name)[1], shape(name)[0], 3, padding=1)
        self.conv1, self.conv2, self.conv3 = conv("conv1"), conv("conv2"), conv("conv3")
        self.first, self.middle, self.last, self.pool = nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.MaxPool2d(2)
        self.linear = nn.Linear(*shape("linear")[::-1])
        self.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.first(self.conv1(x)))
        x = self.pool(self.last(self.conv3(self.middle(self.conv2(x)))))
        return self.linear(x.flatten(1))


def maps(weights: dict[str, np.ndarray], images: np.ndarray) -> dict[str, np.ndarray]:
    """Coarse maps by ``library/method/target``, the logits, and the targets ``top`` and ``low`` of each image."""
    network, x = Network(weights), torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    logits = network(x).detach()
    found = {"logits": logits.numpy(), "top": logits.argmax(1).numpy(), "low": logits.argmin(1).numpy()}
    for name in ("top", "low"):
        for path, values in _for_targets(network, x, found[name].tolist()).items():
            found[f"{path}/{name}"] = values.astype(np.float32)
    return found


def versions() -> dict[str, str]:
    """Versions of the libraries that answered."""
    return {package: importlib.metadata.version(package) for package in PACKAGES}


def _for_targets(network: Network, x: Tensor, targets: list[int]) -> dict[str, np.ndarray]:
    gradient = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus, "xgradcam": XGradCAM, "hirescam": HiResCAM}
    found = {f"pgc/{name}": _pgc(kind, network, "middle", x, targets) for name, kind in gradient.items()}
    found["pgc/layercam"] = _pgc(LayerCAM, network, "middle", x, targets)
    found["pgc/ablationcam"] = _pgc(AblationCAM, network, "middle", x, targets)
    found["pgc/scorecam"] = _pgc(ScoreCAM, network, "first", x, targets)
    kinds = {"gradcam": torchcam.GradCAM, "xgradcam": torchcam.XGradCAM, "layercam": torchcam.LayerCAM}
    for name, kind in kinds.items():
        found[f"torchcam/{name}"] = _torchcam(kind, network, "middle", x, targets)
    found["torchcam/scorecam"] = _torchcam(torchcam.ScoreCAM, network, "first", x, targets)
    captum = lambda x: LayerGradCam(network, network.middle).attribute(x, targets)[:, 0]
    found["captum/gradcam"] = captum(x).detach().numpy()
    product = LayerGradientXActivation(network, network.middle).attribute(x, targets)
    found["captum/hirescam"] = product.detach().sum(1).numpy()
    path = LayerIntegratedGradients(network, network.middle)  # from one reference, the first image, in equal steps
    start = x[:1].expand_as(x)
    for rule in ("middle", "right"):
        whole = path.attribute(x, start, target=targets, n_steps=STEPS, method=f"riemann_{rule}")
        found[f"captum/expected_attribution {rule}"] = whole.detach().sum(1).numpy()
    for rule, offset in (("left", 0.0), ("midpoint", 0.5), ("right", 1.0)):
        steps = [captum(x * ((t + offset) / STEPS)).detach().relu() for t in range(STEPS)]
        found[f"captum/integrated_gradcam {rule}"] = torch.stack(steps).mean(0).numpy()
    return found


def _pgc(kind: Callable, network: Network, layer: str, x: Tensor, targets: list[int]) -> np.ndarray:
    """The map as pytorch-grad-cam has it before its ReLU, resizing and scaling."""
    found = []
    with kind(network, [getattr(network, layer)]) as method:
        inner = method.get_cam_image
        method.get_cam_image = lambda *given: found.append(inner(*given)) or found[0]
        method(x, [ClassifierOutputTarget(target) for target in targets])
    return np.asarray(found[0])


def _torchcam(kind: Callable, network: Network, layer: str, x: Tensor, targets: list[int]) -> np.ndarray:
    """The map as torch-cam has it before it is scaled, after its ReLU."""
    with kind(network, getattr(network, layer)) as method:
        (found,) = method(targets, network(x), normalized=False)
    return found.detach().numpy()
