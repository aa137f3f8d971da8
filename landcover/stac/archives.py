"""The archives that imagery comes from: a row each, and nothing about them anywhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import urlsplit

from landcover.core.bands import BAND_NAMES, BANDS
from landcover.core.errors import BadInput, UnknownName

__all__ = ["CATALOGUES", "DEFAULT", "Catalogue", "OffsetRule", "Signing", "catalogue"]

Signing = Literal["none", "planetary-computer", "copernicus"]
OffsetRule = Literal["earth-search", "baseline", "stated"]
"""Which function of :mod:`landcover.stac.harmonise` reads an item's metadata."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """One archive of Sentinel-2 Level-2A scenes with a STAC API.

    Attributes:
        name: how the command line and settings call it.
        title: how a page calls it.
        endpoint: address of the STAC API.
        collection: id of its Level-2A collection.
        assets: key of each band's asset.
        scl: key of the scene classification's asset.
        visual: key of a true-colour picture's asset, where it has one.
        signing: what must be done to an asset's address before it answers.
        offset: how its items say whether +1000 is in their numbers.
        hosts: ``host`` or ``host:port`` of the assets; nothing else is ever asked.
        attribution: what its licence wants said beside its pictures.
        needs: what a user must bring, or nothing.
    """

    name: str
    title: str
    endpoint: str
    collection: str
    assets: Mapping[str, str]
    scl: str
    visual: str | None
    signing: Signing
    offset: OffsetRule
    hosts: tuple[str, ...]
    attribution: str
    needs: str = ""

    @property
    def endpoint_host(self) -> str:
        """``host`` or ``host:port`` of the API."""
        return urlsplit(self.endpoint).netloc.lower()


_COPERNICUS_CREDIT: Final = "Contains modified Copernicus Sentinel data"

_EARTH_SEARCH_NAMES: Final = (
    *("coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3"),
    *("nir", "nir08", "nir09", "swir16", "swir22"),
)
"""In the order of :data:`~landcover.core.bands.BAND_NAMES`: nir08 is B8A, nir09 is B09."""

CATALOGUES: Final[Mapping[str, Catalogue]] = {
    row.name: row
    for row in (
        Catalogue(
            name="earth-search",
            title="Earth Search (Element 84, on AWS)",
            endpoint="https://earth-search.aws.element84.com/v1",
            collection="sentinel-2-l2a",
            assets=dict(zip(BAND_NAMES, _EARTH_SEARCH_NAMES, strict=True)),
            scl="scl",
            visual="visual",
            signing="none",
            offset="earth-search",
            hosts=("sentinel-cogs.s3.us-west-2.amazonaws.com",),
            attribution=f"{_COPERNICUS_CREDIT}, from Earth Search by Element 84",
        ),
        Catalogue(
            name="planetary-computer",
            title="Planetary Computer (Microsoft)",
            endpoint="https://planetarycomputer.microsoft.com/api/stac/v1",
            collection="sentinel-2-l2a",
            assets={name: name for name in BAND_NAMES},
            scl="SCL",
            visual="visual",
            signing="planetary-computer",
            offset="baseline",
            hosts=("sentinel2l2a01.blob.core.windows.net",),
            attribution=f"{_COPERNICUS_CREDIT}, from Microsoft's Planetary Computer",
        ),
        Catalogue(
            name="copernicus",
            title="Copernicus Data Space Ecosystem (ESA)",
            endpoint="https://stac.dataspace.copernicus.eu/v1",
            collection="sentinel-2-l2a",
            assets={band.name: f"{band.name}_{band.resolution_m}m" for band in BANDS},
            scl="SCL_20m",
            visual="TCI_10m",
            signing="copernicus",
            offset="baseline",
            hosts=("eodata.dataspace.copernicus.eu",),
            attribution=f"{_COPERNICUS_CREDIT}, from the Copernicus Data Space Ecosystem",
            needs="free S3 keys of the Copernicus Data Space in LANDCOVER_COPERNICUS_KEY and "
            "LANDCOVER_COPERNICUS_SECRET",
        ),
    )
}
DEFAULT: Final = "earth-search"


def catalogue(name: str = DEFAULT) -> Catalogue:
    """The archive of that name, at the address that the user's environment gives it.

    ``LANDCOVER_CATALOG_EARTH_SEARCH`` replaces the endpoint of ``earth-search``, and
    ``LANDCOVER_CATALOG_EARTH_SEARCH_HOSTS`` (comma-separated) the hosts of its assets;
    the other names work alike.

    Raises:
        UnknownName: there is no such archive.
        BadInput: a replaced address is not http or https.
    """
    if name not in CATALOGUES:
        raise UnknownName("catalogue", name, CATALOGUES)
    row = CATALOGUES[name]
    variable = f"LANDCOVER_CATALOG_{name.upper().replace('-', '_')}"
    endpoint = os.environ.get(variable, "").strip().rstrip("/")
    hosts = os.environ.get(f"{variable}_HOSTS", "")
    if endpoint:
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise BadInput(
                f"{variable} is '{endpoint[:80]}', which is no address: "
                "give one that begins with https:// or http://."
            )
        row = replace(row, endpoint=endpoint)
    if named := tuple(host.strip().lower() for host in hosts.split(",") if host.strip()):
        row = replace(row, hosts=named)
    return row
