"""Convert the markup of docstrings, such as ``:func:`find```, to links of the API reference."""

from __future__ import annotations

import re
from typing import Any, Final

import griffe

ROLE: Final = re.compile(r":(?:mod|func|class|meth|data|attr|exc):`(~?)([^`]+)`")


LITERAL_BLOCK: Final = re.compile(r"::(?=\n\n)")
"""The two colons before an indented block; Markdown needs only one."""


class Roles(griffe.Extension):
    """Replace each role with a link, or with the name alone if the reference has no such entry."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:  # noqa: ANN401
        """Rewrite the docstring of one module, class, function or attribute."""
        del kwargs
        if obj.docstring is None:
            return
        here = obj if obj.is_module else obj.module

        def link(match: re.Match[str]) -> str:
            short, name = match.groups()
            path = name if name.startswith("landcover") else f"{here.path}.{name}"
            shown = name.rsplit(".", 1)[-1] if short else name
            return f'<autoref identifier="{path}" optional><code>{shown}</code></autoref>'

        obj.docstring.value = LITERAL_BLOCK.sub(":", ROLE.sub(link, obj.docstring.value))
