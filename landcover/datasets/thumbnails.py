"""Pictures of single patches of a data set, for display.

Tables are read once; pixels are read only for the requested patches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from landcover.core.bands import COMPOSITES
from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray, Raster
from landcover.datasets import open_any
from landcover.datasets.eurosat import EuroSat, EuroSatRecord
from landcover.datasets.labelled import ALL, Record
from landcover.io.guard import shown

__all__ = ["EUROSAT", "TRUE_COLOUR", "Thumbnails", "open_thumbnails"]

EUROSAT: Final = "eurosat"
TRUE_COLOUR: Final = COMPOSITES[0]


@dataclass(frozen=True)
class Thumbnails:
    """The pictures of the data set in one folder.

    Attributes:
        title: of the data set.
        readers: name of a patch → function that reads its picture.
        patches: name of a patch → its record; empty for a data set of pictures.
    """

    title: str
    readers: Mapping[str, Callable[[], ByteArray]]
    patches: Mapping[str, Record] = field(default_factory=dict)

    def picture(self, patch_id: str) -> ByteArray:
        """Read a patch as uint8 ``(y, x, 3 or 4)``: the picture itself, or true colour.

        Raises:
            BadInput: the patch is missing or cannot be read.
        """
        if patch_id not in self.readers:
            raise BadInput(
                f"{self.title} has no patch {shown(patch_id)} in this folder: "
                "give the folder that the report was made from."
            )
        return self.readers[patch_id]()

    def patch(self, patch_id: str) -> Raster | None:
        """Read all bands of a patch; None if the folder has no such patch.

        Raises:
            BadInput: it cannot be read.
        """
        record = self.patches.get(patch_id)
        return None if record is None else record.patch()


def open_thumbnails(dataset: str, root: Path) -> Thumbnails:
    """Open the pictures of a data set in a folder. Reads its tables but no pixels.

    Args:
        dataset: the name of the data set in reports.
        root: the data set's folder.

    Raises:
        UnknownName: no data set has that name.
        BadInput: the folder does not contain it, or its tables cannot be read.
    """
    opened = open_any(dataset, root)
    if isinstance(opened, EuroSat):
        return Thumbnails(
            opened.title, {p.name: partial(_of_eurosat, opened, p) for p in opened.pictures}
        )
    return Thumbnails(
        opened.title,
        {r.patch_id: partial(_true_colour, r) for r in opened.all_records},
        {r.patch_id: r for r in opened.all_records},
    )


def _true_colour(record: Record) -> ByteArray:
    return record.patch().image(TRUE_COLOUR)


def _of_eurosat(eurosat: EuroSat, picture: EuroSatRecord) -> ByteArray:
    alone = replace(eurosat, pictures=(picture,))
    pixels: ByteArray = alone.load(ALL).bytes[0]
    return pixels
