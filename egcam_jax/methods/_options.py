"""The kinds of options that a method can have, and the checking of what is passed for them.

A choice is static: it selects the program. A number or an array is traced: sweeping it compiles nothing.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from egcam_jax.core import answers, checks


class Setting(NamedTuple):
    """What the values of some options must fit: n, and the shape of one image."""

    num_samples: int
    image: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of a few words, of which the first is the default."""

    words: tuple[str, ...]
    static = True

    @property
    def default(self) -> str:
        return self.words[0]

    @property
    def wanted(self) -> str:
        return " | ".join(self.words)

    def check(self, name: str, value: Any, setting: Setting) -> str:
        return checks.one_of(name, value, self.words)


@dataclasses.dataclass(frozen=True)
class Rule:
    """How probabilities are made of logits: a name, or a function."""

    default = "softmax"
    static = True
    wanted = "softmax | sigmoid | a function of logits"

    def check(self, name: str, value: Any, setting: Setting) -> Any:
        return answers.checked(value)


@dataclasses.dataclass(frozen=True)
class Flag:
    """True or False, by default False."""

    default = False
    static = True
    wanted = "True | False"

    def check(self, name: str, value: Any, setting: Setting) -> bool:
        return checks.flag(name, value)


@dataclasses.dataclass(frozen=True)
class Count:
    """A whole number of at least 1, or None."""

    default = None
    static = True
    wanted = "a whole number | None"

    def check(self, name: str, value: Any, setting: Setting) -> int | None:
        return None if value is None else checks.count(name, value)


@dataclasses.dataclass(frozen=True)
class Number:
    """A finite number that is at least ``low``; also None where that is the default."""

    default: float | None
    low: float
    static = False

    @property
    def wanted(self) -> str:
        return f"a number >= {self.low:g}" + (" | None" if self.default is None else "")

    def check(self, name: str, value: Any, setting: Setting) -> Any:
        return None if value is None and self.default is None else checks.number(name, value, low=self.low)


@dataclasses.dataclass(frozen=True)
class Positions:
    """Positions on the path for all samples, in [0, 1]; drawn where not given."""

    default = None
    static = False
    wanted = "a number in [0, 1], or one for each sample | None"

    def check(self, name: str, value: Any, setting: Setting) -> Any:
        return None if value is None else checks.positions(name, value, setting.num_samples)


@dataclasses.dataclass(frozen=True)
class Pixels:
    """An image, or what broadcasts to one, in the units of ``x``."""

    default: float
    static = False
    wanted = "a number, or an array that broadcasts to one image, in the units of x"

    def check(self, name: str, value: Any, setting: Setting) -> Any:
        return checks.pixels(name, value, setting.image)


Option: TypeAlias = Choice | Rule | Flag | Count | Number | Positions | Pixels


def resolve(
    method: str, schema: Mapping[str, Option], given: Mapping[str, Any], setting: Setting
) -> tuple[tuple[tuple[str, Any], ...], dict[str, Any]]:
    """Check the options given for a method and fill in the defaults.

    Args:
        method: The method's name, for the message.
        schema: The options that the method has.
        given: What the caller passed.
        setting: What the values must fit.

    Returns:
        The static options as a hashable tuple of pairs, and the traced ones as a dictionary.

    Raises:
        TypeError: For an option that the method does not have; lists those it has.
        ValueError: For a value that the option does not take.
    """
    unknown = sorted(set(given) - set(schema))
    if unknown:
        has = ", ".join(schema) or "none"
        raise TypeError(f"method {method!r} has no option {', '.join(map(repr, unknown))}; its options: {has}.")
    values = {name: given.get(name, option.default) for name, option in schema.items()}
    checked = {name: option.check(name, values[name], setting) for name, option in schema.items()}
    static = tuple((name, checked[name]) for name, option in schema.items() if option.static)
    traced = {name: checked[name] for name, option in schema.items() if not option.static}
    return static, {name: np.float32(v) if isinstance(v, int | float) else v for name, v in traced.items()}
