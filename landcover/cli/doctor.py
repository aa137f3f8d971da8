"""The command ``doctor``: check an installation, and say what to do."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any, Final

from landcover.cli.checkup import installation, server
from landcover.cli.checkup.finding import Check, Finding, findings_of
from landcover.cli.commands import add_command
from landcover.cli.exit_status import DONE, SOME_FAILED

__all__ = ["CHECKS", "add_commands"]

CHECKS: Final[dict[str, Check]] = {
    "Python": installation.python,
    "packages": installation.packages,
    "GDAL": installation.gdal,
    "torch": installation.torch,
    "models": installation.models,
    "map": installation.map_files,
    "own files": server.home,
    "settings": server.settings,
    "clock": server.clock,
    "memory": server.memory,
    "temporary files": server.temporary,
    "app": server.app,
}
"""The checks, in the order in which they are printed."""
_ONLINE: Final[dict[str, Check]] = {"archives": server.catalogues}


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``doctor``."""
    doctor = add_command(
        commands,
        "doctor",
        "check the installation, and say what to do",
        "Check the installation and print a line for each result: ok, warning or problem, and "
        "what to do. Exit status 0: no problem, perhaps warnings. 1: a problem.",
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON list")
    doctor.add_argument(
        "--online", action="store_true", help="also ask whether the archives of imagery answer"
    )
    doctor.set_defaults(command=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    found: list[tuple[str, Finding]] = []
    for name, check in {**CHECKS, **(_ONLINE if options.online else {})}.items():
        for finding in findings_of(name, check):
            found.append((name, finding))
            if not options.json:
                print(_line(finding), flush=True)
    if options.json:
        print(json.dumps([{"check": name, **asdict(each)} for name, each in found], indent=2))
    problems = sum(each.level == "problem" for _, each in found)
    warnings = sum(each.level == "warning" for _, each in found)
    if not options.json:
        print(f"\nFound {_count(problems, 'problem')} and {_count(warnings, 'warning')}.")
    return SOME_FAILED if problems else DONE


def _line(finding: Finding) -> str:
    advice = f" {finding.todo}" if finding.todo else ""
    return f"{finding.level:8} {finding.text}{advice}"


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'s' * (number != 1)}"
