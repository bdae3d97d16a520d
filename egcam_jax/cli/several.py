"""Several networks in one command: ``--model NAME[:LAYER]``, ``--weights [NAME=]FILE``."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from egcam_jax.cli import networks as _networks
from egcam_jax.output import names


class Network(NamedTuple):
    """A network that is asked for: its name, its target layer, if one was named, and its file of weights."""

    name: str
    layer: str
    weights: Path | None

    @property
    def text(self) -> str:
        """What it is called in the table."""
        return f"{self.name}:{self.layer}" if self.layer else self.name

    @property
    def folder(self) -> str:
        """What its run's folder is called."""
        return names.of_network(self.text)


def networks(texts: Sequence[str], weights: Sequence[str]) -> list[Network]:
    """Read the networks and their weights; each is checked before anything is loaded.

    Args:
        texts: ``NAME`` or ``NAME:LAYER`` each.
        weights: ``FILE``, where all are the same network, or ``NAME=FILE``.

    Raises:
        ValueError: There is no such network, one comes twice, or it is not said whose the weights are.
        FileNotFoundError: There is no such file.
    """
    pairs = [(name, layer) for name, _, layer in (text.partition(":") for text in texts)]
    files = _files(weights, list(dict.fromkeys(name for name, _ in pairs)))
    asked = [Network(name, layer, files.get(name)) for name, layer in pairs]
    for network in asked:
        _networks.check(network.name, network.weights)
    folders = [network.folder for network in asked]
    twice = [network.text for network in asked if folders.count(network.folder) > 1]
    if twice:
        raise ValueError(f"--model {twice[0]} comes twice; name each network and layer once")
    return asked


def _files(weights: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for text in weights:
        before, _, after = text.partition("=")
        if before not in names and len(names) > 1:
            raise ValueError(f"--weights {text}: say whose they are, NAME=FILE, NAME one of {', '.join(names)}")
        name, file = (before, after) if before in names else (names[0], text)
        if name in files:
            raise ValueError(f"--weights {text}: {name} has weights already; one file for each network")
        files[name] = Path(file)
    return files
