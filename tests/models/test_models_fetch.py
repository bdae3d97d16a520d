"""Published weights without a network: a hub that is simulated, and one that refuses."""

import dataclasses
import hashlib
import http.server
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def serving(status: int, data: bytes = b"") -> Iterator[str]:
    """A server on this machine with one answer to everything, by its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_HEAD = do_GET

        def log_message(self, *arguments: Any) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the hub's address, and an empty cache."""

    def at(address: str) -> None:
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))

    return at


def state(case: str) -> dict[str, np.ndarray]:
    return seeded_weights({key: tuple(shape) for key, shape in reference(case)[0]["shapes"].items()})


def test_resnet_from_the_hub(hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's first answer, an error that may pass, is left to the download, which tries again."""
    file = tmp_path / "model.safetensors"
    save_file(state("resnet18"), file)
    asked = []

    def download(repository: str, filename: str, **options: Any) -> str:
        asked.append((repository, filename))
        return str(file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with serving(503) as address:
        hub(address)
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
    sizes: dict[str, tuple[int, ...]] = {
        "classifier.0.weight": (8, 25088),
        "classifier.3.weight": (8, 8),
        "classifier.6.weight": (1000, 8),
    }
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


def test_a_refused_connection_says_at_once_which_file_to_pass(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hub(f"http://127.0.0.1:{closed_port()}")
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)  # between tries
    with pytest.raises(OSError, match=r"model\.safetensors of timm/resnet50\.tv_in1k .*weights=") as caught:
        models.load("resnet50")
    assert "\n" not in str(caught.value)
    assert waits == []


@pytest.mark.parametrize("source", ["hub", "url"])
def test_a_server_that_never_answers_is_given_up(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr(_fetch, "_TIMEOUT", 0.2)
    monkeypatch.setattr(_fetch, "_STALL", 0.2)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hub(address)
        start = time.monotonic()
        with pytest.raises(OSError, match=r"the weights of net could not be fetched \(ReadTimeout\)"):
            _fetch.fetch("net", Hub("a/b") if source == "hub" else Url(f"{address}/net.pth", "00"))
        assert time.monotonic() - start < 8  # their own limits are 10 and 30 s


def test_patience_is_seconds() -> None:
    assert _fetch._TIMEOUT <= 5
    assert _fetch._STALL <= 60


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
        _fetch.fetch("alexnet", Url(url, "7be5be79"))
    assert "\n" not in str(caught.value)


def test_a_file_is_fetched_once_and_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path)
    records: list[logging.LogRecord] = []
    listener = logging.Handler()
    monkeypatch.setattr(listener, "emit", records.append)
    monkeypatch.setattr(pooch.get_logger(), "handlers", [listener])
    level = pooch.get_logger().level
    data = b"weights"
    with serving(200, data) as address:
        source = Url(f"{address}/net.pth", hashlib.sha256(data).hexdigest())
        path, _ = _fetch.fetch("net", source)
    assert path.read_bytes() == data
    assert records == []
    assert pooch.get_logger().level == level
    assert _fetch.fetch("net", source) == (tmp_path / "net.pth", source.url)  # there is no server any more


@pytest.mark.parametrize("digits", [8, 64])
def test_a_damaged_file_is_refused_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: int) -> None:
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path)
    file = tmp_path / "net.pth"
    file.write_bytes(b"weights")
    sha256 = hashlib.sha256(b"weights").hexdigest()[:digits]
    url = f"http://127.0.0.1:{closed_port()}/net.pth"
    assert _fetch.fetch("net", Url(url, sha256)) == (file, url)
    wrong = sha256[:-1] + ("1" if sha256[-1] == "0" else "0")
    with pytest.raises(OSError, match=r"is damaged, .* remove it and try again"):
        _fetch.fetch("net", Url(url, wrong))
    assert file.read_bytes() == b"weights"


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
    for name, digits in {"alexnet": 64, "squeezenet1_0": 8, "squeezenet1_1": 64}.items():
        source = sources[name]
        assert isinstance(source, Url)
        assert len(source.sha256) == digits
        assert source.url.endswith(f"-{source.sha256[:8]}.pth")
    assert isinstance(sources["cifar_resnet56"], Unpublished)
