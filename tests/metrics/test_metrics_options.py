"""Options of the metrics under a transformation of the user's: numbers are traced, and choices say that they cannot."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_metrics_contract import TAKES, TIMING, arrays, ask

from egcam_jax import metrics
from egcam_jax.metrics import METRICS

NUMBERS = {name: [word for word, it in takes.items() if type(it.default) is float] for name, takes in TAKES.items()}
BASELINES = {name: [word for word in takes if word == "baseline"] for name, takes in TAKES.items()}
AMOUNTS = {name: NUMBERS[name] + BASELINES[name] for name in METRICS if NUMBERS[name] + BASELINES[name]}
CHOICES = [
    (name, word)
    for name, takes in TAKES.items()
    for word, it in takes.items()
    if it.annotation in (int, bool, int | None) and word != "chunk_size"
]


@pytest.mark.parametrize("name", AMOUNTS)
def test_a_number_that_a_metric_computes_with_may_be_traced(name):
    given = arrays()
    numbers = {word: 1.3 * (0.3 if word == "baseline" else TAKES[name][word].default) for word in AMOUNTS[name]}
    want = ask(name, given, **numbers).value
    assert np.isfinite(want).any()
    got = jax.jit(lambda numbers: ask(name, given, **numbers).value)(numbers)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize(("name", "word"), CHOICES)
def test_a_choice_that_is_traced_is_refused_by_name(name, word):
    given = arrays()
    kind = jnp.bool_ if TAKES[name][word].annotation is bool else jnp.int32
    with pytest.raises(TypeError, match=rf"^{word} must be .*, known before compilation; got"):
        jax.eval_shape(lambda value: ask(name, given, **{word: value}).value, kind(1))


@pytest.mark.usefixtures("unannotated")
def test_choices_of_other_kinds_are_refused_by_name_too():
    given = arrays()
    with pytest.raises(ValueError, match=r"^percentages must be a tuple of numbers between 0 and 100, known before"):
        jax.eval_shape(lambda share: ask("road", given, percentages=(share, 50)).value, 10.0)
    with pytest.raises(TypeError, match=r"^columns must be a whole number, known before compilation"):
        jax.eval_shape(lambda columns: metrics.mosaic(given["x"][:4], columns=columns).x, 2)


def test_bounds_in_the_wrong_order_have_no_value_where_they_are_traced():
    given = arrays()
    ask_within = lambda low, high: ask("relative_input_stability", given, low=low, high=high, nan_on_change=False).value
    with pytest.raises(ValueError, match=r"^high must be finite and at least 0\.3; got 0\.1"):
        ask_within(0.3, 0.1)
    assert np.isnan(jax.jit(ask_within)(0.3, 0.1)).all()


def test_what_is_timed_or_has_no_number_is_not_forgotten():
    assert AMOUNTS.keys() >= {"infidelity", "road", "local_lipschitz", "sufficiency", "irof", "completeness_gap"}
    assert {name for name, _ in CHOICES} & TIMING == TIMING
