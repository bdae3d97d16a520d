"""The two axes, estimator and aggregator, and the registry of the methods that are their pairs."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from egcam_jax import kernel
from egcam_jax._types import Activation, Image, References
from egcam_jax.methods._options import Option


class EncodedReferences(NamedTuple):
    """The reference distribution, encoded once for all images and samples.

    Attributes:
        images: ``(R, H, W, C)``.
        codes: Their codes, leading axis R, or ``None`` where the options do not need them.
        logits: ``(R, classes)``, or ``None`` likewise.
    """

    images: References
    codes: Any
    logits: Any


class Problem(NamedTuple):
    """All that an estimator may use to explain one image.

    Attributes:
        network: The model, cut at the target layer.
        x: ``(H, W, C)`` image.
        code: The image, encoded.
        score: Logits to the scalar y that is explained.
        aggregate: Gradients ``(h, w, K)`` to the map ``(h, w)`` before its ReLU, for this image.
        references: The encoded references, for estimators that have any.
        key: The image's key.
        num_samples: n.
        block: Samples in one fused pass.
    """

    network: kernel.Network
    x: Image
    code: kernel.Code
    score: Callable[..., Any]
    aggregate: Callable[[Activation], Any]
    references: Any
    key: Any
    num_samples: int
    block: int


class Estimate(NamedTuple):
    """What an estimator returns: the gradient field and how far to trust it."""

    gradients: Activation
    stderr: Any = None
    completeness_gap: Any = None


@dataclasses.dataclass(frozen=True)
class Estimator:
    """How the gradient field G is obtained.

    Attributes:
        estimate: ``(Problem, options) -> Estimate``, for one image.
        schema: The options it has.
        passes: ``(num_samples, options)`` to forward passes through ``features`` for each image.
        prepare: ``(Network, refs, block, options) -> EncodedReferences``, once a call, or ``None``.
    """

    estimate: Callable[[Problem, Mapping[str, Any]], Estimate]
    schema: Mapping[str, Option]
    passes: Callable[[int, Mapping[str, Any]], int]
    prepare: Callable[..., EncodedReferences] | None


@dataclasses.dataclass(frozen=True)
class Method:
    """A class activation mapping: an estimator under an aggregator.

    Attributes:
        name: As in ``METHODS``.
        estimator: Name of the gradient estimator.
        aggregator: Name of the aggregator.
        source: The publication.
    """

    name: str
    estimator: str
    aggregator: str
    source: str

    @property
    def schema(self) -> Mapping[str, Option]:
        """The options that the method has, with what they accept."""
        return ESTIMATORS[self.estimator].schema

    @property
    def options(self) -> dict[str, Any]:
        """The options that the method has, with their defaults."""
        return {name: option.default for name, option in self.schema.items()}

    @property
    def needs_refs(self) -> bool:
        """Whether the method needs a reference distribution."""
        return ESTIMATORS[self.estimator].prepare is not None

    @property
    def sampled(self) -> bool:
        """Whether the method draws samples, so that it needs a key and has a standard error."""
        return self.needs_refs


_AGGREGATORS: dict[str, Callable[..., Any]] = {}
_ESTIMATORS: dict[str, Estimator] = {}
_METHODS: dict[str, Method] = {}

AGGREGATORS: Mapping[str, Callable[..., Any]] = MappingProxyType(_AGGREGATORS)
ESTIMATORS: Mapping[str, Estimator] = MappingProxyType(_ESTIMATORS)
METHODS: Mapping[str, Method] = MappingProxyType(_METHODS)
"""Every method by name, read-only."""


def aggregator(name: str) -> Callable[..., Any]:
    """Register a weight function ``(gradients, activations) -> weights`` as an aggregator.

    The weights are ``(K,)`` for channels or ``(h, w, K)`` for positions, linear in the gradients.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        _AGGREGATORS[name] = function
        return function

    return register


def estimator(
    name: str,
    *,
    options: Mapping[str, Option],
    passes: Callable[[int, Mapping[str, Any]], int],
    prepare: Callable[..., EncodedReferences] | None = None,
) -> Callable[..., Any]:
    """Register a function ``(Problem, options) -> Estimate`` as a gradient estimator."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        _ESTIMATORS[name] = Estimator(function, MappingProxyType(dict(options)), passes, prepare)
        return function

    return register


def method(name: str, *, estimator: str, aggregator: str, source: str) -> None:
    """Register a pair of an estimator and an aggregator under the name that users give."""
    _METHODS[name] = Method(name, estimator, aggregator, source)
