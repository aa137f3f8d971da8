"""Kill a renaming at each of its steps on disk, and check what is left: ``python -m … FOLDER``.

FOLDER is a home folder whose model ``old`` is to become ``new``. Each try works on a copy of it, in
a forked process that ends at one step without any clean-up. Prints the number of steps.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from multiprocessing import get_context
from pathlib import Path

from landcover import nets
from landcover.models import store
from landcover.models.model import load_model
from landcover.models.registry import Registry
from landcover.trust import files
from tests.support import tiny

CHANGES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"}
MOST = 500


def killed_at(step: int, models: Registry) -> bool:
    """Rename in a forked process that ends before a step; return whether it came so far."""
    child = get_context("fork").Process(target=rename, args=(step, models))
    child.start()
    child.join()
    assert child.exitcode in {0, -signal.SIGKILL}
    return child.exitcode != 0


def rename(step: int, models: Registry) -> None:
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if event in CHANGES or writes:
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    store.rename(models, "old", "new")


def check_whole(models: Registry, name: str, contents: set[str]) -> None:
    """Check that a model has all of its files, and that they belong together."""
    folder = models.user_folder(name)
    card = load_model(folder, "cpu").card
    assert card.name == name
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*")} == contents
    assert files.read_json(folder, "stability", card.hash) == {"model": name, "share": 0.5}


def main(home: Path) -> None:
    nets.NETS[tiny.NAME] = tiny.TinyNet
    source = home / "models" / "old"
    contents = {path.relative_to(source).as_posix() for path in source.rglob("*")}
    for step in range(1, MOST):
        copy = home.with_name(f"{home.name}-{step}")
        shutil.copytree(home, copy)
        models = Registry(home=copy)
        was_killed = killed_at(step, models)
        assert set(models.user_names()) in ({"old"}, {"new"}, {"old", "new"})
        for name in models.user_names():
            check_whole(models, name, contents)
        store.tidy(models)
        (left,) = models.user_names()
        assert was_killed or left == "new"
        check_whole(models, left, contents)
        hidden = {path.name for path in models.user.iterdir()} - {left}
        assert all(name.endswith("landcover-lock") for name in hidden), hidden
        if step % 10 == 0:
            assert store.rename(models, left, "third").name == "third", "no lock is left"
        shutil.rmtree(copy)
        if not was_killed:
            sys.stdout.write(f"{step}\n")
            return
    raise AssertionError("it never ended")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
