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
    slow = jax.jit(lambda x, target: jax.lax.fori_loop(0, 400, lambda i, a: a @ a / 500, x[0, :, :, 0]))
    got = metrics.running_time(slow, np.ones((500, 500, 1), np.float32), repeats=2)
    start = time.perf_counter()
    jax.block_until_ready(slow(np.ones((1, 500, 500, 1), np.float32), np.zeros(1, np.int32)))
    assert float(got.value) > (time.perf_counter() - start) / 10


def test_not_within_a_compiled_program():
    with pytest.raises(ValueError, match="x is traced"):
        jax.jit(lambda x: metrics.running_time(lambda x, target: x, x).value)(np.zeros((2, 2, 1), np.float32))
