"""Test that each module of the library lists its public names and defines them."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "landcover"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__main__.py"
}


def defines_something(tree: ast.Module) -> bool:
    """Whether a module has more than its docstring."""
    return any(not isinstance(node, ast.Expr) for node in tree.body)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_defines_the_names_that_it_lists(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    module = import_module(name)
    if defines_something(tree):
        assert hasattr(module, "__all__"), "list the public names in __all__"
        missing = [public for public in module.__all__ if not hasattr(module, public)]
        assert not missing
        assert len(set(module.__all__)) == len(module.__all__)
