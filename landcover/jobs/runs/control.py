"""Start, stop, resume, remove, restore and rename runs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from landcover.core import disk_errors, files, limits
from landcover.core.errors import BadInput, UnknownName
from landcover.jobs.runs import checks, folder, record, settings
from landcover.jobs.runs.costs import Cost, cost_of
from landcover.jobs.runs.folder import Facts
from landcover.jobs.runs.order import RunOrder
from landcover.jobs.runs.queue import wake
from landcover.jobs.runs.record import ACTIVE, Run

__all__ = ["Cost", "cost_of", "remove", "rename", "restore", "resume", "start", "stop", "wake"]


def start(order: RunOrder) -> Run:
    """Queue a run, after everything that can be checked first was checked.

    Returns:
        the run, which waits or already runs.

    Raises:
        LandcoverError: the order cannot be carried out.
    """
    # A run has another current folder.
    order = replace(order, root=order.root.expanduser().absolute(), trackers=checks.tracked(order))
    checks.check(order)
    with folder.changing():
        checks.check_name(order)
        known = folder.ids()
        if len(known) >= limits.current().runs:
            raise BadInput(
                f"There are {len(known):,} runs, the most that are kept: remove some of them."
            )
        moment = folder.now()
        while (run := folder.new_id(moment)) in known:
            moment += timedelta(seconds=1)
        with files.aside(folder.runs(), run) as new:
            made = new / run
            made.mkdir()
            files.write_text(made / folder.ORDER_FILE, order.to_json())
            if order.kind == "train":
                settings.write(order, made)
            files.write_bytes(made / folder.ROOM_FILE, folder.ROOM)
            folder.write_facts(made, Facts(state="queued", created=moment, queued=moment))
            files.settle(made, folder.runs() / run)
    wake()
    return record.run_of(run)


def stop(run: str) -> Run:
    """Stop a run: at once if it waits, within seconds if it is running. It can be resumed.

    Raises:
        UnknownName: there is no such run.
        BadInput: it neither waits nor runs.
    """
    path = folder.path_of(run)
    with folder.changing():
        found = record.run_of(run)
        if found.state == "queued":
            folder.update(path, state="stopped", ended=folder.now())
        elif found.state == "running":
            files.write_text(path / folder.STOP_FILE, "")
        else:
            raise BadInput(f"'{found.name}' is {found.state}: only a run that waits or runs stops.")
    return record.run_of(run)


def resume(run: str) -> Run:
    """Queue a run again that was stopped or interrupted or has failed.

    A training goes on after its last epoch, and ends with the same weights as without the pause.

    Raises:
        UnknownName: there is no such run.
        LandcoverError: it waits, runs or is finished, or its order cannot be carried out.
    """
    path, found = folder.path_of(run), record.run_of(run)
    _refuse_damaged(found)
    if found.state in ACTIVE or found.state == "finished":
        raise BadInput(f"'{found.name}' is {found.state}: only a run that has stopped is resumed.")
    checks.check(found.order, run=path)
    with folder.changing():
        if record.run_of(run).state != found.state:  # somebody else has resumed it
            return record.run_of(run)
        checks.check_name(found.order, run=path)
        files.write_bytes(path / folder.ROOM_FILE, folder.ROOM)
        folder.update(path, state="queued", queued=folder.now(), ended=None, error="")
    wake()
    return record.run_of(run)


def remove(run: str) -> Path:
    """Move a run to the trash, from where :func:`restore` brings it back. Its model stays.

    Of the removed runs only the latest are kept.

    Returns:
        its folder in the trash.

    Raises:
        UnknownName: there is no such run.
        BadInput: it waits or runs, or it cannot be moved.
    """
    path = folder.path_of(run)
    with folder.changing():
        found = record.run_of(run)
        if found.state in ACTIVE:
            raise BadInput(f"'{found.name}' is {found.state}: stop it first, then remove it.")
        target = folder.trash() / run
        files.make_folder(folder.trash())
        _move(path, target)
        _forget_removed()
    return target


def restore(run: str) -> Run:
    """Bring a removed run back.

    Raises:
        UnknownName: there is no such run in the trash.
        BadInput: it cannot be moved.
    """
    known = folder.ids(folder.trash())
    if run not in known:
        raise UnknownName("removed run", run, known[:20])
    with folder.changing():
        _move(folder.trash() / run, folder.runs() / run)
    return record.run_of(run)


def rename(run: str, name: str) -> Run:
    """Give a run another name. A training that is not finished gives it to its model as well.

    Raises:
        UnknownName: there is no such run.
        BadInput: the name cannot be used, or is taken.
    """
    path = folder.path_of(run)
    with folder.changing():
        found = record.run_of(run)
        _refuse_damaged(found)
        order = replace(found.order, name=name)
        if found.state != "finished":
            checks.check_name(order, run=path)
        files.write_text(path / folder.ORDER_FILE, order.to_json())
    return record.run_of(run)


def _refuse_damaged(run: Run) -> None:
    if run.damaged:
        raise BadInput(f"The files of the run {run.id} are damaged: remove it.")


def _move(path: Path, target: Path) -> None:
    try:
        path.rename(target)
    except OSError as error:
        raise disk_errors.unwritable(target, error, folder=True) from None


def _forget_removed() -> None:
    """Delete the runs for good that were removed first, if there are many."""
    found = [folder.trash() / run for run in folder.ids(folder.trash())]
    found.sort(key=lambda path: path.stat().st_ctime, reverse=True)
    for path in found[limits.current().runs_removed :]:
        shutil.rmtree(path, ignore_errors=True)
