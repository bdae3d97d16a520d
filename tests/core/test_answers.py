"""What a model's outputs mean: classes of one logit, probabilities by a rule, and returns that are no logits."""

import collections
import dataclasses
import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import Split, explain, saturation
from egcam_jax.core import answers, bounds

PARAMS = networks.parameters()
IMAGES = jnp.asarray(networks.images(3))
LOGITS = jnp.array([0.3, -1.2, 2.0])
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum()
SIGMOIDS = 1 / (1 + np.exp(-LOGITS))


@pytest.mark.parametrize(
    ("logits", "rule", "want"),
    [
        (LOGITS, None, LOGITS),
        (LOGITS, "softmax", SHARES),
        (LOGITS, "sigmoid", SIGMOIDS),
        (LOGITS, lambda z: z**2, LOGITS**2),
        (LOGITS[:1], None, [-0.3, 0.3]),
        (LOGITS[:1], "softmax", [1 - SIGMOIDS[0], SIGMOIDS[0]]),
        (LOGITS[:1], "sigmoid", [1 - SIGMOIDS[0], SIGMOIDS[0]]),
        (LOGITS[:1], lambda z: z, [0.7, 0.3]),
    ],
)
def test_the_score_of_each_class(logits, rule, want):
    np.testing.assert_allclose(answers.by_class(logits, rule), want, rtol=1e-6)


def test_the_top_class_of_one_logit_is_its_sign_and_of_one_probability_its_half():
    assert [int(answers.top(jnp.array([z]))) for z in (-0.1, 0.1)] == [0, 1]
    assert [int(answers.top(jnp.array([p]), lambda p: p)) for p in (0.4, 0.6)] == [0, 1]
    assert int(answers.top(LOGITS)) == 2
    assert int(answers.top(LOGITS, lambda z: -z)) == 1
    assert int(answers.top(jnp.array([50.0, 60.0]), "sigmoid")) == 1  # both are 1 in float32


@dataclasses.dataclass
class Tempered:
    by: float

    def __call__(self, logits):
        return jax.nn.softmax(logits / self.by)


@pytest.mark.parametrize("wrong", ["softmaxx", True, 1.0, None])
def test_a_rule_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=r"^probability must be 'softmax', 'sigmoid' or a function .*; got"):
        answers.checked(wrong)


def test_a_rule_that_cannot_be_hashed_is_refused():
    with pytest.raises(TypeError, match=r"^probability must be hashable, .*; got Tempered"):
        answers.checked(Tempered(2.0))


def test_a_rule_that_drops_classes_is_refused():
    with pytest.raises(ValueError, match=r"^probability must return the shape of the logits, \(1, 3\) .* got shape"):
        answers.by_class(LOGITS, lambda z: z.max(axis=-1))


def test_scorecam_makes_its_probabilities_by_the_rule():
    run = lambda head, **options: explain(
        PARAMS, Split(networks.features, head), IMAGES, target=1, method="scorecam", weights="prob", **options
    )
    alone = lambda params, a: jnp.concatenate([networks.head(params, a)[:, 1:2], jnp.zeros((len(a), 1))], axis=1)
    want = explain(PARAMS, Split(networks.features, alone), IMAGES, target=0, method="scorecam", weights="prob")
    np.testing.assert_allclose(run(networks.head, probability="sigmoid").weights, want.weights, rtol=1e-5)
    got = run(lambda params, a: networks.head(params, a)[:, 1:2])
    np.testing.assert_allclose(got.weights, want.weights, rtol=1e-5)


def test_saturation_of_one_logit_has_its_sigmoid():
    one = lambda params, x: networks.apply_fn(params, x)[:, 1:2]
    ask = lambda apply_fn, **options: saturation.saturation(PARAMS, apply_fn, IMAGES, alphas=[0.5, 1.0], **options)
    got = ask(one, target=0)
    want = ask(networks.apply_fn, target=1, probability="sigmoid")
    np.testing.assert_allclose(got.probability, 1 - want.probability, rtol=1e-5)
    np.testing.assert_allclose(got.logit, -want.logit, rtol=1e-5)
    np.testing.assert_array_equal(ask(one).target, networks.apply_fn(PARAMS, IMAGES)[:, 1] > 0)


