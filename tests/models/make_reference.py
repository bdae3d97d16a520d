"""Make ``reference/*.npz``: what plain PyTorch networks answer, on weights and images anyone can make again.

Run by hand, with PyTorch installed: ``python tests/models/make_reference.py``. The networks here are written
for this purpose from the papers and from torchvision's and the packages' tensor names; ours are ported
by name alone, so that a wrong stride, padding, order or name shows in the numbers.
"""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from seeded_weights import seeded_images, seeded_tensor, summary
from torch import Tensor, nn

FOLDER = Path(__file__).parent / "reference"


class Basic(nn.Module):
    def __init__(self, cin: int, width: int, stride: int, v1: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        if stride != 1 or cin != width:
            conv = nn.Conv2d(cin, width, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class Wide(nn.Module):
    def __init__(self, cin: int, width: int, stride: int, v1: bool) -> None:
        super().__init__()
        eps = 1.001e-5 if v1 else 1e-5
        self.conv1 = nn.Conv2d(cin, width, 1, stride if v1 else 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, eps)
        self.conv2 = nn.Conv2d(width, width, 3, 1 if v1 else stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width, eps)
        self.conv3 = nn.Conv2d(width, width * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * 4, eps)
        if stride != 1 or cin != width * 4:
            conv = nn.Conv2d(cin, width * 4, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(width * 4, eps))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet(nn.Module):
    def __init__(self, block: type[nn.Module], counts: list[int], v1: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64, 1.001e-5 if v1 else 1e-5)
        cin, growth = 64, 4 if block is Wide else 1
        for i, count in enumerate(counts):
            width, blocks = 64 * 2**i, []
            for j in range(count):
                blocks.append(block(cin, width, 2 if i and not j else 1, v1))
                cin = width * growth
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(cin, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
        return self.fc(x.mean((2, 3)))


class CifarBlock(nn.Module):
    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        self.pad, self.stride = (width - cin) // 2, stride
        self.conv1 = nn.Conv2d(cin, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad)))


class CifarResNet(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        cin = 16
        for i, width in enumerate((16, 32, 64)):
            blocks = []
            for j in range(count):
                blocks.append(CifarBlock(cin, width, 2 if i and not j else 1))
                cin = width
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for i in range(1, 4):
            x = getattr(self, f"layer{i}")(x)
        return self.linear(x.mean((2, 3)))


class Flat(nn.Module):
    """VGG and AlexNet: numbered features, adaptive pooling, numbered classifier."""

    def __init__(self, features: list[nn.Module], grid: int, classifier: list[nn.Module]) -> None:
        super().__init__()
        self.features, self.grid = nn.Sequential(*features), grid
        self.classifier = nn.Sequential(*classifier)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), (self.grid, self.grid))
        return self.classifier(x.flatten(1))


def vgg(counts: list[int], hidden: int) -> nn.Module:
    layers: list[nn.Module] = []
    cin = 3
    for count, width in zip(counts, (64, 128, 256, 512, 512)):
        for _ in range(count):
            layers += [nn.Conv2d(cin, width, 3, 1, 1), nn.ReLU()]
            cin = width
        layers.append(nn.MaxPool2d(2, 2))
    drop = nn.Dropout()
    head = [nn.Linear(25088, hidden), nn.ReLU(), drop, nn.Linear(hidden, hidden), nn.ReLU(), drop]
    return Flat(layers, 7, [*head, nn.Linear(hidden, 1000)])


