"""A method and its options as they came from the command line: checked before anything is loaded."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from egcam_jax import _checks, kernel
from egcam_jax.cli import _errors
from egcam_jax.methods import METHODS, Method, find
from egcam_jax.methods._options import Setting

OFFERED = ("difference", "normalizer", "noise", "noise_scale", "path", "sampling")
"""The methods' options that have a flag of their own on the command line; `--option NAME=VALUE` sets any."""

_IMAGE = (1, 1, 3)
"""What broadcasts to it broadcasts to any picture."""
WORDS = {"true": True, "false": False, "none": None}
_CHANNELS = 1024
"""Of a layer, before its network is loaded."""


class Choice(NamedTuple):
    """A method, those of its options that were given, and the gradients under it where they are not its own."""

    name: str
    options: Mapping[str, Any]
    gradients: str | None = None

    @property
    def method(self) -> Method:
        """What ``explain`` will make of the name and the gradients."""
        return find(self.name, self.gradients)

    @property
    def arguments(self) -> dict[str, Any]:
        """The options as ``explain`` takes them: several numbers as an array."""
        return {name: np.asarray(it) if isinstance(it, list) else it for name, it in self.options.items()}


def parse(pairs: Sequence[str]) -> dict[str, str]:
    """Read options from ``NAME=VALUE``.

    Raises:
        ValueError: There is no name, or no value.
    """
    options = {}
    for pair in pairs:
        name, _, value = (part.strip() for part in pair.partition("="))
        if not name or not value:
            raise ValueError(
                f"--option {pair!r}: NAME=VALUE wanted, such as noise_scale=0.2; `egcam methods` lists them"
            )
        options[name.replace("-", "_")] = value
    return options


def choose(name: str, options: Mapping[str, Any], gradients: str | None) -> Choice:
    """Find a method, and read the options that came as text as this method means them.

    Raises:
        ValueError: There is no such method or estimator, or the method has gradients of its own.
    """
    try:
        schema = Choice(name, {}, gradients).method.schema
    except ValueError as error:
        raise ValueError(f"--{_errors.text(error)}") from error
    read = {option: _value(value, schema.get(option)) for option, value in options.items()}
    return Choice(name, read, gradients)


def _value(value: Any, option: Any) -> Any:
    """A word where words are wanted; else a number or several, true, false or none, as they would be in Python."""
    if not isinstance(value, str) or option is None or hasattr(option, "words"):
        return value
    if value.lower() in WORDS:
        return WORDS[value.lower()]
    whole = option.static and value.lstrip("+-").isdecimal()
    try:
        read: list[Any] = [int(value)] if whole else [float(part) for part in value.split(",")]
    except ValueError:
        return value
    return read if len(read) > 1 else read[0]


def check(choice: Choice, *, refs: str | None, samples: int | None, flag: str = "--method") -> None:
    """Refuse an unknown method, and what was given for it that it does not use or take.

    Raises:
        ValueError: Names the option, and those that the method has, or what this one takes.
    """
    if choice.name not in METHODS:
        raise ValueError(f"{flag} {choice.name!r} is unknown. {_checks.nearest(choice.name, METHODS)}")
    method = choice.method
    given = {"refs": None if method.needs_refs else refs, "samples": None if method.num_samples else samples}
    given |= {name: value for name, value in choice.options.items() if name not in method.schema}
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{_flag(name)} {value}: the method {method.name!r} does not use it; {_has(method)}")
    for name, value in choice.arguments.items():
        _check_option(method, name, value, samples)


def check_used(choices: Sequence[Choice], *, refs: str | None, samples: int | None) -> None:
    """Refuse references or a number of samples that none of several methods uses.

    Raises:
        ValueError: Names which.
    """
    methods = [choice.method for choice in choices]
    takers: dict[str, list[Any]] = {
        "refs": [it.needs_refs for it in methods],
        "samples": [it.num_samples for it in methods],
    }
    for name, value in {"refs": refs, "samples": samples}.items():
        if value is not None and not any(takers[name]):
            raise ValueError(f"{_flag(name)} {value}: none of the methods uses it; leave it out, or add one that does")


def passes(choice: Choice, given: int | None) -> int:
    """Forward passes for each image, of a layer with a usual number of channels: to guess the time that it takes."""
    method = choice.method
    options = {**method.options, **choice.options}
    return method.estimator.passes((given or method.num_samples or 1), _CHANNELS, options)


def provenance(choice: Choice, *, given: int | None, chunk: int | None, images: int) -> dict[str, Any]:
    """What is done to a batch of so many images.

    The method, all its options, the samples or steps, whether it ``draws`` them, what its path begins at, and what one
    pass holds.
    """
    method = choice.method
    drawn = method.num_samples and (given or method.num_samples)
    blocks = kernel.plan(images, drawn or 1, chunk)
    return {
        "method": method.name,
        "options": {**method.options, **choice.options},
        "samples": drawn,
        "draws": method.needs_key,
        "against": "references" if method.needs_refs else "baseline",
        "chunk": chunk or kernel.DEFAULT_CHUNK_SIZE,
        "pass": {"images": blocks.images, "samples": blocks.samples},
    }


def remedy(options: Mapping[str, Any]) -> str | None:
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
    return " ".join(f"{_flag(name)} latent" for name in ("path", "difference") if options[name] != "latent")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}" if name in (*OFFERED, "refs", "samples") else f"--option {name}"


def _check_option(method: Method, name: str, value: Any, samples: int | None) -> None:
    """Check one option as the library will, under its name on the command line."""
    try:
        method.schema[name].check(name, value, Setting(samples or method.num_samples or 1, _IMAGE))
    except (ValueError, TypeError) as error:
        said = _errors.text(error).removeprefix(name)
        raise ValueError(f"{_flag(name)}{said} `egcam methods` lists what it takes.") from error


def _has(method: Method) -> str:
    """The options of a method, as they are given on the command line."""
    own = ["refs"] * method.needs_refs + ["samples"] * (method.num_samples is not None)
    return f"its options: {', '.join(map(_flag, [*own, *method.schema])) or 'none'}"
