"""Metrics of models with a second input for each image: what an image is judged by is its own row, in every copy."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from test_metrics_contract import OPTIONS, TOGETHER, arrays, ask, image, indexed, network

from egcam_jax import metrics
from egcam_jax.metrics import METRICS

TAKES = {name: inspect.signature(it.function).parameters for name, it in METRICS.items()}
CONTEXTUAL = sorted(name for name in METRICS if "context" in TAKES[name])
COMPUTED = sorted(set(CONTEXTUAL) - {"running_time"})
SOME = ("insertion_auc", "infidelity", "max_sensitivity", "mprt")
CONTEXT = {"gain": np.float32([0.3, -1, 2, 0.7, -2]), "word": np.array([3, 0, 2, 1, 1])}
CONTEXT["gain"] = jnp.asarray(CONTEXT["gain"])


def predict(weights, x, context):
    """A gain for the hidden units of each image, and a bias by the image's word."""
    hidden = jnp.tanh(x.reshape(len(x), -1) @ weights["hidden"]) * (1 + context["gain"][:, None])
    return hidden @ weights["out"] + 2 * weights["out"][context["word"], :4]


def explainer(weights, x, target, context):
    score = lambda x: jnp.take_along_axis(predict(weights, x, context), target[:, None], axis=1).sum()
    return jnp.abs(jax.grad(score)(x) * x).sum(axis=-1)


def functions(name, weights):
    """The functions under judgement, as the metric takes them."""
    return {
        "predict": Partial(predict, weights),
        "explain": explainer if name == "mprt" else Partial(explainer, weights),
    }


def under(name, weights, row):
    """The same for one image whose row is bound, without a context."""
    row = jax.tree.map(lambda leaf: leaf[None], row)
    judged = lambda weights, x, target: explainer(weights, x, target, row)
    return {
        "predict": Partial(lambda row, x: predict(weights, x, row), row),
        "explain": judged if name == "mprt" else Partial(judged, weights),
    }


def test_every_metric_that_asks_a_function_takes_a_context():
    assert set(CONTEXTUAL) == {name for name, it in METRICS.items() if it.needs & {"predict", "explain"}}


@pytest.mark.parametrize("name", sorted(set(COMPUTED) - TOGETHER))
def test_a_batch_is_its_images_one_by_one_each_under_its_own_row(name):
    given = arrays()
    together = ask(name, given, context=CONTEXT, chunk_size=4, **functions(name, given["weights"]), **indexed(name, 10))
    for i in (0, 2):
        row = jax.tree.map(lambda leaf, i=i: leaf[i], CONTEXT)
        alone = ask(name, image(given, i), **under(name, given["weights"], row), **indexed(name, 10 + i))
        np.testing.assert_allclose(together.value[i], alone.value, rtol=1e-4, atol=1e-5)
    assert not np.allclose(together.value, ask(name, given, **indexed(name, 10)).value, rtol=1e-3, equal_nan=True)


@pytest.mark.parametrize("name", SOME)
def test_a_single_image_other_chunks_jit_and_vmap_give_the_same(name):
    given = arrays()
    weights = given["weights"]
    call = functools.partial(ask, name, **functions(name, weights))
    want = call(given, context=CONTEXT, **indexed(name, 0)).value
    np.testing.assert_allclose(call(given, context=CONTEXT, chunk_size=1).value, want, rtol=1e-4, atol=1e-6)
    row = jax.tree.map(lambda leaf: leaf[3], CONTEXT)
    alone = call(image(given, 3), context=row, **indexed(name, 3)).value
    np.testing.assert_allclose(alone, want[3], rtol=1e-4, atol=1e-6)
    jitted = jax.jit(lambda given, context: call(given, context=context).value)
    np.testing.assert_allclose(jitted(given, CONTEXT), want, rtol=1e-4, atol=1e-6)
    rest = {word: value for word, value in given.items() if word != "weights"}
    one = lambda rest, context, index: call({**rest, "weights": weights}, context=context, index=index).value
    np.testing.assert_allclose(jax.vmap(one)(rest, CONTEXT, jnp.arange(5)), want, rtol=1e-4, atol=1e-6)


