"""Several networks in one command: ``--model NAME[:LAYER]``, and of each ``--weights [NAME=]FILE`` and so on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from egcam_jax.cli import networks as _networks
from egcam_jax.output import names

_FILES = ("weights", "class_names")


class Network(NamedTuple):
    """A network that is asked for, as ``networks.early`` takes it.

    Attributes:
        model: Its name.
        layer: Its target layer; "" for its own.
        weights: Its file of weights, if one was given.
        entry: Which set of weights in that file, likewise.
        class_names: The file of its classes' names, likewise.
        preprocess: What the weights were trained with, likewise.
    """

    model: str
    layer: str
    weights: Path | None = None
    entry: str | None = None
    class_names: Path | None = None
    preprocess: str | None = None

    @property
    def text(self) -> str:
        """What it is called in the table."""
        return f"{self.model}:{self.layer}" if self.layer else self.model

    @property
    def folder(self) -> str:
        """What its run's folder is called."""
        return names.of_network(self.text)


def networks(asked: Any, default: Sequence[str]) -> list[Network]:
    """Read the networks and their flags; each network is checked before anything is loaded.

    Args:
        asked: ``model`` has ``NAME`` or ``NAME:LAYER`` each. ``weights``, ``entry``, ``class_names`` and ``preprocess``
            have ``VALUE``, where all are the same network, or ``NAME=VALUE``.
        default: The networks where none is named.

    Raises:
        ValueError: There is no such network, one comes twice, or a flag does not say of which network it is.
        FileNotFoundError: There is no such file.
    """
    pairs = [(name, layer) for name, _, layer in (text.partition(":") for text in asked.model or default)]
    models = list(dict.fromkeys(name for name, _ in pairs))
    of = {flag: _by_network(flag, getattr(asked, flag) or (), models) for flag in Network._fields[2:]}
    paths = {flag: {name: Path(text) for name, text in of[flag].items()} for flag in _FILES}
    given = of | paths
    own: list[dict[str, Any]] = [{flag: some.get(name) for flag, some in given.items()} for name, _ in pairs]
    several = [Network(*pair, **flags) for pair, flags in zip(pairs, own, strict=True)]
    for network in several:
        _networks.check(network.model, network.weights)
    folders = [network.folder for network in several]
    twice = [network.text for network in several if folders.count(network.folder) > 1]
    if twice:
        raise ValueError(f"--model {twice[0]} comes twice; name each network and layer once")
    return several


def _by_network(flag: str, texts: Sequence[str], models: Sequence[str]) -> dict[str, str]:
    """The value of a flag for each network that has one."""
    values: dict[str, str] = {}
    called, what = f"--{flag.replace('_', '-')}", "FILE" if flag in _FILES else "VALUE"
    for text in texts:
        before, _, after = text.partition("=")
        if before not in models and len(models) > 1:
            raise ValueError(f"{called} {text}: say whose it is, NAME={what}, NAME one of {', '.join(models)}")
        name, value = (before, after) if before in models else (models[0], text)
        if name in values:
            raise ValueError(f"{called} {text}: {name} has one already; give one for each network")
        values[name] = value
    return values
