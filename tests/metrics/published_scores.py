"""What Quantus and RISE answer on what ``judged`` holds, one image to a call. Needs quantus and torch."""

import importlib.metadata
import importlib.util
import sys
import types
import warnings
from pathlib import Path

import judged
import numpy as np
import torch
from torch import Tensor, nn

if not hasattr(np, "trapz"):
    np.trapz = np.trapezoid  # noqa: NPY201
import quantus

PACKAGES = ("quantus", "torch", "numpy", "scikit-image")
QUIET = {"disable_warnings": True, "display_progressbar": False}


def versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def generation() -> str:
    """The version of Quantus that is installed."""
    return importlib.metadata.version("quantus")


class Network(nn.Module):
    """The twin of ``predict`` in the tests: it flattens channels last."""

    def __init__(self, found: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.hidden = nn.Parameter(torch.from_numpy(found["hidden"]))
        self.out = nn.Parameter(torch.from_numpy(found["out"]))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x.permute(0, 2, 3, 1).flatten(1) @ self.hidden) @ self.out


def explain(model, inputs, targets, **_) -> np.ndarray:
    """Input times gradient, its size summed over channels: the twin of ``explain`` in the tests."""
    x = torch.as_tensor(np.asarray(inputs), dtype=torch.float32).requires_grad_(True)
    score = model(x)[torch.arange(len(x)), torch.as_tensor(np.asarray(targets))].sum()
    (gradient,) = torch.autograd.grad(score, x)
    return (gradient * x).abs().sum(1, keepdim=True).detach().numpy()


class Given:
    """Adds the stored noise, copy by copy, whatever it is asked for."""

    def __init__(self, noise: np.ndarray) -> None:
        self.noise, self.number = np.moveaxis(noise, -1, 1), 0

    def __call__(self, arr, **_) -> np.ndarray:
        moved = arr + self.noise[self.number].reshape(arr.shape)
        self.number += 1
        return moved


