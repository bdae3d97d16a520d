"""The package's docstrings and messages are free of the habits that `words` lists."""

import ast
from pathlib import Path

import pytest
import words

import egcam_jax

MODULES = sorted(Path(egcam_jax.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_bad_habit_in_docstrings_and_messages(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [habit for text in strings for habit in words.habits_in(text)]


def test_a_habit_is_found_across_lines():
    assert words.habits_in("This is told\n    from that.") == ["is told from"]
