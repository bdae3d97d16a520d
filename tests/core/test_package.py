"""The package as a whole: quick to import, and its names where they are said to be."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

import egcam_jax

PACKAGE = pathlib.Path(egcam_jax.__file__).parent
HOST = {"cli", "output", "run"}
"""Packages behind the command line, whose public names are those of ``evaluate``, ``paper`` and ``report``."""


def test_every_public_name_is_there_and_documented():
    assert set(egcam_jax.__all__) == set(egcam_jax._HOMES) | set(egcam_jax._MODULES)
    for name in egcam_jax.__all__:
        assert name in dir(egcam_jax)
        value = getattr(egcam_jax, name)
        assert name in ("METHODS", "METRICS") or value.__doc__


def test_importing_the_package_imports_no_extra_and_using_it_only_what_it_needs():
    code = """
import sys, egcam_jax
assert "jax" not in sys.modules
egcam_jax.explain, egcam_jax.layers, egcam_jax.from_nnx, egcam_jax.METHODS
heavy = {"flax", "equinox", "haiku", "optax", "PIL", "matplotlib", "typer", "rich", "safetensors", "huggingface_hub"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_in_the_readme_and_the_guide_is_there_after_a_plain_import():
    """As written: ``egcam_jax.explain``, or ``kernel.interpolate`` in the table of equations."""
    pages = [PACKAGE.parent / "README.md", *(PACKAGE.parent / "notebooks").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    modules = "|".join(set(egcam_jax._MODULES) - {"explanation"})  # a variable's name there
    written = set(re.findall(r"\begcam_jax\.[A-Za-z_][\w.]*", text))
    written |= {f"egcam_jax.{name}" for name in re.findall(rf"`((?:{modules})\.[A-Za-z_][\w.]*)", text)}
    names = sorted(name.rstrip(".") for name in written if not name.endswith(".py"))
    assert {"egcam_jax.explain", "egcam_jax.kernel.interpolate"} <= set(names)
    names += [f"egcam_jax.{module}" for module in egcam_jax._MODULES]
    code = "import sys, operator, egcam_jax\nfor name in sys.argv[1:]: operator.attrgetter(name)(egcam_jax)"
    subprocess.run([sys.executable, "-c", code, *(name.removeprefix("egcam_jax.") for name in names)], check=True)


def test_every_public_module_can_be_named():
    files = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(egcam_jax._MODULES) == {name for name in files if not name.startswith("_")} - HOST


def test_the_registry_is_read_only():
    with pytest.raises(TypeError, match="mappingproxy"):
        egcam_jax.METHODS["mine"] = None


RANKS = {
    "_types": 0, "_content": 0, "_functions": 1, "_calls": 0, "_checks": 1, "_context": 2, "_numerics": 0,
    "explanation": 1,
    "affine": 1, "compilation": 1, "tokens": 1, "answers": 1, "_bounds": 1, "_jaxprs": 0, "_returned": 0,
    "perturb": 2, "splitting": 2, "maps": 2, "uncertainty": 2, "sharding": 2,
    "fusion": 3, "kernel": 3, "adaptive": 3,
    "methods": 4, "metrics": 4, "models": 4, "adapters": 4,
    "saturation": 5, "data": 5, "render": 5,
    "run": 6,
    "evaluate": 7, "report": 7,
    "paper": 8,
    "output": 9,
    "cli": 10,
}  # fmt: skip
SIBLINGS = {"methods", "metrics", "models", "adapters"}


def imported(path):
    """The top-level modules of the package that a file imports, relative imports included."""
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.level == depth or (node.module and not node.level)):
            prefix = "egcam_jax." * bool(node.level) + (node.module or "")
            names = [f"{prefix.rstrip('.')}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("egcam_jax."))


def test_imports_only_point_down():
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts == ("__init__",):
            continue
        for name in set(imported(path)) & set(RANKS):
            assert RANKS[name] <= RANKS[parts[0]], f"{path} imports {name}"
            assert name == parts[0] or not {name, parts[0]} <= SIBLINGS, f"{path} imports its sibling {name}"
