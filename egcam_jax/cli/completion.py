"""What a shell offers as the values of an option: the names in the library's own registries."""

from collections.abc import Iterable


def model(incomplete: str) -> list[str]:
    """Complete the name of a network."""
    from egcam_jax.models import names

    return _matching(incomplete, names())


def methods(incomplete: str) -> list[str]:
    """Complete the last of several methods that commas separate; those before it are not offered again."""
    from egcam_jax.methods import METHODS

    return _several(incomplete, METHODS)


def metrics(incomplete: str) -> list[str]:
    """Complete the name of the last of several metrics, or families of them."""
    from egcam_jax.metrics import FAMILIES, METRICS

    return _several(incomplete, dict.fromkeys([*METRICS, *FAMILIES]))


def table(incomplete: str) -> list[str]:
    """Complete the name of a table of the paper."""
    from egcam_jax import paper

    return _matching(incomplete, paper.names())


def _several(incomplete: str, names: Iterable[str]) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    named = before.split(",")
    rest = [name for name in names if name not in named]
    return [f"{before}{comma}{name}" for name in _matching(last, rest if comma else ("all", *rest))]


def _matching(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
