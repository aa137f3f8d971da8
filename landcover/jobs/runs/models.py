"""The user's models and the runs that name them: a renamed model keeps its runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from landcover.core import files
from landcover.core.errors import BadInput, LandcoverError
from landcover.jobs.runs import folder, record
from landcover.jobs.runs.order import RunOrder
from landcover.models import model_files, registry, store
from landcover.models.card import Card, FormerName

__all__ = ["follow", "rename"]


def rename(old: str, new: str) -> Path:
    """Give a user's model another name, also in the runs that trained or tested it.

    Args:
        old: its name.
        new: its new name.

    Returns:
        its folder.

    Raises:
        LandcoverError: as for :func:`landcover.models.store.rename`; or a run tests the model now.
    """
    with folder.changing():
        for run in record.all_runs():
            if run.state == "running" and run.order.kind == "test" and run.order.model == old:
                raise BadInput(f"The run '{run.name}' tests '{old}' now: stop it, or wait.")
        path = store.rename(registry.default(), old, new)
        _follow()
    return path


def follow() -> None:
    """Finish what a renaming that was killed has left: runs that have the former name.

    Raises:
        BadInput: the folder of the runs cannot be written to.
    """
    if folder.runs().is_dir() and _renamed():
        with folder.changing():
            _follow()


def _renamed() -> dict[str, tuple[FormerName, Card, str]]:
    """Former name that no model has now → name and hash then, card and name now."""
    models = registry.default()
    found: dict[str, tuple[FormerName, Card, str]] = {}
    known = set(models.names())
    for name in models.user_names():
        with suppress(LandcoverError):
            card = models.card(name)
            found |= {old.name: (old, card, name) for old in card.former if old.name not in known}
    return found


def _follow() -> None:
    if renamed := _renamed():
        for place in (folder.runs(), folder.trash()):
            for run in folder.ids(place):
                with suppress(OSError, ValueError, BadInput):  # it is listed as damaged
                    _mend(place / run, renamed)


def _mend(run: Path, renamed: dict[str, tuple[FormerName, Card, str]]) -> None:
    facts = folder.read_facts(run)
    if facts.model in renamed:
        folder.write_facts(run, replace(facts, model=renamed[facts.model][2]))
    order = RunOrder.from_json((run / folder.ORDER_FILE).read_bytes())
    if order.kind == "test" and order.model in renamed:
        old, card, name = renamed[order.model]
        model_files.restamp(run / folder.REPORT_FOLDER, old, card)
        files.write_text(run / folder.ORDER_FILE, replace(order, model=name).to_json())