def drawn(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Values of the random metrics with noise that Quantus draws itself: ``(runs, images)``, run i from seed i."""
    warnings.simplefilter("ignore")
    model = Network(found).eval()
    x, y = np.moveaxis(found["images"], -1, 1).copy(), found["targets"]
    maps = explain(model, x, y)
    answers = {}
    for name, metric in RANDOM.items():
        runs = []
        for seed in range(judged.RUNS):
            one = metric(nr_samples=judged.COPIES, return_nan_when_prediction_changes=False, **QUIET)
            values = []
            for i in range(len(x)):
                np.random.seed(1000 * i + seed)  # noqa: NPY002
                given = {"x_batch": x[i : i + 1].copy(), "y_batch": y[i : i + 1], "a_batch": maps[i : i + 1].copy()}
                value = one(model=model, explain_func=explain, device="cpu", channel_first=True, **given)
                values.append(float(np.ravel(value)[0]))
            runs.append(values)
        answers[f"{name} drawn"] = np.array(runs)
    return answers


RANDOM = {
    "local_lipschitz": quantus.LocalLipschitzEstimate,
    "max_sensitivity": quantus.MaxSensitivity,
    "avg_sensitivity": quantus.AvgSensitivity,
    "relative_input_stability": quantus.RelativeInputStability,
    "relative_output_stability": quantus.RelativeOutputStability,
}


def scores(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Values by name, an entry for each image."""
    warnings.simplefilter("ignore")
    model = Network(found).eval()
    x, a = np.moveaxis(found["images"], -1, 1).copy(), found["maps"][:, None]
    y, s = found["targets"], found["masks"][:, None]
    old = generation().startswith("0.4")

    def ask(metric, explained=False, copies=False, masked=False, **options):
        values = []
        for i in range(len(x)):
            extra = {"perturb_func": Given(found["noise"]), "nr_samples": judged.COPIES} if copies else {}
            one = metric(**options, **extra, **QUIET)
            if copies:
                one.perturb_func = extra["perturb_func"]
            maps = explain(model, x[i : i + 1], y[i : i + 1]) if explained else a[i : i + 1]
            more = {"s_batch": s[i : i + 1]} if masked else {}
            more |= {"explain_func": explain} if explained else {}
            softmax = {"softmax": SOFTMAX[metric.__name__]} if metric.__name__ in SOFTMAX else {}
            value = one(
                model=model, x_batch=x[i : i + 1].copy(), y_batch=y[i : i + 1], a_batch=maps.copy(), device="cpu",
                channel_first=True, **more, **softmax,
            )  # fmt: skip
            values.append(np.asarray(value, np.float64).ravel())
        return np.stack(values).squeeze(-1) if len(values[0]) == 1 else np.stack(values)

    step = {"features_in_step": judged.STEP if old else 3 * judged.STEP}
    patch = {"perturb_patch_sizes": [judged.PATCH], "n_perturb_samples": 1}
    answers = {
        "faithfulness_estimate": ask(quantus.FaithfulnessEstimate, **step),
        "pixel_flipping curve": ask(quantus.PixelFlipping, **step),
        "pixel_flipping": ask(quantus.PixelFlipping, return_auc_per_sample=True, **step),
        "pixel_flipping mean": ask(quantus.PixelFlipping, perturb_baseline="mean", **step),
        "infidelity": ask(quantus.Infidelity, **patch),
        "local_lipschitz": ask(quantus.LocalLipschitzEstimate, explained=True, copies=True),
        "max_sensitivity": ask(quantus.MaxSensitivity, explained=True, copies=True),
        "avg_sensitivity": ask(quantus.AvgSensitivity, explained=True, copies=True),
        "relative_input_stability": ask(quantus.RelativeInputStability, explained=True, copies=True),
        "relative_output_stability": ask(quantus.RelativeOutputStability, explained=True, copies=True),
        "complexity": ask(quantus.Complexity),
        "sparseness": ask(quantus.Sparseness),
        "attribution_localisation": ask(quantus.AttributionLocalisation, masked=True),
        "top_k_intersection": ask(quantus.TopKIntersection, masked=True, k=judged.TOP),
        "relevance_rank_accuracy": ask(quantus.RelevanceRankAccuracy, masked=True),
        "relevance_mass_accuracy": ask(quantus.RelevanceMassAccuracy, masked=True),
        "pointing_game": ask(quantus.PointingGame, masked=True),
    }
    whole = {"model": model, "x_batch": x.copy(), "y_batch": y, "a_batch": a.copy(), "device": "cpu"}
    sufficient = quantus.Sufficiency(threshold=judged.THRESHOLD, **QUIET)(**whole, channel_first=True)
    answers["sufficiency"] = np.asarray(sufficient, np.float64).ravel()
    if old:
        answers["irof"] = ask(quantus.IROF)
    answers["segments"] = segments(found["images"])
    answers["imputed"] = imputed(found["images"], found["masks"])
    return answers | drawn(found)


SOFTMAX = {"PixelFlipping": True, "IROF": True, "FaithfulnessEstimate": False, "Infidelity": False}


def segments(images: np.ndarray) -> np.ndarray:
    """What Quantus's IROF would find."""
    from skimage.segmentation import slic

    return np.stack([slic(image.astype(np.float64), start_label=0) for image in images]).astype(np.int32)


def imputed(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The objects filled in from around them, without noise, by what ROAD is made of."""
    from quantus.functions.perturb_func import noisy_linear_imputation

    return np.stack(
        [
            np.moveaxis(noisy_linear_imputation(np.moveaxis(image, -1, 0), np.flatnonzero(mask), noise=0.0), 0, -1)
            for image, mask in zip(images, masks)
        ]
    )


def rise(found: dict[str, np.ndarray], evaluation: Path) -> dict[str, np.ndarray]:
    """What RISE's own ``evaluation.py`` answers: its curves, for the top class."""
    sys.modules["utils"] = types.SimpleNamespace(torch=torch, np=np)  # all that is used of its star import
    sys.modules["scipy.ndimage.filters"] = importlib.import_module("scipy.ndimage")
    spec = importlib.util.spec_from_file_location("rise_evaluation", evaluation)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.torch, module.np, module.HW, module.n_classes = torch, np, judged.SIZE**2, judged.CLASSES
    torch.Tensor.cuda = lambda tensor: tensor
    model = nn.Sequential(Network(found), nn.Softmax(dim=1)).eval()
    kernel = module.gkern(11, 5)
    substrates = {"ins": lambda x: nn.functional.conv2d(x, kernel, padding=5), "del": torch.zeros_like}
    answers = {}
    with torch.no_grad():
        for mode, substrate in substrates.items():
            causal = module.CausalMetric(model, mode, judged.STEP, substrate)
            images = torch.from_numpy(np.moveaxis(found["images"], -1, 1).copy())
            curves = [causal.single_run(image[None], saliency) for image, saliency in zip(images, found["maps"])]
            answers[f"{mode} curve"] = np.stack(curves)
            answers[mode] = np.array([module.auc(curve) for curve in curves])
    return answers
