"""Running time: of every image, after compilation."""

import time

import jax
import numpy as np
import pytest

from egcam_jax import metrics


def test_it_is_the_median_of_calls_of_one_image_each_the_first_left_out():
    seen = []

    def explain(x, target):
        seen.append((x.shape, int(target[0])))
        time.sleep(0.2 if len(seen) in (1, 5) else 0.02)  # the first call of each image, as if it compiled
        return x[..., 0]

    got = metrics.running_time(explain, np.zeros((2, 3, 3, 1), np.float32), target=np.array([4, 6]), repeats=3)
    assert seen == [((1, 3, 3, 1), 4)] * 4 + [((1, 3, 3, 1), 6)] * 4
    assert got.curve.shape == (2, 3)
    assert (got.curve >= 0.02).all()
    np.testing.assert_array_equal(got.value, np.median(got.curve, axis=1))
    assert (got.value < 0.2).all()


def test_it_waits_for_the_result():
    slow = jax.jit(lambda x, target: jax.lax.fori_loop(0, 200, lambda i, a: a @ a / 300, x[0, :, :, 0]))
    got = metrics.running_time(slow, np.ones((300, 300, 1), np.float32), repeats=2)
    start = time.perf_counter()
    jax.block_until_ready(slow(np.ones((1, 300, 300, 1), np.float32), np.zeros(1, np.int32)))
    assert float(got.value) > (time.perf_counter() - start) / 10


def test_by_hand_on_a_clock_of_our_own(monkeypatch):
    """Calls that take 9 (as if it compiled), 1, 5, 2 and 4 seconds: the median of the last four is 3."""
    clock, takes = [100.0], iter([9.0, 1, 5, 2, 4])
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def explain(x, target):
        clock[0] += next(takes)
        return x[..., 0]

    got = metrics.running_time(explain, np.zeros((3, 3, 1), np.float32), repeats=4)
    np.testing.assert_array_equal(got.curve, [1, 5, 2, 4])
    assert float(got.value) == 3
    assert got.evaluations == 5


def test_without_a_class_the_first_is_explained_and_one_class_serves_all():
    seen = []

    def explain(x, target):
        seen.append(int(target[0]))
        return x[..., 0]

    x = np.zeros((2, 3, 3, 1), np.float32)
    assert metrics.running_time(explain, x, repeats=1).value.shape == (2,)
    metrics.running_time(explain, x, target=5, repeats=1)
    assert seen == [0] * 4 + [5] * 4


@pytest.mark.usefixtures("unannotated")
def test_repeats_are_one_or_more():
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        metrics.running_time(lambda x, target: x, np.zeros((2, 2, 1), np.float32), repeats=0)


@pytest.mark.usefixtures("unannotated")
def test_not_within_a_compiled_program():
    with pytest.raises(ValueError, match="x must hold numbers, since running_time measures time outside"):
        jax.jit(lambda x: metrics.running_time(lambda x, target: x, x).value)(np.zeros((2, 2, 1), np.float32))
