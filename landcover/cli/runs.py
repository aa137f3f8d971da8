"""The command ``runs``: trainings and tests that wait, run or have ended; and what queues them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli.commands import add_command
from landcover.cli.exit_status import DONE, SOME_FAILED
from landcover.core.errors import BadInput
from landcover.core.text import one_line

if TYPE_CHECKING:
    from landcover.jobs.runs.order import RunOrder

__all__ = ["QUEUE_HELP", "add_commands", "configuration", "queue", "usual_name"]

QUEUE_HELP: Final = "do not {what} here: queue a run, which goes on when this program ends"
_POLL_S: Final = 0.5
_RUN: Final = "id of a run, or its name"


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``runs`` with its actions; the default action is ``list``."""
    runs = add_command(
        commands,
        "runs",
        "list, stop, resume and compare queued trainings and tests",
        description="Trainings and tests that wait, run or have ended.\n\n"
        "`landcover train … --queue` and `landcover evaluate … --queue` queue them.",
    )
    runs.add_argument("--json", action="store_true", help="print the list as JSON")
    runs.set_defaults(command=_list)
    actions = runs.add_subparsers(metavar="ACTION", help="what to do; list by default")
    listing = add_command(actions, "list", "list all runs, the newest first")
    _add_json(listing)
    listing.set_defaults(command=_list)
    for name, what, command, kinds in (
        ("show", "print state, progress and settings of a run", _show, f"{_RUN}, or a model"),
        ("wait", "wait until a run has ended", _wait, _RUN),
    ):
        action = add_command(actions, name, what)
        action.add_argument("run", metavar="RUN", help=kinds)
        _add_json(action)
        action.set_defaults(command=command)
    log = add_command(actions, "log", "print the end of a run's log")
    log.add_argument("run", metavar="RUN", help=_RUN)
    log.add_argument("--characters", type=int, default=20_000, help="how much (default: 20,000)")
    log.set_defaults(command=_log)
    compare = add_command(
        actions,
        "compare",
        "print the settings in which two runs differ",
        description="Print the settings in which two runs differ.\n\n"
        "In place of a run it takes a model that carries the settings of its training, such as "
        "landcover-cnn.",
    )
    compare.add_argument("run", metavar="A", help=f"{_RUN}, or a model")
    compare.add_argument("other", metavar="B", help=f"{_RUN}, or a model")
    _add_json(compare)
    compare.set_defaults(command=_compare)
    start = add_command(actions, "start", "go on with the runs that wait, as after a restart")
    start.set_defaults(command=_start)
    for name, what in (
        ("stop", "stop a run that waits or runs; it can be resumed"),
        ("resume", "queue a stopped, interrupted or failed run again"),
        ("remove", "move a run to the trash; its model stays"),
    ):
        action = add_command(actions, name, what)
        action.add_argument("run", metavar="RUN", help=_RUN)
        action.set_defaults(command=_act, act=name)
    restore = add_command(actions, "restore", "undo `remove`")
    restore.add_argument("run", metavar="ID", help="of the run that was removed")
    restore.set_defaults(command=_restore)
    rename = add_command(actions, "rename", "give a run another name")
    rename.add_argument("run", metavar="RUN", help=_RUN)
    rename.add_argument("name", metavar="NAME", help="its new name")
    rename.set_defaults(command=_rename)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print it as JSON"
    )


def queue(order: RunOrder) -> int:
    """Queue a run and print where it waits."""
    from landcover.jobs.runs import control, text  # noqa: PLC0415 - loads torch

    run = control.start(order)
    print(text.line(run))
    return DONE


def usual_name(*parts: str) -> str:
    """A name for the result of a run that the user does not name."""
    stem = "-".join("".join(c if c.isalnum() else "-" for c in part) for part in parts if part)
    return f"{stem[:40]}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def configuration(path: Path | None) -> dict[str, Any]:
    """The settings in a file; empty without one.

    Raises:
        BadInput: it cannot be read, or is no JSON object.
    """
    from landcover.core import untrusted_json  # noqa: PLC0415

    if path is None:
        return {}
    try:
        values = untrusted_json.parse(path.read_bytes())
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise BadInput(f"The configuration '{path.name}' cannot be read: check the path.")
    return values


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _list(options: argparse.Namespace) -> int:
    from landcover.jobs.runs import record, text  # noqa: PLC0415

    runs = record.all_runs()
    if options.json:
        _print_json([text.as_dict(run) for run in runs])
    else:
        print(text.table(runs))
    return DONE


def _show(options: argparse.Namespace) -> int:
    from landcover.jobs.runs import comparison, experiments  # noqa: PLC0415 - loads torch

    found = experiments.find(options.run)
    if options.json:
        _print_json({**found.as_dict(), "settings": experiments.settings_of(found)})
    else:
        print(comparison.details(found))
    return DONE


def _wait(options: argparse.Namespace) -> int:
    from landcover.cli.progress import show  # noqa: PLC0415
    from landcover.core.progress import Progress  # noqa: PLC0415
    from landcover.jobs.runs import record, text  # noqa: PLC0415

    run = record.find(options.run)
    with show() as report:
        while run.state in record.ACTIVE:
            what = text.progress_text(run.step) if run.step else run.state
            report(Progress(what=run.name, detail=what))
            time.sleep(_POLL_S)
            run = record.run_of(run.id)
    if options.json:
        _print_json(text.as_dict(run))
    else:
        print(one_line(text.line(run)))
    return DONE if run.state == "finished" else SOME_FAILED


def _log(options: argparse.Namespace) -> int:
    from landcover.jobs.runs import record  # noqa: PLC0415

    if not 1 <= options.characters <= 10**7:
        raise BadInput("--characters is how much of the log to print: give 1 to 10,000,000.")
    sys.stdout.write(record.log_of(record.find(options.run).id, options.characters))
    return DONE


def _compare(options: argparse.Namespace) -> int:
    from landcover.jobs.runs import comparison, experiments  # noqa: PLC0415 - loads torch

    found = comparison.compare(experiments.find(options.run), experiments.find(options.other))
    if options.json:
        _print_json(found.as_dict())
    else:
        print(found.text)
    return DONE


def _start(options: argparse.Namespace) -> int:
    from landcover.jobs.runs import record  # noqa: PLC0415
    from landcover.jobs.runs.queue import wake  # noqa: PLC0415

    del options
    wake()
    waiting = sum(run.state in record.ACTIVE for run in record.all_runs())
    print(f"{waiting} runs wait or run." if waiting != 1 else "1 run waits or runs.")
    return DONE


def _act(options: argparse.Namespace) -> int:
    from landcover.jobs.runs import control, record, text  # noqa: PLC0415 - loads torch

    run = record.find(options.run)
    if options.act == "remove":
        control.remove(run.id)
        print(one_line(f"Removed '{run.name}'; undo: landcover runs restore {run.id}"))
        return DONE
    acted = control.stop(run.id) if options.act == "stop" else control.resume(run.id)
    print(one_line(text.line(acted)))
    return DONE


def _restore(options: argparse.Namespace) -> int:
    from landcover.jobs.runs import control, text  # noqa: PLC0415 - loads torch

    print(one_line(text.line(control.restore(options.run))))
    return DONE


def _rename(options: argparse.Namespace) -> int:
    from landcover.jobs.runs import control, record, text  # noqa: PLC0415 - loads torch

    run = control.rename(record.find(options.run).id, options.name)
    print(one_line(text.line(run)))
    return DONE
