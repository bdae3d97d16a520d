"""The two axes, gradient estimator and aggregator, and the registry of the methods that are their pairs."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from egcam_jax.core import checks
from egcam_jax.methods._axes import Aggregator, Estimator
from egcam_jax.methods._options import Choice, Option, Setting, resolve

CONTRAST = Choice(("none", "references"))
"""What the weights multiply: A, or ``A - E[A']``, which shows what the image has and the references do not have."""


@dataclasses.dataclass(frozen=True)
class Method:
    """A class activation mapping: a gradient estimator under an aggregator, or a rule of its own.

    Attributes:
        name: As in ``METHODS``.
        gradients: Name of the gradient estimator; ``None`` for a method that needs forward passes only.
        aggregator: Name of the aggregator; ``None`` likewise.
        source: The publication.
        choices: Choices that have other words for this pair than for the estimator, the default first.

    Example:
        >>> from egcam_jax import METHODS
        >>> METHODS["layercam"].gradients, METHODS["layercam"].aggregator, METHODS["layercam"].needs_refs
        ('vanilla', 'layercam', False)
        >>> METHODS["expected_gradcam"].needs_refs
        True
    """

    name: str
    gradients: str | None
    aggregator: str | None
    source: str
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def estimator(self) -> Estimator:
        """The gradient estimator, or what finds the method's own weights."""
        return ESTIMATORS[self.gradients] if self.gradients else _FORWARD[self.name]

    @property
    def schema(self) -> Mapping[str, Option]:
        """The options that the method has, with what they accept."""
        own = AGGREGATORS[self.aggregator].schema if self.aggregator else {}
        contrast = {} if self.additive else {"contrast": CONTRAST}
        choices = {name: Choice(words) for name, words in self.choices}
        return {**self.estimator.schema, **own, **contrast, **choices}

    @property
    def options(self) -> dict[str, Any]:
        """The options that the method has, with their defaults."""
        return {name: option.default for name, option in self.schema.items()}

    def check(self, options: Mapping[str, Any], num_samples: int | None = None) -> None:
        """Check options as ``explain`` will, where no image is at hand yet.

        Raises:
            TypeError: For an option that the method does not have; lists those it has.
            ValueError: For a value that the option does not take.
        """
        resolve(self.name, self.schema, options, Setting(num_samples or self.num_samples or 1, (1, 1, 1)))

    @property
    def additive(self) -> bool:
        """Whether the map is a sum of contributions in logits, so that maps of several layers add."""
        return self.aggregator is not None and AGGREGATORS[self.aggregator].additive

    @property
    def needs_refs(self) -> bool:
        """Whether the method needs a reference distribution, whatever its options."""
        return bool(self.estimator.reads(self.options))

    def reads(self, options: Mapping[str, Any]) -> frozenset[str]:
        """What the method reads of the references with these options, defaults for the others; see ``Estimator``."""
        values = self.options | dict(options)
        contrast = frozenset({"codes"} if values.get("contrast") == "references" else ())
        return self.estimator.reads(values) | contrast

    @property
    def needs_key(self) -> bool:
        """Whether the method draws samples, so that it needs a key and has a standard error."""
        return self.estimator.random

    @property
    def num_samples(self) -> int | None:
        """The number of samples or steps unless told otherwise; ``None`` for methods that have no such number."""
        return self.estimator.num_samples


_AGGREGATORS: dict[str, Aggregator] = {}
_ESTIMATORS: dict[str, Estimator] = {}
_FORWARD: dict[str, Estimator] = {}
_METHODS: dict[str, Method] = {}

AGGREGATORS: Mapping[str, Aggregator] = MappingProxyType(_AGGREGATORS)
"""Every aggregator by name, read-only."""
ESTIMATORS: Mapping[str, Estimator] = MappingProxyType(_ESTIMATORS)
"""Every gradient estimator by name, read-only."""
METHODS: Mapping[str, Method] = MappingProxyType(_METHODS)
"""Every method by name, read-only."""


def aggregator(
    name: str,
    *,
    source: str,
    options: Mapping[str, Option] | None = None,
    linear: bool = True,
    moments: bool = False,
    additive: bool = False,
) -> Callable[..., Any]:
    """Register a weight function as an aggregator, and as the method of this name: it, of the plain gradient.

    A plain gradient holds no contributions, so that an additive aggregator is no method by itself.

    The function is ``(gradients, activations) -> weights``, of ``(K,)`` for channels or ``(h, w, K)`` for positions;
    with ``moments=True`` it takes ``Moments`` too, or ``None``, and its options by name.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        def weigh(gradients: Any, activations: Any, sampled: Any = None, **given: Any) -> Any:
            return function(gradients, activations, *([sampled] if moments else []), **given)

        _AGGREGATORS[name] = Aggregator(weigh, source, MappingProxyType(dict(options or {})), linear, moments, additive)
        if not additive:
            method(name, gradients="vanilla", aggregator=name, source=source)
        return function

    return register


def estimator(
    name: str,
    *,
    options: Mapping[str, Option] | None = None,
    passes: Callable[[int, int, Mapping[str, Any]], int],
    num_samples: int | None = None,
    random: bool = False,
    reads: Callable[[Mapping[str, Any]], frozenset[str]] = lambda options: frozenset(),
) -> Callable[..., Any]:
    """Register a function ``(Problem, options) -> Estimate | Sampling`` as a gradient estimator."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        schema = MappingProxyType(dict(options or {}))
        _ESTIMATORS[name] = Estimator(function, schema, passes, num_samples, random, reads)
        return function

    return register


def forward_method(
    name: str, *, source: str, options: Mapping[str, Option], passes: Callable[[int, int, Mapping[str, Any]], int]
) -> Callable[..., Any]:
    """Register a function ``(Problem, options) -> Estimate | Sampling`` as a method that takes no gradients."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        schema = MappingProxyType(dict(options))
        _FORWARD[name] = Estimator(function, schema, passes, None, False, lambda options: frozenset())
        _METHODS[name] = Method(name, None, None, source)
        return function

    return register


def method(
    name: str,
    *,
    gradients: str,
    aggregator: str,
    source: str,
    choices: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    """Register a pair of an estimator and an aggregator under the name that users give."""
    _METHODS[name] = Method(name, gradients, aggregator, source, tuple((choices or {}).items()))


def find(name: str, gradients: str | None = None) -> Method:
    """The method of a name; with ``gradients`` its aggregator under that estimator, under the pair's own name.

    Raises:
        ValueError: There is no such method or estimator; or the method takes no gradients, or has others already.

    Example:
        >>> from egcam_jax import methods
        >>> methods.find("layercam", "expected").name
        'expected_layercam'
    """
    if name not in METHODS:
        raise ValueError(f"method {name!r} is unknown. {checks.nearest(name, METHODS)}")
    found = METHODS[name]
    if gradients is None or gradients == found.gradients:
        return found
    checks.one_of("gradients", gradients, tuple(ESTIMATORS))
    if found.gradients != "vanilla":
        plain = [known for known in METHODS if METHODS[known].gradients == "vanilla"]
        own = f"has its own, {found.gradients!r}" if found.gradients else "takes no gradients, only forward passes"
        raise ValueError(
            f"gradients is {gradients!r}, but method {name!r} {own}. Pass one of {', '.join(map(repr, plain))} "
            f"as method, or leave gradients out."
        )
    pairs = {(known.gradients, known.aggregator): known for known in METHODS.values()}
    pair = Method(f"{gradients}_{name}", gradients, found.aggregator, found.source)
    return pairs.get((gradients, found.aggregator), pair)
