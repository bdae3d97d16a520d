"""One small network in JAX, with its weights in PyTorch's layout so that the PyTorch twin can take the same."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name

SIZE, FIRST, MIDDLE, LAST, CLASSES, IMAGES = 16, 8, 10, 12, 6, 4


def weights(seed=3):
    """Weights by PyTorch's names, in its layout.

    Activations are small and gradients large, so that the 1e-6 that pytorch-grad-cam adds to the denominator of
    Grad-CAM++ is far below the squared gradients beside it.
    """
    draw = np.random.default_rng(seed)
    normal = lambda *shape: draw.standard_normal(shape).astype(np.float32)
    return {
        "conv1.weight": normal(FIRST, 3, 3, 3) * 0.3,
        "conv1.bias": normal(FIRST) * 0.1 + 0.1,
        "conv2.weight": normal(MIDDLE, FIRST, 3, 3) * 0.005,
        "conv2.bias": normal(MIDDLE) * 0.005,
        "conv3.weight": normal(LAST, MIDDLE, 3, 3) * 5,
        "conv3.bias": normal(LAST) * 0.2,
        "linear.weight": normal(CLASSES, LAST * (SIZE // 4) ** 2) * 0.3,
        "linear.bias": normal(CLASSES) * 0.1,
    }


def images(seed=4):
    """Standard normal images, channels last."""
    return np.random.default_rng(seed).standard_normal((IMAGES, SIZE, SIZE, 3)).astype(np.float32)


def apply_fn(params, x):
    """Convolution and ReLU, ``first``; pooling, convolution and ReLU, ``middle``; the same again, and a matrix."""
    x = checkpoint_name(jax.nn.relu(_convolve(params, "conv1", x)), "first")
    x = checkpoint_name(jax.nn.relu(_convolve(params, "conv2", _pool(x))), "middle")
    x = _pool(jax.nn.relu(_convolve(params, "conv3", x)))
    x = jnp.moveaxis(x, -1, 1).reshape(len(x), -1)  # PyTorch flattens its channels first
    return x @ params["linear.weight"].T + params["linear.bias"][None]


def _convolve(params, name, x):
    kernel = params[f"{name}.weight"]
    y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC"))
    return y + params[f"{name}.bias"].reshape(1, 1, 1, -1)


def _pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
