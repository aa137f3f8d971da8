"""Wake the runner if runs wait and none works on them."""

from __future__ import annotations

from landcover.jobs.runs import folder, processes

__all__ = ["wake"]


def wake() -> None:
    """Start the runner if a run is queued and no runner lives. Quick if there is nothing to do.

    Raises:
        BadInput: the folder of the runs cannot be written to, or no process can be started.
    """
    if not folder.waiting():
        return
    with folder.changing():
        if not folder.runner_lives():
            processes.start_detached(folder.runs() / "runner.log")
