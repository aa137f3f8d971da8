"""Test that each module of the library lists its public names and defines them."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "landcover"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__main__.py"
}


def defines_something(tree: ast.Module) -> bool:
    """Whether a module has more than its docstring."""
    return any(not isinstance(node, ast.Expr) for node in tree.body)


def test_a_module_defines_the_names_that_it_lists() -> None:
    assert len(MODULES) > 100
    for name, path in MODULES.items():
        module = import_module(name)
        if not defines_something(ast.parse(path.read_text(encoding="utf-8"))):
            continue
        assert hasattr(module, "__all__"), f"list the public names of {name} in __all__"
        missing = [public for public in module.__all__ if not hasattr(module, public)]
        assert not missing, name
        assert len(set(module.__all__)) == len(module.__all__), name
