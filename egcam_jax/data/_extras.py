"""Packages that only some sources need: imported when they are, or named with the command that installs them."""

import importlib
from types import ModuleType


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
