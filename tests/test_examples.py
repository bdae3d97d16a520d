"""Every public function, method and metric has an example in its docstring; pytest runs the examples themselves."""

import importlib
import inspect

import pytest

import egcam_jax
from egcam_jax.methods import ESTIMATORS, METHODS, aggregators
from egcam_jax.metrics import METRICS

PACKAGES = [
    "methods",
    "metrics",
    "models",
    "data",
    "evaluate",
    "render",
    "report",
    "saturation",
    "splitting",
    "adapters",
]
WITHOUT = {
    "models.load": "the weights are a file of the user's, or are fetched",
}
"""Public names without an example, and why an example is impossible or stands elsewhere."""


def _public(package):
    """The functions and classes that a package offers, by name."""
    module = importlib.import_module(f"egcam_jax.{package}") if package else egcam_jax
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    names = getattr(module, "__all__", [name for name in own if not name.startswith("_")])
    return {name: getattr(module, name) for name in names if callable(getattr(module, name))}


def _has_example(value):
    return ">>>" in (inspect.getdoc(value) or "")


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_public_names_have_examples(package):
    prefix = f"{package}." if package else ""
    lacking = {f"{prefix}{name}" for name, value in _public(package).items() if not _has_example(value)}
    assert lacking <= WITHOUT.keys()


def test_no_exception_outlives_its_reason():
    public = {f"{package}.{name}": value for package in PACKAGES for name, value in _public(package).items()}
    assert WITHOUT.keys() <= public.keys()
    assert not [name for name in WITHOUT if _has_example(public[name])]


def _defined(value):
    return inspect.isfunction(value) and value.__module__ == aggregators.__name__


def test_methods_and_metrics_have_examples_where_they_are_defined():
    functions = [value for name, value in vars(aggregators).items() if not name.startswith("_") and _defined(value)]
    functions += [estimator.estimate for estimator in ESTIMATORS.values()]
    functions += [method.estimator.estimate for method in METHODS.values()]
    functions += [metric.function for metric in METRICS.values()]
    assert not {function.__name__ for function in functions if not _has_example(function)}
