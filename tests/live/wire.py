"""STAC items in the form in which the three public catalogues publish them.

All fields follow real responses of Earth Search v1, the Planetary Computer and the Copernicus Data
Space. Fields that are not needed to read pixels (angles, percentages of land cover) are left out.
Assets that the test archive does not contain have addresses in the form of the real ones.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from landcover.core.bands import BAND_NAMES, BANDS, L1C_BAND_NAMES
from tests.live.granules import STYLES, Extent, Granule, Style

COG_TYPE: Final = "image/tiff; application=geotiff; profile=cloud-optimized"
LICENCE: Final = "https://sentinel.esa.int/documents/247904/690755/Sentinel_Data_Legal_Notice"
COLLECTION: Final = "sentinel-2-l2a"
"""Id of the Level-2A collection, which is the same in all three catalogues."""


@dataclass(frozen=True)
class _Band:
    """Names and description of a band in the catalogues."""

    common: str
    key: str
    title: str
    microns: float
    width: float
    resolution: int


_BANDS: Final[Mapping[str, _Band]] = {
    "B01": _Band("coastal", "coastal", "Coastal aerosol (band 1)", 0.443, 0.027, 60),
    "B02": _Band("blue", "blue", "Blue (band 2)", 0.49, 0.098, 10),
    "B03": _Band("green", "green", "Green (band 3)", 0.56, 0.045, 10),
    "B04": _Band("red", "red", "Red (band 4)", 0.665, 0.038, 10),
    "B05": _Band("rededge", "rededge1", "Red edge 1 (band 5)", 0.704, 0.019, 20),
    "B06": _Band("rededge", "rededge2", "Red edge 2 (band 6)", 0.74, 0.018, 20),
    "B07": _Band("rededge", "rededge3", "Red edge 3 (band 7)", 0.783, 0.028, 20),
    "B08": _Band("nir", "nir", "NIR 1 (band 8)", 0.842, 0.145, 10),
    "B8A": _Band("nir08", "nir08", "NIR 2 (band 8A)", 0.865, 0.033, 20),
    "B09": _Band("nir09", "nir09", "NIR 3 (band 9)", 0.945, 0.026, 60),
    "B10": _Band("cirrus", "cirrus", "Cirrus (band 10)", 1.3735, 0.075, 60),
    "B11": _Band("swir16", "swir16", "SWIR 1 (band 11)", 1.61, 0.143, 20),
    "B12": _Band("swir22", "swir22", "SWIR 2 (band 12)", 2.19, 0.242, 20),
}


def path(granule: Granule, asset: str) -> str:
    """Return the path of a granule's file relative to the archive's root.

    Args:
        granule: a granule of any catalogue.
        asset: a band's name, ``"SCL"``, ``"visual"`` or ``"thumbnail"``.
    """
    return _PATHS[granule.style](granule, asset)


def item(granule: Granule, facts: Mapping[str, float], base: str) -> dict[str, Any]:
    """Return the STAC item of a granule, with addresses that begin with ``base``."""
    return _ITEMS[granule.style](granule, facts, base)


def collections(style: Style) -> list[dict[str, Any]]:
    """Return the collections of a catalogue."""
    ids = [COLLECTION, "sentinel-2-l1c"] if style == "earth-search" else [COLLECTION]
    assert style in STYLES
    return [
        {
            "type": "Collection",
            "id": name,
            "stac_version": "1.0.0",
            "title": f"Sentinel-2 Level-{'1C' if 'l1c' in name else '2A'}",
            "description": "Global Sentinel-2 data from the Multispectral Instrument (MSI)",
            "license": "proprietary",
            "extent": {
                "spatial": {"bbox": [[-180, -90, 180, 90]]},
                "temporal": {"interval": [["2015-06-27T10:25:31.456000Z", None]]},
            },
            "links": [{"rel": "license", "href": LICENCE}],
        }
        for name in ids
    ]


def _time(when: datetime) -> str:
    return f"{when.strftime('%Y-%m-%dT%H:%M:%S')}.{when.microsecond // 1000:03d}000Z"


def _feature(granule: Granule, version: str) -> dict[str, Any]:
    ring = granule.extent.ring()
    lons, lats = zip(*ring, strict=True)
    return {
        "type": "Feature",
        "stac_version": version,
        "id": granule.id,
        "collection": COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [min(lons), min(lats), max(lons), max(lats)],
        "links": [],
    }


def _grid(extent: Extent, resolution: int) -> dict[str, Any]:
    transform = extent.transform(resolution)
    return {
        "proj:shape": list(extent.shape(resolution)),
        "proj:transform": [transform.a, 0, transform.c, 0, transform.e, transform.f],
    }


def _zone(granule: Granule) -> dict[str, Any]:
    epsg = granule.extent.epsg
    return {"proj:code": f"EPSG:{epsg}"} if granule.modern else {"proj:epsg": epsg}


def _ids(granule: Granule) -> dict[str, Any]:
    """Return ESA's identifiers, as Earth Search and the Planetary Computer publish them."""
    made = (granule.generated).strftime("%Y%m%dT%H%M%S")
    start = granule.datatake.strftime("%Y%m%dT%H%M%S")
    level, platform, base = granule.level, granule.platform, granule.baseline
    return {
        "s2:product_type": f"S2MSI{level[1:]}",
        "s2:processing_baseline": base,
        "s2:product_uri": f"{granule.product}.SAFE",
        "s2:generation_time": _time(granule.generated),
        "s2:datatake_id": f"G{platform}_{start}_010315_N{base}",
        "s2:datatake_type": "INS-NOBS",
        "s2:datastrip_id": f"{platform}_OPER_MSI_{level}_DS_2APS_{made}_S{start}_N{base}",
        "s2:granule_id": (
            f"{platform}_OPER_MSI_{level}_TL_2APS_{made}_A010315_T{granule.tile}_N{base}"
        ),
    }