def alexnet() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    layers += [nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    for cin, cout in ((192, 384), (384, 256), (256, 256)):
        layers += [nn.Conv2d(cin, cout, 3, 1, 1), nn.ReLU()]
    drop = nn.Dropout()
    head = [drop, nn.Linear(9216, 4096), nn.ReLU(), drop, nn.Linear(4096, 4096), nn.ReLU()]
    return Flat([*layers, nn.MaxPool2d(3, 2)], 6, [*head, nn.Linear(4096, 1000)])


class Fire(nn.Module):
    def __init__(self, cin: int, squeezed: int, names: tuple[str, str, str]) -> None:
        super().__init__()
        self.names = names
        setattr(self, names[0], nn.Conv2d(cin, squeezed, 1))
        setattr(self, names[1], nn.Conv2d(squeezed, 4 * squeezed, 1))
        setattr(self, names[2], nn.Conv2d(squeezed, 4 * squeezed, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        squeeze, small, large = (getattr(self, name) for name in self.names)
        x = F.relu(squeeze(x))
        return F.relu(torch.cat([small(x), large(x)], 1))


class SqueezeNet(nn.Module):
    def __init__(self, width: int, kernel: int, plan: list[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, kernel, 2), nn.ReLU()]
        cin = width
        for squeezed in plan:
            if squeezed:
                layers.append(Fire(cin, squeezed, ("squeeze", "expand1x1", "expand3x3")))
                cin = 8 * squeezed
            else:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).mean((2, 3))


class CaffeSqueezeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 7, 2)
        cin = 96
        for i, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
            fire = Fire(cin, squeezed, ("conv1x1_1", "conv1x1_2", "conv3x3_2"))
            setattr(self, f"fire{i + 2}", fire)
            cin = 8 * squeezed
        self.conv_final = nn.Conv2d(512, 1000, 1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 3, 2, ceil_mode=True)
        for i in range(2, 10):
            x = getattr(self, f"fire{i}")(x)
            if i in (4, 8):
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        return F.relu(self.conv_final(x)).mean((2, 3))


class SameConv(nn.Conv2d):
    """TensorFlow's "SAME": as many outputs as strides fit, the odd zero at the end."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for n in (x.shape[3], x.shape[2]):
            k, s = self.kernel_size[0], self.stride[0]
            total = max((math.ceil(n / s) - 1) * s + k - n, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


class LiteBlock(nn.Module):
    def __init__(self, cin: int, cout: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = cin * expansion
        if expansion > 1:
            self._expand_conv = SameConv(cin, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, 1e-3)
        self._depthwise_conv = SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, 1e-3)
        self._project_conv = SameConv(wide, cout, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(cout, 1e-3)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if hasattr(self, "_bn0") else x
        y = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.residual else y


class Lite(nn.Module):
    def __init__(self, blocks: list[tuple[int, int, int, int, int]]) -> None:
        """Blocks as (count, channels out, kernel, stride, expansion)."""
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, 1e-3)
        layers, cin = [], 32
        for count, cout, kernel, stride, expansion in blocks:
            for j in range(count):
                layers.append(LiteBlock(cin, cout, kernel, 1 if j else stride, expansion))
                cin = cout
        self._blocks = nn.ModuleList(layers)
        self._conv_head, self._bn1 = SameConv(cin, 1280, 1, bias=False), nn.BatchNorm2d(1280, 1e-3)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return self._fc(F.relu6(self._bn1(self._conv_head(x))).mean((2, 3)))


def lite(counts: list[int], widths: list[int]) -> nn.Module:
    rest = ((3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6), (3, 1, 6))
    return Lite([(n, w, *other) for n, w, other in zip(counts, widths, rest)])


def flat_layers(model: Any) -> dict[str, str]:
    """Ours by theirs: a convolution's layer is its output after the ReLU, which has the next number."""
    convs = [i for i, layer in enumerate(model.features) if isinstance(layer, nn.Conv2d)]
    return {f"features.{i + 1}": f"features/{i}" for i in convs} | {"features": "features"}


def block_layers(model: nn.Module) -> dict[str, str]:
    kinds = Basic | Wide | CifarBlock
    return {name: name.replace(".", "/") for name, child in model.named_modules() if isinstance(child, kinds)}


def fire_layers(model: nn.Module) -> dict[str, str]:
    found = [name for name, child in model.named_modules() if isinstance(child, Fire)]
    return {name: name.replace(".", "/") for name in found} | {"features": "features"}


def caffe_layers(model: nn.Module) -> dict[str, str]:
    numbers = (3, 4, 5, 7, 8, 9, 10, 12)
    return {f"fire{i + 2}": f"features/{number}" for i, number in enumerate(numbers)}


def lite_layers(counts: list[int]) -> Callable[[nn.Module], dict[str, str]]:
    ours = [f"blocks/{stage}/{block}" for stage, count in enumerate(counts) for block in range(count)]
    return lambda model: {f"_blocks.{i}": name for i, name in enumerate(ours)}


LITE0, LITE0_WIDTHS = [1, 2, 2, 3, 3, 4, 1], [16, 24, 40, 80, 112, 192, 320]
LITE1 = [1, 3, 3, 4, 4, 5, 1]
LITE2_WIDTHS = [16, 24, 48, 88, 120, 208, 352]
V10 = [0, 16, 16, 32, 0, 32, 48, 48, 64, 0, 64]
V11 = [0, 16, 16, 0, 32, 32, 0, 48, 48, 64, 64]
DEEP = {"101": [3, 4, 23, 3], "152": [3, 8, 36, 3]}
NARROW = {"hidden": 64}
Case = tuple[str, Callable[[], nn.Module], Callable[[nn.Module], dict[str, str]], tuple[int, int, int], dict[str, int]]


def cases() -> dict[str, Case]:
    """By name of the file: our network, theirs, layers to compare, images (count, height, width), our options."""
    return {
        "resnet18": ("resnet18", lambda: ResNet(Basic, [2, 2, 2, 2]), block_layers, (2, 64, 80), {}),
        "resnet34": ("resnet34", lambda: ResNet(Basic, [3, 4, 6, 3]), block_layers, (1, 64, 48), {}),
        "resnet50": ("resnet50", lambda: ResNet(Wide, [3, 4, 6, 3]), block_layers, (2, 64, 64), {}),
        "resnet50_v1": ("resnet50_v1", lambda: ResNet(Wide, [3, 4, 6, 3], v1=True), block_layers, (2, 64, 64), {}),
        **{
            f"resnet{depth}{end}": (
                f"resnet{depth}{end}",
                partial(ResNet, Wide, counts, v1=bool(end)),
                block_layers,
                (1, 64, 48),
                {},
            )
            for depth, counts in DEEP.items()
            for end in ("", "_v1")
        },
        **{
            f"cifar_resnet{6 * n + 2}": (f"cifar_resnet{6 * n + 2}", partial(CifarResNet, n), block_layers, images, {})
            for n, images in {3: (2, 32, 32), 5: (2, 16, 24), 7: (2, 16, 24), 9: (2, 16, 24)}.items()
        },
        # The classifiers of the other VGGs are equal to this one's, and nine tenths of its numbers.
        "vgg11": ("vgg11", lambda: vgg([1, 1, 2, 2, 2], 4096), flat_layers, (1, 96, 320), {}),
        "vgg13": ("vgg13", lambda: vgg([2, 2, 2, 2, 2], 64), flat_layers, (1, 64, 96), NARROW),
        "vgg16": ("vgg16", lambda: vgg([2, 2, 3, 3, 3], 64), flat_layers, (1, 64, 96), NARROW),
        "vgg19": ("vgg19", lambda: vgg([2, 2, 4, 4, 4], 64), flat_layers, (1, 64, 96), NARROW),
        "alexnet": ("alexnet", alexnet, flat_layers, (2, 224, 224), {}),
        "alexnet_large": ("alexnet", alexnet, flat_layers, (1, 290, 250), {}),
        "squeezenet1_0": ("squeezenet1_0", lambda: SqueezeNet(96, 7, V10), fire_layers, (2, 95, 104), {}),
        "squeezenet1_1": ("squeezenet1_1", lambda: SqueezeNet(64, 3, V11), fire_layers, (2, 95, 104), {}),
        "squeezenet1_0_caffe": ("squeezenet1_0_caffe", CaffeSqueezeNet, caffe_layers, (2, 95, 104), {}),
        "efficientnet_lite0": (
            "efficientnet_lite0",
            lambda: lite(LITE0, LITE0_WIDTHS),
            lite_layers(LITE0),
            (2, 64, 71),
            {},
        ),
        "efficientnet_lite1": (
            "efficientnet_lite1",
            lambda: lite(LITE1, LITE0_WIDTHS),
            lite_layers(LITE1),
            (1, 64, 65),
            {},
        ),
        "efficientnet_lite2": (
            "efficientnet_lite2",
            lambda: lite(LITE1, LITE2_WIDTHS),
            lite_layers(LITE1),
            (1, 65, 64),
            {},
        ),
    }


@torch.no_grad()
def make(case: str, name: str, build: Any, layers: Any, images: tuple[int, int, int], options: dict[str, int]) -> None:
    model = build().eval()
    state = {key: value for key, value in model.state_dict().items() if "num_batches" not in key}
    for key, value in state.items():
        value.copy_(torch.from_numpy(seeded_tensor(key, tuple(value.shape))))
    seen: dict[str, np.ndarray] = {}

    def record(ours: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Tensor, ...], y: Tensor) -> None:
            seen[ours] = summary(y.permute(0, 2, 3, 1).numpy())

        return hook

    modules = dict(model.named_modules())
    for theirs, ours in layers(model).items():
        modules[theirs].register_forward_hook(record(ours))
    logits = model(torch.from_numpy(seeded_images(*images)).permute(0, 3, 1, 2)).numpy()
    about = {
        "network": name,
        "options": options,
        "images": images,
        "torch": torch.__version__,
        "shapes": {key: list(value.shape) for key, value in state.items()},
        "layers": list(seen),
    }
    path = FOLDER / f"{case}.npz"
    blocks = np.stack(list(seen.values()))
    np.savez_compressed(path, about=json.dumps(about), logits=logits[:, :50], blocks=blocks)
    print(case, path.stat().st_size, "bytes, logits std", float(logits.std()))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for case, row in cases().items():
        make(case, *row)
