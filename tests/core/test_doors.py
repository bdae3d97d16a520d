"""Packages import one another through their front doors, and modules stay small."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "egcam_jax"
LONGEST = 250
FILES = sorted(ROOT.rglob("*.py"))


def imports(tree):
    """The dotted name of everything that a module imports of this package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "egcam_jax":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("egcam_jax."))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_private_name_of_another_package_is_imported(path):
    package = path.relative_to(ROOT).parts[0]
    others = [name for name in imports(ast.parse(path.read_text())) if name.split(".")[1] != package]
    private = [name for name in others if any(part.startswith("_") for part in name.split(".")[2:])]
    assert not private


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_has_one_idea_and_few_lines(path):
    assert len(path.read_text().splitlines()) <= LONGEST