# Earth Search v1


def _earth_search_folder(granule: Granule) -> str:
    tile, when = granule.tile, granule.datatake
    level = granule.level.lower()
    return (
        f"sentinel-s2-{level}-cogs/{int(tile[:2])}/{tile[2]}/{tile[3:]}/{when.year}/{when.month}"
        f"/{granule.id}"
    )


def _earth_search_path(granule: Granule, asset: str) -> str:
    names = {"visual": "TCI.tif", "thumbnail": "thumbnail.jpg"}
    return f"{_earth_search_folder(granule)}/{names.get(asset, f'{asset}.tif')}"


def _earth_search(granule: Granule, facts: Mapping[str, float], base: str) -> dict[str, Any]:
    found = _feature(granule, "1.0.0")
    tile = granule.tile
    found["stac_extensions"] = [
        f"https://stac-extensions.github.io/{name}/schema.json"
        for name in (
            "view/v1.0.0",
            "eo/v1.1.0",
            "mgrs/v1.0.0",
            f"projection/{'v2.0.0' if granule.modern else 'v1.1.0'}",
            "grid/v1.0.0",
            "raster/v1.1.0",
            "processing/v1.1.0",
        )
    ]
    found["properties"] = {
        "created": _time(granule.generated),
        "platform": f"sentinel-{granule.platform[1:].lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": facts["cloud"],
        **_zone(granule),
        "mgrs:utm_zone": int(tile[:2]),
        "mgrs:latitude_band": tile[2],
        "mgrs:grid_square": tile[3:],
        "grid:code": f"MGRS-{tile}",
        "s2:degraded_msi_data_percentage": 0,
        "s2:nodata_pixel_percentage": facts["nodata"],
        **_ids(granule),
        "datetime": _time(granule.sensed),
        "s2:sequence": str(granule.sequence),
        "earthsearch:s3_path": f"s3://sentinel-cogs/{_earth_search_folder(granule)}",
        "earthsearch:payload_id": (
            f"roda-sentinel2/workflow-sentinel2-to-stac/{uuid.uuid5(uuid.NAMESPACE_URL, granule.id).hex}"
        ),
        "processing:software": {"sentinel2-to-stac": "0.1.0"},
        "updated": _time(granule.generated),
    }
    if granule.applied is not None:
        found["properties"]["earthsearch:boa_offset_applied"] = granule.applied
    found["assets"] = _earth_search_assets(granule, base)
    found["links"] = [
        {
            "rel": "canonical",
            "href": f"s3://sentinel-cogs/{_earth_search_folder(granule)}/{granule.id}.json",
            "type": "application/json",
        },
        {"rel": "license", "href": LICENCE},
    ]
    return found


