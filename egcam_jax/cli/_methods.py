"""A method and its options as they came from the command line: checked before anything is loaded."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from egcam_jax import _checks, kernel
from egcam_jax.methods import METHODS

OFFERED = ("difference", "normalizer", "noise", "noise_scale", "path", "sampling")
"""The methods' options that can be given on the command line; others take arrays."""


class Choice(NamedTuple):
    """A method, and those of its options that were given."""

    name: str
    options: Mapping[str, Any]


def check(choice: Choice, *, refs: str | None, samples: int | None) -> None:
    """Refuse an unknown method, and what was given for it that it does not use or take.

    Raises:
        ValueError: Names the option, and those that the method has.
    """
    if choice.name not in METHODS:
        raise ValueError(f"--method {choice.name!r} is unknown. {_checks.nearest(choice.name, METHODS)}")
    method = METHODS[choice.name]
    sampled = default_samples(choice.name) is not None
    given = {"refs": None if method.needs_refs else refs, "samples": None if sampled else samples}
    given |= {name: value for name, value in choice.options.items() if name not in method.schema}
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{_flag(name)} {value}: the method {choice.name!r} does not use it; {_has(choice.name)}")
    for name, value in choice.options.items():
        if words := _words(choice.name, name):
            _checks.one_of(_flag(name), value, words)


def default_samples(name: str) -> int | None:
    """How many samples a method draws unless told otherwise; ``None`` for one that draws none."""
    return METHODS[name].num_samples


def provenance(choice: Choice, *, given: int | None, chunk: int | None, images: int) -> dict[str, Any]:
    """What is done to a batch of so many images: the method, all its options, the samples, what one pass holds."""
    default = default_samples(choice.name)
    drawn = default and (given or default)
    blocks = kernel.plan(images, drawn or 1, chunk)
    return {
        "method": choice.name,
        "options": {**METHODS[choice.name].options, **choice.options},
        "samples": drawn,
        "chunk": chunk or kernel.DEFAULT_CHUNK_SIZE,
        "pass": {"images": blocks.images, "samples": blocks.samples},
    }


def remedy(method: str, options: Mapping[str, Any]) -> str | None:
    """Which options narrow the completeness gap, which tends to 0 (eq. 14) not for every reading of the paper.

    Returns:
        ``"--samples"`` where more samples are enough, other options with their values where these are
        wanted, ``None`` where the method has no such options.
    """
    path, difference = options.get("path"), options.get("difference")
    if path is None or difference is None:
        return None
    if difference == "tangent" or path == difference == "latent":
        return "--samples"
    wanted = [name for name in ("path", "difference") if options[name] != "latent"]
    offered = all("latent" in _words(method, name) for name in wanted)
    return " ".join(f"{_flag(name)} latent" for name in wanted) if offered else None


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _words(method: str, option: str) -> Sequence[str]:
    """What an option can be, where that is one of a few words."""
    return getattr(METHODS[method].schema[option], "words", ())


def _has(name: str) -> str:
    """The options of a method that can be given on the command line."""
    method = METHODS[name]
    own = ["refs"] * method.needs_refs + ["samples"] * (default_samples(name) is not None)
    flags = [*own, *(option for option in OFFERED if option in method.schema)]
    return f"its options: {', '.join(map(_flag, flags)) or 'none'}"
