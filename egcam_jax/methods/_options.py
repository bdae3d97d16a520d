"""The kinds of options that a method can have, and the checking of what is passed for them.

A choice is static: it selects the program. A number or an array is traced: sweeping it compiles nothing.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from egcam_jax import _checks


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of a few words, of which the first is the default."""

    words: tuple[str, ...]
    static = True

    @property
    def default(self) -> str:
        return self.words[0]

    def check(self, name: str, value: Any, num_samples: int) -> str:
        return _checks.one_of(name, value, self.words)


@dataclasses.dataclass(frozen=True)
class Number:
    """A finite number that is at least ``low``."""

    default: float
    low: float
    static = False

    def check(self, name: str, value: Any, num_samples: int) -> Any:
        return _checks.number(name, value, low=self.low)


@dataclasses.dataclass(frozen=True)
class Positions:
    """Positions on the path for all samples, in [0, 1]; drawn where not given."""

    default: None = None
    static = False

    def check(self, name: str, value: Any, num_samples: int) -> Any:
        return None if value is None else _checks.positions(name, value, num_samples)


Option: TypeAlias = Choice | Number | Positions


def resolve(
    method: str, schema: Mapping[str, Option], given: Mapping[str, Any], num_samples: int
) -> tuple[tuple[tuple[str, Any], ...], dict[str, Any]]:
    """Check the options given for a method and fill in the defaults.

    Args:
        method: The method's name, for the message.
        schema: The options that the method has.
        given: What the caller passed.
        num_samples: How many samples will be drawn.

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
    checked = {name: option.check(name, values[name], num_samples) for name, option in schema.items()}
    static = tuple((name, checked[name]) for name, option in schema.items() if option.static)
    traced = {name: checked[name] for name, option in schema.items() if not option.static}
    return static, {name: np.float32(v) if isinstance(v, float) else v for name, v in traced.items()}
