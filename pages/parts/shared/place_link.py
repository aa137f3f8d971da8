"""The place in the address of the page: which choice it names, and how to name a choice."""

from __future__ import annotations

from dataclasses import replace

from landcover.io.samples import samples
from landcover.stac.catalog import CATALOGUES
from pages.parts.shared import choice, links
from pages.parts.shared.choice import Chosen, SceneLink
from pages.parts.shared.links import Link


def without_place(link: Link) -> Link:
    """Return what a link says of what is shown, without the place."""
    return replace(
        link,
        sample=None,
        at=None,
        area=None,
        catalogue=None,
        scene=None,
        date=None,
        file=None,
        window=None,
    )


def link_of(chosen: Chosen | None, shown: Link) -> Link:
    """Return the link of a choice.

    Args:
        chosen: the choice.
        shown: what is shown of it.
    """
    if chosen is None:
        return shown
    link = replace(shown, sample=chosen.sample, at=chosen.bare_place, area=chosen.drawn)
    if (scene := chosen.scene) is not None:
        link = replace(
            link, at=scene.place, catalogue=scene.catalogue, scene=scene.scene, date=scene.day
        )
    if chosen.missing is not None:
        return replace(link, file=chosen.missing, window=chosen.missing_window)
    raster = choice.uploads().get(chosen.upload or "") or choice.picture_of(chosen)
    if raster is not None:
        link = replace(link, file=choice.file_name(raster), window=(chosen.row, chosen.col))
    return link


def open_place(link: Link) -> str | None:
    """Choose what a link names; return a sentence if there is no such thing, else None."""
    chosen, problem = _chosen(link)
    if chosen is not None and link.area is not None:
        chosen = replace(chosen, drawn=link.area)
    choice.open_link(chosen)
    return problem


def _chosen(link: Link) -> tuple[Chosen | None, str | None]:
    if link.file is not None:
        return _in_file(link, link.file), None
    if link.sample is not None:
        return _sample(link.sample)
    if link.at is None:
        return None, None
    if link.scene is None or link.date is None or link.catalogue is None:
        return choice.at(*link.at), None
    return _scene(
        SceneLink(catalogue=link.catalogue, scene=link.scene, day=link.date, place=link.at)
    )


def _sample(name: str) -> tuple[Chosen | None, str | None]:
    if any(sample.name == name for sample in samples()):
        return Chosen(sample=name), None
    return None, f"The address of this page names the sample “{name}”: there is none."


def _scene(scene: SceneLink) -> tuple[Chosen, str | None]:
    if scene.catalogue not in (*CATALOGUES, links.OWN):
        return choice.at(*scene.place), (
            f"The address of this page names the catalogue “{scene.catalogue}”, which this app "
            "does not know, so its image is not shown."
        )
    return choice.live_of(scene) or Chosen(bare_place=scene.place, scene=scene), None


def _in_file(link: Link, name: str) -> Chosen:
    found = choice.upload_of(name, link.window)
    if found is not None:
        return found
    return Chosen(missing=name, missing_window=link.window)