class Pair(NamedTuple):
    features: object
    logits: object


@dataclasses.dataclass
class Plain:
    pooled: object
    logits: object
    loss: object = None


class Bare:
    def __init__(self, scores):
        self.scores = scores


WIDE = jnp.zeros((1, 16))
RETURNS = [
    (lambda z: {"pooled": WIDE, "logits": z}, 'a dict with ["pooled"] (1, 16), ["logits"] (1, 4)', '["logits"]'),
    (lambda z: (jnp.zeros((1, 3, 3, 8)), z), "a tuple with [0] (1, 3, 3, 8), [1] (1, 4)", "[1]"),
    (lambda z: [z[0], z], "a list with [0] (4,), [1] (1, 4)", "[1]"),
    (lambda z: Pair(WIDE, z), "a Pair with .features (1, 16), .logits (1, 4)", ".logits"),
    (lambda z: Plain(WIDE, z), "a Plain with .pooled (1, 16), .logits (1, 4), .loss (NoneType)", ".logits"),
    (lambda z: Bare(z), "a Bare with .scores (1, 4)", ".scores"),
    (lambda z: (z, {"layers": [WIDE[0]]}), 'a tuple with [0] (1, 4), [1]["layers"][0] (16,)', "[0]"),
    (lambda z: collections.OrderedDict(a={"b": z}), 'a OrderedDict with ["a"]["b"] (1, 4)', '["a"]["b"]'),
]


@pytest.mark.parametrize(("wrap", "listed", "member"), RETURNS)
@pytest.mark.usefixtures("unannotated")
def test_a_structure_is_refused_with_the_member_that_holds_the_logits(wrap, listed, member):
    """Whatever is advised works, and gives the logits."""
    apply_fn = lambda params, x: wrap(networks.apply_fn(params, x))
    with pytest.raises(TypeError, match=r"^apply_fn must return logits of shape \(b, classes\)") as caught:
        explain(PARAMS, apply_fn, IMAGES[:1], method="gradcam")
    said = str(caught.value)
    assert f"got {listed}." in said
    advice = f"lambda params, x: apply_fn(params, x){member}"
    assert said.endswith(f"Pass {advice}.")
    mended = eval(advice, {"apply_fn": apply_fn})
    np.testing.assert_array_equal(mended(PARAMS, IMAGES[:1]), networks.apply_fn(PARAMS, IMAGES[:1]))


def test_where_several_members_could_be_the_logits_each_is_written_out():
    apply_fn = lambda params, x: (WIDE, networks.apply_fn(params, x))
    with pytest.raises(TypeError) as caught:
        explain(PARAMS, apply_fn, IMAGES[:1], method="gradcam")
    said = str(caught.value)
    assert f"[0] (1, 16) and [1] {(1, networks.apply_fn(PARAMS, IMAGES[:1]).shape[-1])} have that form" in said
    assert "lambda params, x: apply_fn(params, x)[0] or lambda params, x: apply_fn(params, x)[1]." in said
    apply_fn = lambda params, x: (x, None)
    with pytest.raises(TypeError, match="None of them has that form: return the logits"):
        explain(PARAMS, apply_fn, IMAGES[:1], method="gradcam")