def _earth_search_assets(granule: Granule, base: str) -> dict[str, Any]:
    bands = {_BANDS[name].key: _earth_search_band(granule, name, base) for name in _names(granule)}
    others = {
        "scl": {
            "href": f"{base}/{path(granule, 'SCL')}",
            "type": COG_TYPE,
            "title": "Scene classification map (SCL)",
            **_grid(granule.extent, 20),
            "raster:bands": [{"nodata": 0, "data_type": "uint8", "spatial_resolution": 20}],
            "roles": ["data", "reflectance"],
        },
        "thumbnail": {
            "href": f"{base}/{path(granule, 'thumbnail')}",
            "type": "image/jpeg",
            "title": "Thumbnail image",
            "roles": ["thumbnail"],
        },
        "visual": {
            "href": f"{base}/{path(granule, 'visual')}",
            "type": COG_TYPE,
            "title": "True color image",
            "eo:bands": [_earth_search_eo(name) for name in ("B04", "B03", "B02")],
            **_grid(granule.extent, 10),
            "roles": ["visual"],
        },
    }
    if granule.level == "L1C":
        del others["scl"]
    when = granule.datatake
    tile = f"{int(granule.tile[:2])}/{granule.tile[2]}/{granule.tile[3:]}"
    bucket = f"sentinel-s2-{granule.level.lower()}"
    folder = f"s3://{bucket}/tiles/{tile}/{when.year}/{when.month}/{when.day}/{granule.sequence}"
    originals = {
        f"{_BANDS[name].key}-jp2": {
            **bands[_BANDS[name].key],
            "href": f"{folder}/{name}.jp2",
            "type": "image/jp2",
        }
        for name in _names(granule)
    }
    return {**bands, **others, **originals}


def _earth_search_eo(name: str) -> dict[str, Any]:
    band = _BANDS[name]
    return {
        "name": band.key,
        "common_name": band.common,
        "description": band.title,
        "center_wavelength": band.microns,
        "full_width_half_max": band.width,
    }


def _earth_search_band(granule: Granule, name: str, base: str) -> dict[str, Any]:
    band = _BANDS[name]
    return {
        "href": f"{base}/{path(granule, name)}",
        "type": COG_TYPE,
        "title": f"{band.title} - {band.resolution}m",
        "eo:bands": [_earth_search_eo(name)],
        "gsd": band.resolution,
        **_grid(granule.extent, band.resolution),
        "raster:bands": [
            {
                "nodata": 0,
                "data_type": "uint16",
                "bits_per_sample": 15,
                "spatial_resolution": band.resolution,
                "scale": 0.0001,
                # It stays at -0.1 even if the archive subtracted the offset.
                "offset": -0.1 if granule.offset else 0,
            }
        ],
        "roles": ["data", "reflectance"],
    }


# ESA's folders, which the other two catalogues use


def _safe_folder(granule: Granule) -> str:
    made = granule.datatake.strftime("%Y%m%dT%H%M%S")
    return f"{granule.product}.SAFE/GRANULE/{granule.level}_T{granule.tile}_A010315_{made}"


def _safe_name(granule: Granule, asset: str) -> str:
    """Return a name such as ``IMG_DATA/R10m/T33UUP_20170613T101031_B02_10m``."""
    made = granule.datatake.strftime("%Y%m%dT%H%M%S")
    name = {"visual": "TCI"}.get(asset, asset)
    resolution = {"SCL": 20, "visual": 10}.get(asset) or _BANDS[asset].resolution
    return f"IMG_DATA/R{resolution}m/T{granule.tile}_{made}_{name}_{resolution}m"


def _names(granule: Granule) -> tuple[str, ...]:
    return L1C_BAND_NAMES if granule.level == "L1C" else BAND_NAMES


# Planetary Computer

_PC_TITLES: Final[Mapping[str, str]] = {
    "B01": "Band 1 - Coastal aerosol",
    "B02": "Band 2 - Blue",
    "B03": "Band 3 - Green",
    "B04": "Band 4 - Red",
    "B05": "Band 5 - Vegetation red edge 1",
    "B06": "Band 6 - Vegetation red edge 2",
    "B07": "Band 7 - Vegetation red edge 3",
    "B08": "Band 8 - NIR",
    "B8A": "Band 8A - Vegetation red edge 4",
    "B09": "Band 9 - Water vapor",
    "B11": "Band 11 - SWIR (1.6)",
    "B12": "Band 12 - SWIR (2.2)",
}


def _planetary_path(granule: Granule, asset: str) -> str:
    tile, when = granule.tile, granule.datatake
    folder = f"sentinel2-l2/{tile[:2]}/{tile[2]}/{tile[3:]}/{when.strftime('%Y/%m/%d')}"
    return f"{folder}/{_safe_folder(granule)}/{_safe_name(granule, asset)}.tif"


