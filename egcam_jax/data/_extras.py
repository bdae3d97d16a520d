"""Packages that only some sources need, imported when they do; and the warnings that packages give."""

import importlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Literal

_FILTERS = threading.Lock()
"""Filters of warnings belong to the process: threads that read take turns at changing them."""


@contextmanager
def filtered(
    action: Literal["error", "ignore"],
    category: type[Warning],
    message: str = "",
    *,
    quiet: type[Warning] | None = None,
) -> Iterator[None]:
    """Raise, or do not show, the warnings of a category whose message starts so; and do not show a second category."""
    with _FILTERS, warnings.catch_warnings():
        if quiet is not None:
            warnings.simplefilter("ignore", quiet)
        warnings.filterwarnings(action, message, category)
        yield


def need(module: str, purpose: str, extra: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: What to import.
        purpose: Who needs it, as the sentence's subject.
        extra: Of this package, which brings it.

    Returns:
        The module.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise ModuleNotFoundError(
            f'{purpose} needs {package}; run `pip install "egcam-jax[{extra}]"`', name=error.name
        ) from error
