"""Files and texts that ask the program to read other files or addresses."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from functools import partial
from typing import Final

from tools.hostile.corpus import seeds
from tools.hostile.corpus.case import CANARY, URL, Case, Place, of_bytes, of_files

__all__ = ["SECRET", "cases"]

SECRET: Final = f"{CANARY}/secret.tif"
"""A sound stack that nothing may open."""
VRT: Final = (
    '<VRTDataset rasterXSize="120" rasterYSize="120">{more}<VRTRasterBand dataType="UInt16" '
    'band="1" {kind}>{inner}<SimpleSource><SourceFilename relativeToVRT="0">{source}'
    "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)
ADDRESSES: Final = (
    SECRET,
    f"/vsicurl/{URL}/a.tif",
    f"{URL}/a.tif",
    f"/vsizip/{CANARY}/secret.zip/a.tif",
    f"/vsigzip/{SECRET}",
    f"/vsisubfile/0_100,{SECRET}",
    f"/vsis3/{URL}/a.tif",
    "/vsistdin/",
    f"GTIFF_DIR:1:{SECRET}",
    f"GTIFF_RAW:{SECRET}",
    f"NETCDF:{SECRET}:a",
    f"HDF5:{SECRET}://a",
    f"JPEG2000:{SECRET}",
    f"SENTINEL2_L2A:{SECRET}:10m:EPSG_32633",
    f"DERIVED_SUBDATASET:LOGAMPLITUDE:{SECRET}",
    f"vrt://{SECRET}?bands=1",
    f"WMS:{URL}/?SERVICE=WMS",
    f"WCS:{URL}/",
    f"ZARR:/vsicurl/{URL}/a",
    f"PG:host={URL}",
    f"MEM:::DATAPOINTER=1,PIXELS=9,LINES=9,X={URL}",
    f"STACIT:{URL}/a.json",
    f"file://{SECRET}",
    f"file://localhost{SECRET}",
    f"http://169.254.169.254/latest/meta-data/?{URL}",
    f"zip://{CANARY}/secret.zip!a.tif",
    f"\\\\127.0.0.1\\share\\{URL}",
    f"<VRTDataset>{SECRET}</VRTDataset>",
    f"ftp://127.0.0.1/{URL}",
    f"s3://{URL}/a.tif",
    f"gs://{URL}/a.tif",
)
"""Texts that GDAL, rasterio or a URL library reads as something else than the path of a file."""


def cases() -> Iterator[Case]:
    """Such files, such sidecars, such metadata of a product, and such texts."""
    yield from _contents()
    yield from _sidecars()
    yield from _products()
    yield from _texts()


def _contents() -> Iterator[Case]:
    kind = "references: content"
    vrts = {
        f"VRT of {at[:40]}": VRT.format(more="", kind="", inner="", source=at) for at in ADDRESSES
    }
    python = (
        "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python"
        f"</PixelFunctionLanguage><PixelFunctionCode>open('{SECRET}')</PixelFunctionCode>"
    )
    raw = f'<SourceFilename relativeToVRT="0">{SECRET}</SourceFilename><ImageOffset>0</ImageOffset>'
    texts = {
        **vrts,
        "VRT with code": VRT.format(
            more="", kind='subClass="VRTDerivedRasterBand"', inner=python, source=SECRET
        ),
        "VRT of raw bytes": VRT.format(
            more="", kind='subClass="VRTRawRasterBand"', inner=raw, source=SECRET
        ),
        "VRT with a mask": VRT.format(
            more=f"<MaskBand>{SECRET}</MaskBand>", kind="", inner="", source=SECRET
        ),
        "WMS": f'<GDAL_WMS><Service name="TMS"><ServerUrl>{URL}/a</ServerUrl></Service></GDAL_WMS>',
        "WMTS": f"<GDAL_WMTS><GetCapabilitiesUrl>{URL}/a</GetCapabilitiesUrl></GDAL_WMTS>",
        "WCS": f"<WCS_GDAL><ServiceURL>{URL}/?</ServiceURL></WCS_GDAL>",
        "MRF": f"<MRF_META><CachedSource><Source>{SECRET}</Source></CachedSource><Raster>"
        f'<Size x="120" y="120" c="12"/><DataFile>{SECRET}</DataFile></Raster></MRF_META>',
        "KML overlay": seeds.kml(f"<!-- {URL} -->")
        .decode()
        .replace("Placemark", "GroundOverlay")
        .replace("<Point>", f"<Icon><href>{URL}/a</href></Icon><Point>"),
        "STACTA": f'{{"type": "Feature", "stac_extensions": ["tiled-assets"], "asset_templates": '
        f'{{"a": {{"href": "{URL}/a"}}}}}}',
        "ENVI": f"ENVI\nsamples = 120\nlines = 120\nbands = 1\ndata file = {SECRET}\n",
        "DIMAP": f"<Dimap_Document><DATA_FILE_PATH href='{SECRET}'/></Dimap_Document>",
        "SVG": f'<svg xmlns:xlink="x"><image xlink:href="{URL}/a.png"/></svg>',
        "PostScript": f"%!PS\n({SECRET}) (r) file\n",
        "TIL": f'BEGIN_GROUP\nnumTiles = 1;\nfilename = "{SECRET}";\nEND_GROUP\n',
        "PDS": f'PDS_VERSION_ID = PDS3\n^IMAGE = "{SECRET}"\n',
        "GeoJSON": f'{{"type": "FeatureCollection", "crs": {{"type": "link", "properties": '
        f'{{"href": "{URL}/a"}}}}, "features": []}}',
    }
    for name, text in texts.items():
        for suffix in ("tif", "vrt", "jp2", "png"):
            yield of_bytes(kind, f"{name} as .{suffix}", f"a.{suffix}", text.encode())
        yield of_bytes(kind, f"{name}, upload", "a.tif", text.encode(), gate="upload")
    magics = {
        "netCDF": b"CDF\x01",
        "netCDF 4": b"\x89HDF\r\n\x1a\n",
        "HDF 4": b"\x0e\x03\x13\x01",
        "GRIB": b"GRIB\0\0\0\2",
        "NITF": b"NITF02.10",
        "MBTiles": b"SQLite format 3\0",
        "shape": b"\0\0\x27\x0a",
        "FITS": b"SIMPLE  =",
        "PCIDSK": b"PCIDSK  ",
        "ECW": b"\x65\x02\0\0",
        "pickle": b"\x80\x05\x95",
        "gzip": b"\x1f\x8b\x08\0",
        "tar": b"a.tif" + bytes(252) + b"ustar",
        "parquet": b"PAR1" * 9,
        "7z": b"7z\xbc\xaf\x27\x1c",
        "RAR": b"Rar!\x1a\x07\0",
    }
    for name, magic in magics.items():
        for suffix in ("tif", "jp2", "zip"):
            data = magic + SECRET.encode() + bytes(range(256)) * 8
            yield of_bytes(kind, f"{name} as .{suffix}", f"a.{suffix}", data, must="refused")
    yield of_bytes(kind, "GeoPackage", "a.gpkg", seeds.geopackage, must="refused")
    yield of_bytes(kind, "KML", "a.kml", seeds.kml(), must="refused")


def _sidecars() -> Iterator[Case]:
    """A sound stack with a sidecar that refers to something else."""
    kind = "references: sidecars"
    xxe = f'<!DOCTYPE a [<!ENTITY b SYSTEM "file://{CANARY}/secret.txt">]>'
    pam = (
        '<PAMDataset><PAMRasterBand band="1"><Description>{0}</Description></PAMRasterBand>'
        "</PAMDataset>"
    )
    overview = f"<Metadata domain='OVERVIEWS'><MDI key='OVERVIEW_FILE'>{SECRET}</MDI></Metadata>"
    texts = {
        "a.tif.aux.xml": (
            xxe + pam.format("&b;"),
            f"<!DOCTYPE a SYSTEM '{URL}/a.dtd'>{pam.format('B02')}",
            pam.format("B02\x1b[31m"),
            pam.format("x" * 500_000),
            "<PAMDataset>" * 50_000,
            f"<PAMDataset>{overview}</PAMDataset>",
            "\0" * 2_000_000,
        ),
        "a.tif.msk": (VRT.format(more="", kind="", inner="", source=SECRET), "", "II*\0"),
        "a.tif.ovr": (VRT.format(more="", kind="", inner="", source=SECRET),),
        "a.tfw": ("nan\n" * 6, "x" * 10_000),
        "a.tif.vrt": (VRT.format(more="", kind="", inner="", source=SECRET),),
        "a.IMD": (f"BEGIN_GROUP {SECRET}",),
        "a.rpb": (SECRET,),
        "a_RPC.TXT": (SECRET,),
    }
    for file, several in texts.items():
        for number, text in enumerate(several):
            files = {"a.tif": seeds.stack(), file: text.encode()}
            yield of_files(kind, f"{file} {number}", "a.tif", files)

    def link(place: Place) -> None:
        (place.folder / "a.tif").write_bytes(seeds.stack())
        (place.folder / "a.tif.aux.xml").symlink_to("/dev/zero")

    yield Case(kind=kind, name="a device", gate="path", file="a.tif", make=link)


def _products() -> Iterator[Case]:
    """SAFE products whose metadata is harmful."""
    kind = "references: SAFE"
    files = seeds.safe_files()
    product = next(name for name in files if name.endswith("MTD_MSIL2A.xml"))
    tile = next(name for name in files if name.endswith("MTD_TL.xml"))
    root = product.split("/")[0]
    entity = f'<!DOCTYPE a [<!ENTITY b SYSTEM "file://{CANARY}/secret.txt">]>'
    changes: dict[str, tuple[bytes, bytes]] = {
        "entity": (b"<n1:Level", entity.encode() + b"<n1:Level"),
        "far DTD": (b"<n1:Level", f'<!DOCTYPE a SYSTEM "{URL}/a.dtd"><n1:Level'.encode()),
        "far schema": (b"https://psd-14.sentinel2.eo.esa.int", URL.encode()),
        "deep": (b"<n1:Gen", b"<a>" * 60_000 + b"<n1:Gen"),
        "cut": (b"</n1:Level", b""),
        "UTF-16": (b'encoding="UTF-8"', b'encoding="UTF-16"'),
        "unknown encoding": (b'encoding="UTF-8"', b'encoding="\x1b[31m"'),
        "NaN": (b"12.345678", b"NaN"),
        "far path": (b"GRANULE/", f"{CANARY}/".encode()),
        "400 digits": (b"10000<", b"9" * 400 + b"<"),
        "time": (b"2017-06-13T10:10:31.026Z", b"9999-99-99T99:99:99Z"),
        "baseline": (b"05.00", b"\xe2\x80\xae\n99"),
        "zone": (b"EPSG:32633", b"EPSG:32600"),
        "no zone": (b"EPSG:32633", b"EPSG:" + b"9" * 5_000),
        "rows": (b"<NROWS>120", b"<NROWS>99999999999999"),
        "corner": (b"<ULX>", b"<ULX>1e308"),
        "pixels": (b"<XDIM>10", b"<XDIM>0"),
        "comma": (b"<YDIM>-10", b"<YDIM>NaN"),
    }
    for name, (old, new) in changes.items():
        for file in (product, tile):
            if old not in files[file]:
                continue
            changed = {**files, file: files[file].replace(old, new)}
            label = f"{name} in {file.rpartition('/')[2]}"
            yield of_files(kind, label, root, changed)
            packed = partial(seeds.zipped, changed, zipfile.ZIP_STORED)
            yield of_bytes(kind, f"{label}, zipped", "a.zip", packed, gate="upload")
    image = next(name for name in files if name.endswith("_B02_10m.jp2"))
    vrt = VRT.format(more="", kind="", inner="", source=SECRET).encode()
    for name, data in {"VRT": vrt, "nothing": b"", "cut": files[image][:2_000]}.items():
        changed = {**files, image: data}
        yield of_files(kind, f"B02 is {name}", root, changed, must="refused")


def _texts() -> Iterator[Case]:
    """Addresses given as a source."""
    for text in (*ADDRESSES[1:], "-", "--", "\0", "a\nb", "~root/a.tif", "x" * 5_000, "\ud800", "",
                 "1e400,0", "nan,nan", "48.2,16.3,9", "CON", "|cat a", "$(id)", "a;b"):  # fmt: skip

        def make(place: Place) -> None:
            del place

        yield Case(kind="references: sources", name=text[:60], gate="path", file=f"={text}",
                   make=make, must="refused")  # fmt: skip
