"""A method and its options as they came from the command line: checked before anything is loaded."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from egcam_jax import _checks, kernel
from egcam_jax.methods import METHODS, Method, find

OFFERED = ("difference", "normalizer", "noise", "noise_scale", "path", "sampling")
"""The methods' options that have a flag of their own on the command line; `--option NAME=VALUE` sets any."""


class Choice(NamedTuple):
    """A method, those of its options that were given, and the gradients under it where they are not its own."""

    name: str
    options: Mapping[str, Any]
    gradients: str | None = None

    @property
    def method(self) -> Method:
        """What ``explain`` will make of the name and the gradients."""
        return find(self.name, self.gradients)


def parse(pairs: Sequence[str]) -> dict[str, Any]:
    """Read options from ``NAME=VALUE``.

    Raises:
        ValueError: There is no name, or no value.
    """
    options = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals or not value:
            raise ValueError(
                f"--option {pair!r}: NAME=VALUE wanted, such as noise_scale=0.2; `egcam methods` lists them"
            )
        options[name.strip().replace("-", "_")] = _value(value.strip())
    return options


def _value(text: str) -> Any:
    """A word, a number, true, false or none, as it would be in Python."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def check(choice: Choice, *, refs: str | None, samples: int | None) -> None:
    """Refuse an unknown method, and what was given for it that it does not use or take.

    Raises:
        ValueError: Names the option, and those that the method has.
        TypeError: An option takes another kind of value.
    """
    if choice.name not in METHODS:
        raise ValueError(f"--method {choice.name!r} is unknown. {_checks.nearest(choice.name, METHODS)}")
    method = choice.method
    given = {"refs": None if method.needs_refs else refs, "samples": None if method.num_samples else samples}
    given |= {name: value for name, value in choice.options.items() if name not in method.schema}
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{_flag(name)} {value}: the method {method.name!r} does not use it; {_has(method)}")
    for name, value in choice.options.items():
        if words := _words(method, name):
            _checks.one_of(_flag(name), value, words)
    method.check(choice.options, samples)


def provenance(choice: Choice, *, given: int | None, chunk: int | None, images: int) -> dict[str, Any]:
    """What is done to a batch of so many images: the method, all its options, the samples, what one pass holds."""
    method = choice.method
    drawn = method.num_samples and (given or method.num_samples)
    blocks = kernel.plan(images, drawn or 1, chunk)
    return {
        "method": method.name,
        "options": {**method.options, **choice.options},
        "samples": drawn,
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


def _words(method: Method, option: str) -> Sequence[str]:
    """What an option can be, where that is one of a few words."""
    return getattr(method.schema[option], "words", ())


def _has(method: Method) -> str:
    """The options of a method, as they are given on the command line."""
    own = ["refs"] * method.needs_refs + ["samples"] * (method.num_samples is not None)
    return f"its options: {', '.join(map(_flag, [*own, *method.schema])) or 'none'}"