def _planetary(granule: Granule, facts: Mapping[str, float], base: str) -> dict[str, Any]:
    found = _feature(granule, "1.0.0")
    found["stac_extensions"] = [
        "https://stac-extensions.github.io/eo/v1.0.0/schema.json",
        "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
        "https://stac-extensions.github.io/projection/v1.0.0/schema.json",
    ]
    found["properties"] = {
        "datetime": _time(granule.datatake),
        "platform": f"Sentinel-{granule.platform[1:]}",
        "proj:epsg": granule.extent.epsg,
        "instruments": ["msi"],
        "s2:mgrs_tile": granule.tile,
        "constellation": "Sentinel 2",
        "eo:cloud_cover": facts["cloud"],
        **_ids(granule),
        "sat:orbit_state": "descending",
        "sat:relative_orbit": granule.orbit,
        "s2:nodata_pixel_percentage": facts["nodata"],
        "s2:degraded_msi_data_percentage": 0.0,
    }
    bands = {
        name: {
            "href": f"{base}/{path(granule, name)}",
            "type": COG_TYPE,
            "title": f"{_PC_TITLES[name]} - {_BANDS[name].resolution}m",
            "proj:bbox": _box(granule.extent),
            **_grid(granule.extent, _BANDS[name].resolution),
            "gsd": float(_BANDS[name].resolution),
            "eo:bands": [_planetary_eo(name)],
            "roles": ["data"],
        }
        for name in BAND_NAMES
    }
    others = {
        "SCL": {
            "href": f"{base}/{path(granule, 'SCL')}",
            "type": COG_TYPE,
            # The spelling of the real catalogue.
            "title": "Scene classfication map (SCL)",
            "proj:bbox": _box(granule.extent),
            **_grid(granule.extent, 20),
            "gsd": 20.0,
            "roles": ["data"],
        },
        "visual": {
            "href": f"{base}/{path(granule, 'visual')}",
            "type": COG_TYPE,
            "title": "True color image",
            "proj:bbox": _box(granule.extent),
            **_grid(granule.extent, 10),
            "gsd": 10.0,
            "eo:bands": [_planetary_eo(name) for name in ("B04", "B03", "B02")],
            "roles": ["data"],
        },
        "rendered_preview": {
            "href": (
                "https://planetarycomputer.microsoft.com/api/data/v1/item/preview.png?"
                f"collection={COLLECTION}&item={granule.id}&assets=visual&asset_bidx=visual%7C1%2C2%2C3"
            ),
            "type": "image/png",
            "title": "Rendered preview",
            "rel": "preview",
            "roles": ["overview"],
        },
    }
    found["assets"] = {**bands, **others}
    found["links"] = [{"rel": "license", "href": LICENCE}]
    return found


def _planetary_eo(name: str) -> dict[str, Any]:
    band = _BANDS[name]
    return {
        "name": name,
        "common_name": "rededge" if name == "B8A" else band.common,
        "description": _PC_TITLES[name],
        "center_wavelength": band.microns,
        "full_width_half_max": band.width,
    }


def _box(extent: Extent) -> list[float]:
    return [float(number) for number in extent.bounds]


# Copernicus Data Space


def _copernicus_path(granule: Granule, asset: str) -> str:
    day = granule.datatake.strftime("%Y/%m/%d")
    reprocessed = granule.baseline == "05.00" and granule.datatake.year < 2022
    collection = "L2A_N0500" if reprocessed else "L2A"
    return (
        f"eodata/Sentinel-2/MSI/{collection}/{day}/{_safe_folder(granule)}"
        f"/{_safe_name(granule, asset)}.jp2"
    )


