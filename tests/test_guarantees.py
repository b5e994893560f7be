"""docs/guarantees.md names tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")


def test_every_guarantee_names_tests_that_exist():
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        named = re.findall(r"`(tests/\S+?\.py)::(\w+)`", section)
        assert named, section
        for file, name in named:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{name}"
