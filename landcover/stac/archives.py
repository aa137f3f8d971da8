"""Table of the archives of imagery: everything specific to an archive is in its row."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from landcover.core.bands import BAND_NAMES, BANDS
from landcover.core.errors import BadInput, UnknownName

__all__ = [
    "CATALOGUES",
    "DEFAULT",
    "OWN_VARIABLE",
    "Catalogue",
    "OffsetRule",
    "Signing",
    "catalogue",
    "own_file",
]

Signing = Literal["none", "planetary-computer", "copernicus"]
OffsetRule = Literal["earth-search", "baseline", "stated"]
"""Name of the rule in :mod:`landcover.stac.harmonise` that interprets an item's metadata."""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """One archive of Sentinel-2 Level-2A scenes with a STAC API.

    Attributes:
        name: name on the command line and in settings.
        title: name on pages and in messages.
        endpoint: address of the STAC API.
        collection: id of its Level-2A collection.
        assets: band → key of its asset.
        scl: key of the asset of the scene classification.
        visual: key of the asset of a true-colour image, if there is one.
        signing: how addresses of assets are signed.
        offset: rule that tells from an item whether its numbers contain +1000.
        hosts: allowed hosts of the assets, as ``host`` or ``host:port``.
        attribution: text that its licence requires next to its images.
        needs: what a user must provide, or empty.
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

    def item_address(self, scene: str) -> str:
        """Address of the STAC item of a scene, given its id."""
        return f"{self.endpoint}/collections/{self.collection}/items/{quote(scene, safe='')}"


_COPERNICUS_CREDIT: Final = "Contains modified Copernicus Sentinel data"

_EARTH_SEARCH_NAMES: Final = (
    *("coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3"),
    *("nir", "nir08", "nir09", "swir16", "swir22"),
)
"""In the order of :data:`~landcover.core.bands.BAND_NAMES`; nir08 is B8A, nir09 is B09."""

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
OWN_VARIABLE: Final = "LANDCOVER_CATALOG"
"""Environment variable with the default catalogue of the command line: an archive's name, or the
path of a catalogue file, which the app then offers too."""


def own_file() -> str:
    """Return the path of the catalogue file that the environment names; empty without one.

    The app searches this file only: a path that a visitor names is never opened.
    """
    named = os.environ.get(OWN_VARIABLE, "").strip()
    return "" if named in CATALOGUES else named


def catalogue(name: str = DEFAULT) -> Catalogue:
    """Look up an archive, with the addresses in the user's environment.

    ``LANDCOVER_CATALOG_EARTH_SEARCH`` replaces the endpoint of ``earth-search``, and
    ``LANDCOVER_CATALOG_EARTH_SEARCH_HOSTS`` (comma-separated) the hosts of its assets. The
    variables of the other archives are named in the same way.

    Raises:
        UnknownName: there is no such archive.
        BadInput: an address in the environment is not http or https.
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
                f"{variable} is '{endpoint[:80]}', which is not an address: "
                "give one that begins with https:// or http://."
            )
        row = replace(row, endpoint=endpoint)
    if named := tuple(host.strip().lower() for host in hosts.split(",") if host.strip()):
        row = replace(row, hosts=named)
    return row
