"""Help texts: every option is described, every command has examples, every example is valid."""

from __future__ import annotations

import contextlib
import io
import re
import shlex

import pytest

from landcover.cli.commands import EXAMPLES
from landcover.cli.main import parser

_ENTRY = re.compile(r"^  (?=\S)(.*)$")
_COMMAND = re.compile(r"^    ([a-z][a-z-]+)(?:  |$)", re.MULTILINE)


def help_of(*command: str) -> str:
    """What ``landcover COMMAND --help`` prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        parser().parse_args([*command, "--help"])
    assert ended.value.code == 0
    return out.getvalue()


def commands(*above: str) -> list[str]:
    """Full names of all commands below one, from its help."""
    text = help_of(*above)
    below = _COMMAND.findall(
        text.split("positional arguments:")[-1].split("options:", maxsplit=1)[0]
    )
    if not below:
        return [" ".join(("landcover", *above))]
    return [name for one in below for name in commands(*above, one)]


ALL = commands()


def undescribed(text: str) -> list[str]:
    """Arguments in a help text that have no description."""
    body = text.split("examples:", maxsplit=1)[0]
    arguments = re.split(r"^(?:positional arguments|options):$", body, flags=re.MULTILINE)[1:]
    lines = [line for part in arguments for line in part.splitlines() if line.strip()]
    found = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        begins = _ENTRY.match(line) is not None
        described = re.search(r"\S {2,}\S", line) or following.startswith(" " * 8)
        if begins and not described:
            found.append(line.strip())
    return found


def test_an_argument_without_a_description_is_found() -> None:
    text = "options:\n  -h, --help            show this\n  --date D\n  --json                print it\n"
    assert undescribed(text) == ["--date D"]


def test_all_commands_are_found() -> None:
    assert {"landcover classify", "landcover trust measure", "landcover models add"} <= set(ALL)
    assert set(EXAMPLES) - set(ALL) == {"landcover models", "landcover corrections"}


@pytest.mark.parametrize("command", ALL)
def test_every_argument_is_described(command: str) -> None:
    text = help_of(*command.split()[1:])
    assert text.split("\n\n")[1].strip()
    assert not undescribed(text)


@pytest.mark.parametrize("command", [*ALL, "landcover models"])
def test_every_command_has_examples_that_are_valid(command: str) -> None:
    assert EXAMPLES[command]
    text = help_of(*command.split()[1:])
    for line in EXAMPLES[command]:
        assert line in text
        assert line.startswith(command)
        options = parser().parse_args(shlex.split(line, comments=True)[1:])
        assert callable(options.command)
