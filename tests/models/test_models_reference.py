"""Every architecture against plain PyTorch networks: see ``make_reference.py``."""

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from seeded_weights import seeded_images, seeded_weights, summary

from egcam_jax.models._load import shapes
from egcam_jax.models._port import fold_batch_norm, port
from egcam_jax.models._registry import SPECS

CASES = sorted(path.stem for path in (Path(__file__).parent / "reference").glob("*.npz"))


def reference(case: str) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    with np.load(Path(__file__).parent / "reference" / f"{case}.npz") as stored:
        return json.loads(str(stored["about"])), stored["logits"], stored["blocks"]


def ported(name: str, about: dict[str, Any], *, folded: bool) -> tuple[Any, Any]:
    spec = dataclasses.replace(SPECS[name], network=partial(SPECS[name].network, **about["options"]))
    classes = 10 if spec.classes == "cifar10" else 1000
    weights = seeded_weights({key: tuple(shape) for key, shape in about["shapes"].items()})
    variables = port(weights, shapes(spec, classes, folded=False), spec)
    variables = fold_batch_norm(variables, spec.eps) if folded and spec.eps else variables
    return spec.module(num_classes=classes, folded=folded), jax.tree.map(jnp.asarray, variables)


def find(tree: Any, path: str) -> np.ndarray:
    for name in path.split("/"):
        tree = tree[name]
    return np.asarray(tree["__call__"][0])


@pytest.mark.parametrize("case", CASES)
def test_logits_and_blocks_equal_the_reference(case: str) -> None:
    about, logits, blocks = reference(case)
    module, variables = ported(about["network"], about, folded=True)
    apply = jax.jit(lambda v, x: module.apply(v, x, capture_intermediates=True, mutable=["intermediates"]))
    ours, state = apply(variables, jnp.asarray(seeded_images(*about["images"])))
    for layer, wanted in zip(about["layers"], blocks, strict=True):
        found = summary(find(state["intermediates"], layer))
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=2e-5 * wanted[1], err_msg=layer)
    np.testing.assert_allclose(ours[:, :50], logits, rtol=1e-3, atol=1e-4 * logits.std())


@pytest.mark.parametrize("case", ["resnet18", "resnet50_v1", "cifar_resnet20", "efficientnet_lite0"])
def test_folded_batch_norm_changes_nothing(case: str) -> None:
    about, _, _ = reference(case)
    x = jnp.asarray(seeded_images(*about["images"]))
    outputs = []
    for folded in (False, True):
        module, variables = ported(about["network"], about, folded=folded)
        assert ("batch_stats" in variables) is not folded
        outputs.append(jax.jit(module.apply)(variables, x))
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-4, atol=1e-5 * float(outputs[0].std()))


def test_every_network_has_a_reference() -> None:
    assert {reference(case)[0]["network"] for case in CASES} == set(SPECS)