def _copernicus(granule: Granule, facts: Mapping[str, float], _base: str) -> dict[str, Any]:
    """Return an item with addresses ``s3://eodata/…``: ``{base}/eodata/`` in the test archive."""
    found = _feature(granule, "1.1.0")
    found["stac_extensions"] = [
        f"https://stac-extensions.github.io/{name}/schema.json"
        for name in (
            "alternate-assets/v1.2.0",
            "authentication/v1.1.0",
            "eo/v2.0.0",
            "file/v2.1.0",
            "grid/v1.1.0",
            "processing/v1.2.0",
            "product/v0.1.0",
            "projection/v2.0.0",
            "raster/v2.0.0",
            "sat/v1.1.0",
            "storage/v2.0.0",
            "timestamps/v1.1.0",
            "view/v1.0.0",
        )
    ]
    start = granule.datatake.strftime("%Y%m%dT%H%M%S")
    found["properties"] = {
        "gsd": 10,
        "created": _time(granule.generated),
        "updated": _time(granule.generated),
        "published": _time(granule.generated),
        "expires": "2262-01-01T00:00:00.000000Z",
        "datetime": _time(granule.datatake),
        "start_datetime": _time(granule.datatake),
        "end_datetime": _time(granule.datatake),
        "platform": f"sentinel-{granule.platform[1:].lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "grid:code": f"MGRS-{granule.tile}",
        "statistics": {"nodata": facts["nodata"]},
        "product:type": "S2MSI2A",
        "product:timeliness": "PT24H",
        "product:timeliness_category": "NRT",
        "processing:level": "L2",
        "processing:version": granule.baseline,
        "processing:datetime": _time(granule.generated),
        "processing:facility": "ESA",
        "processing:software": {"eometadatatool": "0"},
        "eo:cloud_cover": round(facts["cloud"], 2),
        "eo:snow_cover": 0.0,
        "sat:orbit_state": "descending",
        "sat:absolute_orbit": 10315,
        "sat:relative_orbit": granule.orbit,
        "eopf:datatake_id": f"G{granule.platform}_{start}_010315_N{granule.baseline}",
        "eopf:instrument_mode": "INS-NOBS",
        "auth:schemes": _AUTH,
        "storage:schemes": _STORAGE,
    }
    found["assets"] = {
        **{f"{b.name}_{b.resolution_m}m": _copernicus_asset(granule, b.name) for b in BANDS},
        "SCL_20m": _copernicus_asset(granule, "SCL"),
        "TCI_10m": _copernicus_asset(granule, "visual"),
        "thumbnail": {
            "href": f"https://datahub.creodias.eu/odata/v1/Assets({_uuid(granule)})/$value",
            "type": "image/jpeg",
            "title": "Quicklook",
            "roles": ["thumbnail", "overview"],
        },
    }
    found["links"] = [{"rel": "license", "href": LICENCE}]
    return found


_AUTH: Final = {
    "s3": {"type": "s3"},
    "oidc": {
        "type": "openIdConnect",
        "openIdConnectUrl": (
            "https://identity.dataspace.copernicus.eu/auth/realms/CDSE"
            "/.well-known/openid-configuration"
        ),
    },
}
_STORAGE: Final = {
    "cdse-s3": {
        "type": "custom-s3",
        "title": "Copernicus Data Space Ecosystem S3",
        "platform": "https://eodata.dataspace.copernicus.eu",
        "requester_pays": False,
    },
    "creodias-s3": {
        "type": "custom-s3",
        "title": "CREODIAS S3",
        "platform": "https://eodata.cloudferro.com",
        "requester_pays": True,
    },
}


def _uuid(granule: Granule) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, granule.product))


def _copernicus_asset(granule: Granule, asset: str) -> dict[str, Any]:
    relative = f"{_safe_folder(granule)}/{_safe_name(granule, asset)}.jp2"
    nodes = "/".join(f"Nodes({piece})" for piece in relative.split("/"))
    resolution = {"SCL": 20, "visual": 10}.get(asset) or _BANDS[asset].resolution
    roles = {"SCL": ["data", "classification"], "visual": ["visual"]}
    found: dict[str, Any] = {
        "href": f"s3://{path(granule, asset)}",
        "type": "image/jp2",
        "title": {"SCL": "Scene classification map (SCL)", "visual": "True color image"}.get(asset)
        or f"{_BANDS[asset].title} - {resolution}m",
        "roles": [*roles.get(asset, ["data", "reflectance"]), "sampling:original"],
        "gsd": resolution,
        "nodata": 0,
        "data_type": "uint16" if asset in _BANDS else "uint8",
        "proj:code": f"EPSG:{granule.extent.epsg}",
        "proj:bbox": _box(granule.extent),
        **_grid(granule.extent, resolution),
        "file:local_path": relative,
        "auth:refs": ["s3"],
        "storage:refs": ["cdse-s3", "creodias-s3"],
        "alternate:name": "S3",
        "alternate": {
            "https": {
                "href": (
                    f"https://download.dataspace.copernicus.eu/odata/v1/Products({_uuid(granule)})"
                    f"/{nodes}/$value"
                ),
                "auth:refs": ["oidc"],
                "storage:refs": [],
                "alternate:name": "HTTPS",
            }
        },
    }
    if asset in _BANDS:
        band = _BANDS[asset]
        found |= {
            "raster:scale": 0.0001,
            "raster:offset": -0.1 if granule.offset else 0.0,
            "bands": [
                {
                    "name": asset,
                    "description": band.title,
                    "eo:common_name": band.common,
                    "eo:center_wavelength": band.microns,
                    "eo:full_width_half_max": band.width,
                }
            ],
        }
    return found


_PATHS: Final = {
    "earth-search": _earth_search_path,
    "planetary-computer": _planetary_path,
    "copernicus": _copernicus_path,
}
_ITEMS: Final = {
    "earth-search": _earth_search,
    "planetary-computer": _planetary,
    "copernicus": _copernicus,
}
