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
    assert set(egcam_jax.__all__) == {*egcam_jax._HOMES, *egcam_jax._MODULES, *egcam_jax._CORE}
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
    modules = "|".join({*egcam_jax._MODULES, *egcam_jax._CORE} - {"explanation"})  # a variable's name there
    written = set(re.findall(r"\begcam_jax\.[A-Za-z_][\w.]*", text))
    written |= {f"egcam_jax.{name}" for name in re.findall(rf"`((?:{modules})\.[A-Za-z_][\w.]*)", text)}
    names = sorted(name.rstrip(".") for name in written if not name.endswith(".py"))
    assert {"egcam_jax.explain", "egcam_jax.kernel.interpolate"} <= set(names)
    names += [f"egcam_jax.{module}" for module in (*egcam_jax._MODULES, *egcam_jax._CORE)]
    code = "import sys, operator, egcam_jax\nfor name in sys.argv[1:]: operator.attrgetter(name)(egcam_jax)"
    subprocess.run([sys.executable, "-c", code, *(name.removeprefix("egcam_jax.") for name in names)], check=True)


def test_every_public_module_can_be_named():
    files = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(egcam_jax._MODULES) == {name for name in files if not name.startswith("_")} - HOST
    assert set(egcam_jax._CORE) < {path.stem for path in (PACKAGE / "core").glob("*.py")}


def test_the_registry_is_read_only():
    with pytest.raises(TypeError, match="mappingproxy"):
        egcam_jax.METHODS["mine"] = None


RANKS = {
    "core.types": 0, "core.contents": 0, "core.calls": 0, "core.numerics": 0, "core.jaxprs": 0, "core.returned": 0,
    "core.sharding": 0, "core.compilation": 0,
    "core.checks": 1, "core.functions": 1, "core.answers": 1, "core.bounds": 1, "core.tokens": 1, "core.maps": 1,
    "core.perturb": 1, "core.uncertainty": 1,
    "core.contexts": 2, "core.fusion": 2, "core.inputs": 2,
    "core.kernel": 3, "explanation": 3, "splitting": 3,
    "core.adaptive": 4,
    "methods": 5, "metrics": 5, "models": 5, "adapters": 5,
    "saturation": 6, "data": 6, "render": 6,
    "run": 7,
    "evaluate": 8, "report": 8,
    "paper": 9,
    "output": 10,
    "cli": 11,
}  # fmt: skip
SIBLINGS = {"methods", "metrics", "models", "adapters"}


def imported(path):
    """The packages, and the modules of ``core``, that a file imports, relative imports included."""
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.level == depth or (node.module and not node.level)):
            prefix = "egcam_jax." * bool(node.level) + (node.module or "")
            names = [f"{prefix.rstrip('.')}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (room(name.split(".")[1:]) for name in names if name.startswith("egcam_jax."))


def room(parts):
    """The name in RANKS of a module's dotted parts: ``core`` is ranked module by module."""
    return ".".join(parts[: 2 if parts[0] == "core" else 1])


def test_imports_only_point_down():
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts in (("__init__",), ("core", "__init__")):
            continue
        here = room(parts)
        for name in set(imported(path)) & set(RANKS):
            assert RANKS[name] <= RANKS[here], f"{path} imports {name}"
            assert name == here or not {name, here} <= SIBLINGS, f"{path} imports its sibling {name}"
