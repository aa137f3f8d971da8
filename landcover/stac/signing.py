"""Signing addresses of an archive's files."""

from __future__ import annotations

import os
from datetime import timedelta
from urllib.parse import urlsplit

from landcover.core.errors import FetchError
from landcover.stac.archives import Catalogue

__all__ = ["sign"]


def sign(address: str, row: Catalogue, *, renew: bool = False) -> str:
    """Sign an address, if the archive requires it.

    Args:
        address: as in the archive's item.
        row: the archive.
        renew: whether a new signature is needed because the last one was refused.

    Raises:
        FetchError: the address cannot be signed; the message says what to do.
    """
    if row.signing == "planetary-computer":
        return _planetary_computer(address, row, renew=renew)
    if row.signing == "copernicus":
        return _copernicus(address, row)
    return address


def _planetary_computer(address: str, row: Catalogue, *, renew: bool) -> str:
    import requests  # noqa: PLC0415 - only this archive needs it, and it loads slowly
    from planetary_computer import sas  # noqa: PLC0415
    from planetary_computer.utils import parse_blob_url  # noqa: PLC0415

    if renew:
        sas.TOKEN_CACHE.clear()
    try:
        account, container = parse_blob_url(urlsplit(address))
        # By default it would retry for minutes without a network.
        token = sas.get_token(account, container, retry_total=2, retry_backoff_factor=0.3)
    except (requests.RequestException, ValueError, KeyError, IndexError):
        raise FetchError(
            f"{row.title} gives no signature for its files: try again later or choose another "
            "catalogue."
        ) from None
    return f"{address.partition('?')[0]}?{token.token}"


def _copernicus(address: str, row: Catalogue) -> str:
    key = os.environ.get("LANDCOVER_COPERNICUS_KEY", "").strip()
    secret = os.environ.get("LANDCOVER_COPERNICUS_SECRET", "").strip()
    if not key or not secret:
        raise FetchError(
            f"{row.title} requires an account: set {row.needs}, or choose another catalogue."
        )
    try:
        import obstore  # noqa: PLC0415 - an optional package that most users do not need
        from obstore.store import S3Store  # noqa: PLC0415
    except ImportError:
        raise FetchError(
            f"{row.title} needs one more package: run pip install obstore, or choose another "
            "catalogue."
        ) from None
    path = address.removeprefix("s3://eodata/")
    host = row.hosts[0]
    scheme = "http" if host.startswith(("127.", "localhost")) else "https"
    store = S3Store(
        "eodata",
        endpoint=f"{scheme}://{host}",
        access_key_id=key,
        secret_access_key=secret,
        region="default",
        virtual_hosted_style_request=False,
        client_options={"allow_http": scheme == "http"},
    )
    return str(obstore.sign(store, "GET", path, timedelta(hours=1)))