Z = jax.ShapeDtypeStruct((4,), jnp.float32)
PROBABILITIES = {
    "softmax": jax.nn.softmax,
    "by hand": lambda z: jnp.exp(z - z.max()) / jnp.exp(z - z.max()).sum(),
    "its exp once": lambda z: (lambda e: e / e.sum(keepdims=True))(jnp.exp(z)),
    "of log_softmax": lambda z: jnp.exp(jax.nn.log_softmax(z)),
    "sigmoid": jax.nn.sigmoid,
    "sigmoid by hand": lambda z: 1 / (1 + jnp.exp(-z)),
    "by tanh": lambda z: 0.5 * (jnp.tanh(z / 2) + 1),
    "both": lambda z: jnp.stack([1 - jax.nn.sigmoid(z[0]), jax.nn.sigmoid(z[0])]),
    "an ensemble": lambda z: jnp.stack([jax.nn.softmax(z), jax.nn.softmax(2 * z)]).mean(axis=0),
    "in half precision": lambda z: jax.nn.softmax(z.astype(jnp.bfloat16)).astype(jnp.float32),
    "clipped": lambda z: jnp.clip(jax.nn.sigmoid(z), 1e-6, 1 - 1e-6),
    "compiled": jax.jit(lambda z: jax.jit(jax.nn.softmax)(z)[None][0]),
    "hard": jax.nn.hard_sigmoid,
}
OTHERS = {
    "logits": lambda z: 2 * z + 1,
    "softmax before": lambda z: jax.nn.softmax(z) @ jnp.ones((4, 4)),
    "log_softmax": jax.nn.log_softmax,
    "tanh": jnp.tanh,
    "scaled": lambda z: 30 * jax.nn.sigmoid(z),
    "relu": jax.nn.relu,
    "of two": lambda z: jnp.exp(z) / jnp.exp(2 * z).sum(),
}


@pytest.mark.parametrize("name", [*PROBABILITIES, *OTHERS])
def test_what_is_a_probability_is_seen_in_the_trace(name):
    traced = jax.make_jaxpr({**PROBABILITIES, **OTHERS}[name])(Z)
    assert bounds.of(traced).within_unit == (name in PROBABILITIES)


LOGARITHMS = {
    "log_softmax": jax.nn.log_softmax,
    "log_sigmoid": jax.nn.log_sigmoid,
    "of a sigmoid": lambda z: jnp.log(jax.nn.sigmoid(z)),
    "of the other class": lambda z: jnp.log1p(-jax.nn.sigmoid(z)),
    "both classes": lambda z: jnp.stack([jax.nn.log_sigmoid(-z[0]), jax.nn.log_sigmoid(z[0])]),
    "with a small number": lambda z: jnp.log(jax.nn.softmax(z) + 1e-9),
    "clipped": lambda z: jnp.log(jnp.clip(jax.nn.softmax(z), 1e-7, 1)),
}
NO_LOGARITHMS = {
    "logits": lambda z: 2 * z,
    "softplus": jax.nn.softplus,
    "never above 0": lambda z: -jax.nn.relu(z),
    "log-odds": lambda z: jnp.log(jax.nn.sigmoid(z)) - jnp.log1p(-jax.nn.sigmoid(z)),
    "of any number": lambda z: jnp.log(jnp.abs(z)),
    "without NaN": lambda z: jnp.where(jnp.isnan(z), 0.0, z),
}


@pytest.mark.parametrize("name", [*LOGARITHMS, *NO_LOGARITHMS])
def test_what_is_the_logarithm_of_a_probability_is_seen_in_the_trace(name):
    function = LOGARITHMS.get(name) or NO_LOGARITHMS[name]
    assert bounds.of(jax.make_jaxpr(function)(Z)).logarithms == (name in LOGARITHMS)


@pytest.mark.parametrize("last", [jax.nn.softmax, jax.nn.sigmoid, lambda z: jax.lax.map(jax.nn.softmax, z)])
def test_outputs_that_are_probabilities_warn_each_time(last):
    """The last rule hides its operations in a loop: only its values add up to 1."""
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="^apply_fn must return logits; got outputs that lie in"):
            explain(PARAMS, Split(networks.features, lambda p, a: last(networks.head(p, a))), IMAGES, method="gradcam")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explain(PARAMS, networks.SPLIT, IMAGES, method="gradcam")