def test_sufficiency_asks_for_each_answer_under_the_images_own_row():
    given = arrays()
    answers = jnp.argmax(predict(given["weights"], given["x"], CONTEXT), axis=1)
    assert len(set(answers.tolist())) > 1
    got = metrics.sufficiency(
        Partial(predict, given["weights"]), given["x"], given["saliency"], context=CONTEXT, **OPTIONS["sufficiency"]
    )
    want = metrics.sufficiency(None, given["x"], given["saliency"], answers, **OPTIONS["sufficiency"])
    np.testing.assert_array_equal(got.value, want.value)


def test_running_time_hands_over_the_row_and_the_index():
    given, seen = arrays(), []

    def explain(x, target, index, context):
        seen.append((int(index[0]), int(context["word"][0])))
        return x[..., 0]

    metrics.running_time(explain, given["x"], repeats=1, index=4, context=CONTEXT)
    assert seen[::2] == list(zip(range(4, 9), CONTEXT["word"].tolist()))


@pytest.mark.usefixtures("unannotated")
def test_images_of_other_rows_in_the_answer_are_refused():
    """A model that closes over the rows of the whole batch answers for all of them: no image may be judged by row 0."""
    given = arrays()
    closed = Partial(lambda weights, x: predict(weights, x, CONTEXT), given["weights"])
    with pytest.raises(
        ValueError, match=r"predict must return logits of shape \(b, classes\).*got shape \(5, 4\).*context"
    ):
        metrics.insertion_auc(closed, given["x"], given["saliency"], 0, step=9)


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize(
    ("context", "error", "words"),
    [
        ({"gain": CONTEXT["gain"][:4]}, ValueError, r"context\['gain'\] must have shape \(5, ...\).*got shape \(4,\)"),
        (CONTEXT["gain"][0], ValueError, r"context must have shape \(5, ...\).*got shape \(\)"),
        ({"gain": np.array(["a"] * 5)}, TypeError, r"context\['gain'\] must be an array of numbers"),
        ({}, ValueError, "context must have at least one array"),
        (np.full((5, 2), np.nan, np.float32), ValueError, "context has 10 entries that are NaN"),
    ],
)
def test_a_context_that_does_not_fit_is_refused(context, error, words):
    given = arrays()
    with pytest.raises(error, match=words):
        metrics.average_drop(lambda x, context: x[:, 0, :, 0], given["x"], given["saliency"], 0, context=context)


@pytest.mark.usefixtures("unannotated")
def test_functions_and_context_that_do_not_go_together_are_refused():
    given = arrays()
    plain, contextual = Partial(network, given["weights"]), Partial(predict, given["weights"])
    ask = functools.partial(metrics.average_drop, x=given["x"], saliency=given["saliency"], target=0)
    with pytest.raises(TypeError, match=r"predict must take context as its last argument.*function of \(x\)"):
        ask(plain, context=CONTEXT)
    with pytest.raises(TypeError, match="context must be given, since predict takes one"):
        ask(contextual)
    with pytest.raises(TypeError, match="explain must have an argument context where context is given"):
        metrics.max_sensitivity(
            lambda x, target: x[..., 0], given["x"], jax.random.key(0), target=0, num_samples=2, context=CONTEXT
        )


def options_of(name, kind):
    """The options of a metric whose default is of a kind, with that default or the small one of the contract."""
    small = {word: value for word, value in OPTIONS.get(name, {}).items() if isinstance(value, kind)}
    defaults = {word: it.default for word, it in TAKES[name].items() if type(it.default) is kind}
    return {word: small.get(word, {"k": 7, "num_samples": 4}.get(word, value)) for word, value in defaults.items()}


@pytest.mark.usefixtures("unannotated")
@pytest.mark.parametrize("name", sorted(METRICS))
def test_numpy_scalars_are_options_as_pythons_are(name):
    if name == "running_time":
        return
    kinds = {bool: np.bool_, int: np.int64, float: np.float32}
    own = {kind: options_of(name, kind) for kind in kinds}
    plain = {word: value for options in own.values() for word, value in options.items()}
    scalars = {word: kinds[kind](value) for kind, options in own.items() for word, value in options.items()}
    if not scalars:
        return
    given = arrays()
    np.testing.assert_allclose(ask(name, given, **scalars).value, ask(name, given, **plain).value, rtol=1e-5, atol=1e-6)
