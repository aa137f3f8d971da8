"""Registry of all named models: shipped with the package, the user's own, and published ones.

A shipped model has a folder under ``landcover/zoo``; a user's model has one
under ``LANDCOVER_HOME/models`` (see :mod:`landcover.models.store`); a name such as
``reben:resnet50-s2-v0.2.0`` downloads a published model (:mod:`landcover.models.hub`), which is
stored with the user's models. The path of a model folder can be used in place of any name. A name
such as ``landcover-mosaic@B02+B03+B04`` stands for that model with fewer bands: it estimates the
others (:mod:`landcover.models.band_subset`).

Nothing is written into an installed package: reports on a shipped model go to a copy of it
among the user's models, which then replaces the shipped folder as long as the two cards are
equal byte by byte.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from landcover.core import disk_errors, files, home, once
from landcover.core.errors import BadInput, CorruptModel, LandcoverError, UnknownName
from landcover.models import band_choice, band_subset, hub, model_files
from landcover.models.band_choice import ModelChoice
from landcover.models.card import CARD_FILE, RGB, Card, FormerName, read_card
from landcover.models.model import Model, load_model

__all__ = [
    "AREA_MODEL",
    "BASELINES",
    "DEFAULT_MODEL",
    "PICTURE_MODEL",
    "ZOO",
    "Origin",
    "Registry",
    "default",
    "use",
]

ZOO: Final[Path] = Path(__file__).parents[1] / "zoo"
"""Folder of the shipped models."""
DEFAULT_MODEL: Final = "landcover-mosaic"
"""Our best single model: the default of every command."""
AREA_MODEL: Final = "landcover-area"
"""Default model of maps: a lean net, several times as fast."""
PICTURE_MODEL: Final = "eurosat-rgb"
"""Default model for pictures of red, green and blue."""
BASELINES: Final[tuple[str, ...]] = ("class-prior", "band-statistics", "random-convolution")
"""Simple models that a net should beat: printed with every evaluation."""

Origin = Literal["shipped", "user", "published"]
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Models by name or path.

    Every call lists the folders again, so that models which another process adds or
    removes are noticed; within :func:`landcover.core.once.block` only the first one.

    Attributes:
        shipped: folder of the shipped models.
        home: the program's home folder, which contains the user's ``models``; None for that of
            :mod:`landcover.core.home`.
        fetch: downloads a file of a published model; None for the hub.
    """

    shipped: Path = ZOO
    home: Path | None = None
    fetch: hub.Fetch | None = None

    @property
    def user(self) -> Path:
        """Folder of the user's models; it may not exist yet."""
        return once.asked((self, "user"), lambda: (self.home or home.location()) / "models")

    def writable_home(self) -> Path:
        """Return the program's home folder, after checking that it can be written to.

        Raises:
            BadInput: the folder of :mod:`landcover.core.home` cannot be made or written to.
        """
        return home.folder() if self.home is None else self.home

    def names(self) -> tuple[str, ...]:
        """Names of the shipped and the user's models, the default model first."""
        return once.asked((self, "names"), self._names)

    def _names(self) -> tuple[str, ...]:
        shipped = self.shipped_names()
        users = (name for name in self.user_names() if name not in shipped)
        return (*sorted(shipped, key=lambda name: name != DEFAULT_MODEL), *users)

    def shipped_names(self) -> tuple[str, ...]:
        """Names of the shipped models, sorted."""
        return once.folders_with(self.shipped, CARD_FILE)

    def user_names(self) -> list[str]:
        """Names of all of the user's models, sorted by folder.

        Downloaded models have their published names; a copy of a shipped model, with the
        user's reports, has the shipped name.
        """
        found = once.folders_with(self.user, CARD_FILE)
        every = (f"{hub.PREFIX}{name}" for name in found if model_files.is_name(name))
        return [name if name in hub.MODELS else name.removeprefix(hub.PREFIX) for name in every]

    def shadowed(self) -> tuple[str, ...]:
        """Names of user's models that cannot be used, because a shipped model has the name."""
        shipped = self.shipped_names()
        users = (name for name in self.user_names() if name in shipped)
        return tuple(name for name in users if not self._has_copy(name))

    def renamed(self, name: str) -> str | None:
        """Return the present name of a user's model that was renamed; None if there is none."""
        return next((now for now, old in self._former() if old.name == name), None)

    def by_hash(self, card_hash: str) -> str | None:
        """Return the name of the model that has, or had under an earlier name, that card."""
        for name in self.names():
            with suppress(CorruptModel):
                if self.card(name).hash == card_hash:
                    return name
        return next((now for now, old in self._former() if old.card == card_hash), None)

    def _former(self) -> Iterator[tuple[str, FormerName]]:
        """Present and former names of the user's models."""
        for name in self.user_names():
            with suppress(LandcoverError):
                yield from ((name, old) for old in self.card(name).former)

    def usual(self, level: str) -> str:
        """Name of the model that is used for pixels of a level where the user names none."""
        return PICTURE_MODEL if level == RGB else DEFAULT_MODEL

    def usual_for_areas(self) -> str:
        """Name of the model that maps areas where the user names none."""
        return AREA_MODEL if AREA_MODEL in self.shipped_names() else DEFAULT_MODEL

    def best_for(self, bands: Sequence[str], level: str) -> ModelChoice:
        """Choose the model for the bands of a source where the user names none.

        It is the default model, which estimates the bands that it needs and the source lacks:
        with every subset it was better than the nets trained with these bands alone.

        Args:
            bands: of the source; at least blue, green and red, unless it is a picture.
            level: of its pixels.

        Raises:
            ModelMismatch: blue, green or red is missing.
            CorruptModel: a card or the measured values are damaged.
        """
        return self.choice(self.usual(level), bands)

    def choice(self, model: str | Path, bands: Sequence[str]) -> ModelChoice:
        """Return a model as it can be used with the bands of a source.

        That is the model itself if the source has its bands, or if it is one for pictures;
        otherwise the one derived from it, which estimates the missing bands.

        Raises:
            ModelMismatch: blue, green or red is missing, so that nothing can be derived.
            LandcoverError: there is no such model, or its card is damaged.
        """
        card, name = self.card(model), str(model)
        if card.level == RGB or not band_subset.lacks(card, bands):
            return ModelChoice(name=name, bands=card.bands)
        name = band_subset.derived_name(name, bands)
        own = self.card(name)
        return ModelChoice(
            name=name,
            bands=own.bands,
            estimated=band_subset.estimated_bands(own),
            sentence=band_choice.gives_up(own, band_choice.read()),
        )

    def for_pictures(self) -> tuple[str, ...]:
        """Names of the models for pictures of red, green and blue."""
        return tuple(name for name in self.names() if self._level(name) == RGB)

    def for_patches(self) -> tuple[str, ...]:
        """Names of the models for reflectance, the default model first.

        They include models with a damaged card; loading such a model gives the error.
        """
        return once.asked(
            (self, "for patches"),
            lambda: tuple(name for name in self.names() if self._level(name) != RGB),
        )

    def origin(self, name: str) -> Origin:
        """Return where a model of that name comes from."""
        if self._is_shipped(name):
            return "shipped"
        return "published" if hub.is_published(name) else "user"

    def folder(self, model: str | Path) -> Path:
        """Return the folder of a model.

        Args:
            model: a name, or the path of a model folder. A string that is a model's name means
                that model, even if the working directory has such a folder; write ``./NAME`` for
                the folder. A model for fewer bands has the folder of the one it is derived from.

        Raises:
            UnknownName: it is not a path, and no model has that name.
            BadInput: it is a path without a model.
            LandcoverError: a published model cannot be downloaded or used; see :func:`hub.folder`.
        """
        return once.asked((self, "folder", model), lambda: self._folder(model))

    def _folder(self, model: str | Path) -> Path:
        if isinstance(model, Path):
            return self._folder_at(os.path.join(".", model))  # noqa: PTH118 - pathlib drops the dot
        derived = self._derived(model)
        name = model if derived is None else derived[0]
        if hub.is_published(name):
            if once.is_file(self.user_folder(name) / CARD_FILE):
                return self.user_folder(name)
            return hub.folder(name, self.fetch, self.writable_home() / "models")
        if self._is_shipped(name):
            return self.user_folder(name) if self._has_copy(name) else self.shipped / name
        if self._is_user(name):
            return self.user_folder(name)
        return self._folder_at(name)

    def card(self, model: str | Path) -> Card:
        """Read the card of a model by name or path.

        Raises:
            LandcoverError: there is no such model (see :meth:`folder`), or its card is damaged.
        """
        return once.asked((self, "card", model), lambda: self._card(model))

    def _card(self, model: str | Path) -> Card:
        folder = self.folder(model)
        stamp = _stamp(folder / CARD_FILE)
        derived = self._derived(model)
        if derived is not None:
            return _derived_card(folder, derived[1], stamp)
        return _card(folder, stamp)

    def load(self, model: str | Path = DEFAULT_MODEL, device: str = "auto") -> Model:
        """Load a model by name or path.

        Raises:
            CorruptModel: card or weights are damaged or do not belong together.
            LandcoverError: there is no such model (see :meth:`folder`), or no such device.
        """
        found = load_model(self.folder(model), device)
        derived = self._derived(model)
        return found if derived is None else band_subset.derive(found, derived[1])

    def title(self, name: str) -> str:
        """Return the title to display; for a user's model it includes the name.

        If the card is damaged, the title is the name.
        """
        try:
            title = self.card(name).title
        except CorruptModel:
            return name
        derived = self._derived(name)
        origin = self.origin(name if derived is None else derived[0])
        return title if origin != "user" else f"{title} ({name})"

    def stamp(self, name: str, *files: str) -> tuple[str | int, ...]:
        """Return a cache key that changes when the model of that name is replaced.

        Args:
            name: name of the model.
            files: further paths in its folder; the key also changes with each of these files.
        """
        folder = self.folder(name)
        stamps = (_stamp(folder / file) for file in (CARD_FILE, *files))
        bands = (self._derived(name) or ("", ()))[1]
        return (str(folder), *bands, *(value for stamp in stamps for value in stamp))

    def option(self, card: Card) -> str:
        """Return the command-line option for the model of a card: its name if it has one."""
        known = card.name in self.names() and self.card(card.name).hash == card.hash
        return f"--model {card.name}" if known else "--model FOLDER"

    def saves_to(self, model: str | Path) -> Path:
        """Return the folder into which reports of a model are written.

        This is the model's own folder, also if the model is given by its path. For a shipped
        model given by its name it is a copy among the user's models, which the first call
        makes.

        Raises:
            BadInput: the path is in an installed package, the copy cannot be made, or the model
                is one for fewer bands, which is derived.
            LandcoverError: there is no such model; see :meth:`folder`.
        """
        folder = self.folder(model)
        if self._derived(model) is not None:
            raise BadInput(
                f"'{model}' is derived and has no folder of its own, so nothing can be saved for "
                "it: leave --save out."
            )
        if isinstance(model, str) and model in self.shipped_names():
            return self._copied(model)
        real = folder.resolve()
        if real.is_relative_to(self.shipped.resolve()) and _INSTALLED & set(real.parts):
            raise BadInput(
                f"'{folder.name}' is in the installed package, where nothing is written: use "
                f"its name, --model {folder.name}."
            )
        return folder

    def user_folder(self, name: str) -> Path:
        """Return the folder of a user's or published model; it may not exist yet."""
        return self.user / name.removeprefix(hub.PREFIX)

    def _derived(self, model: str | Path) -> tuple[str, tuple[str, ...]] | None:
        """Base and bands of a model for fewer bands; None for any other model."""
        if isinstance(model, Path) or self._is_shipped(model) or self._is_user(model):
            return None
        return band_subset.split_name(model)

    def _is_shipped(self, name: str) -> bool:
        """Whether :meth:`shipped_names` has a name, without looking at the other folders."""
        return model_files.is_name(name) and once.is_file(self.shipped / name / CARD_FILE)

    def _is_user(self, name: str) -> bool:
        """Whether :meth:`user_names` has a name, without looking at the other folders."""
        plain = name.removeprefix(hub.PREFIX)
        listed = f"{hub.PREFIX}{plain}" if f"{hub.PREFIX}{plain}" in hub.MODELS else plain
        is_there = model_files.is_name(plain) and once.is_file(self.user / plain / CARD_FILE)
        return is_there and name == listed

    def _level(self, name: str) -> str | None:
        try:
            return self.card(name).level
        except CorruptModel:
            return None

    def _has_copy(self, name: str) -> bool:
        """Whether the user has a copy of a shipped model (made to hold their reports)."""
        own, shipped = (root / name / CARD_FILE for root in (self.user, self.shipped))
        sizes = [found and found.st_size for found in map(once.facts, (own, shipped))]
        if sizes[0] is None or sizes[0] != sizes[1]:
            return False
        try:
            return own.read_bytes() == shipped.read_bytes()
        except OSError:
            return False

    def _copied(self, name: str) -> Path:
        if self._has_copy(name):
            return self.user_folder(name)
        if name in self.shadowed():
            raise BadInput(
                f"'{self.user_folder(name)}' is another model with the name of a shipped one, so "
                f"nothing can be saved for '{name}': `landcover models rename {name} NEW`."
            )
        with self.staging() as (new, place):
            model_files.copy(self.shipped / name, new)
            try:
                place(name)
            except BadInput:
                if not self._has_copy(name):  # another run may have made the same copy
                    raise
        return self.user_folder(name)

    @contextmanager
    def staging(self) -> Iterator[tuple[Path, Callable[[str], None]]]:
        """Yield a new folder to fill, and a function that renames it to a user's model.

        Unless that function is called, the folder is deleted at the end.

        Raises:
            BadInput: the folder cannot be written.
        """
        self.writable_home()
        away = f"free some space there, or set {home.VARIABLE} to another folder"
        with disk_errors.explained(self.user, folder=True, remedy=away):
            self.user.mkdir(parents=True, exist_ok=True)
        with files.aside(self.user, "model") as parent:
            new = parent / "model"
            new.mkdir()
            yield new, lambda name: files.settle(new, self.user_folder(name))

    def _folder_at(self, text: str) -> Path:
        """Return a model folder by its path."""
        path = Path(text)
        is_path = os.sep in text or "/" in text or text in (".", "..")
        try:
            if text.startswith("~"):
                path = path.expanduser()
            if text and (path / CARD_FILE).is_file():
                return path
            is_folder = path.is_dir()
        except (OSError, ValueError, RuntimeError):  # an invalid file name, or no such user
            is_folder = False
        if not is_path:
            raise UnknownName("model", text, self.names(), self.renamed(text))
        shown = text if len(text) <= 120 else f"{text[:119]}…"
        if is_folder:
            raise BadInput(
                f"The folder '{shown}' is not a model folder: it has no {CARD_FILE}; give a folder "
                "that `landcover train` wrote, or the name of a model (see `landcover models`)."
            )
        raise BadInput(f"There is no model folder '{shown}': check the path.")


_DEFAULT = Registry()


def default() -> Registry:
    """Return the registry of the command line and the app: the package and ``LANDCOVER_HOME``."""
    return _DEFAULT


@contextmanager
def use(registry: Registry) -> Iterator[Registry]:
    """Use another registry as the default of the process while the context is open."""
    global _DEFAULT  # noqa: PLW0603 - this function replaces the default
    before, _DEFAULT = _DEFAULT, registry
    try:
        yield registry
    finally:
        _DEFAULT = before


def _stamp(path: Path) -> tuple[int, ...]:
    found = once.facts(path)
    return () if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)


@lru_cache(maxsize=128)
def _card(folder: Path, stamp: tuple[int, ...]) -> Card:  # noqa: ARG001 - cache key of the file
    return read_card(folder)


@lru_cache(maxsize=32)
def _derived_card(folder: Path, bands: tuple[str, ...], stamp: tuple[int, ...]) -> Card:  # noqa: ARG001 - as above
    return band_subset.derive(load_model(folder, "cpu"), bands).card
