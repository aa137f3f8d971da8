"""Signing addresses of an archive's files."""

from __future__ import annotations

import os
from datetime import timedelta
from urllib.parse import urlsplit

from landcover.core.errors import FetchError
from landcover.net.answers import AnswerFault, Service, decoded
from landcover.net.http import Transport
from landcover.stac.archives import Catalogue

__all__ = ["sign"]

_SPARE_S = 60.0
"""A token that expires sooner than this is not used any more."""


async def sign(
    address: str, row: Catalogue, transport: Transport, *, refused: str | None = None
) -> str:
    """Sign an address, if the archive requires it.

    Args:
        address: as in the archive's item.
        row: the archive.
        transport: the reader of the files; the request for a signature ends with it.
        refused: the signed address that was refused, if a new signature is needed.

    Raises:
        FetchError: the address cannot be signed; the message says what to do.
        Cancelled: the user stopped it.
    """
    if row.signing == "planetary-computer":
        async with transport.signing:
            return await _planetary_computer(address, row, transport, refused)
    if row.signing == "copernicus":
        return _copernicus(address, row)
    return address


async def _planetary_computer(
    address: str, row: Catalogue, transport: Transport, refused: str | None
) -> str:
    # Microsoft's library knows the format. It does not ask, since it would read an answer of any
    # size, for any time.
    from planetary_computer.sas import TOKEN_CACHE, SASToken  # noqa: PLC0415 - loads slowly
    from planetary_computer.settings import Settings  # noqa: PLC0415
    from planetary_computer.utils import parse_blob_url  # noqa: PLC0415

    plain = address.partition("?")[0]
    try:
        settings = Settings.get()
        account, container = parse_blob_url(urlsplit(address))
        asked = f"{settings.sas_url}/{account}/{container}"
        token = TOKEN_CACHE.get(asked)
        if token is None or token.ttl() < _SPARE_S or f"{plain}?{token.token}" == refused:
            key = settings.subscription_key
            async with Service(
                asked, until=transport.until, cancel=transport.cancel, attempts=3
            ) as service:
                answer = await service.ask(
                    asked, headers={"Ocp-Apim-Subscription-Key": key} if key else None
                )
            token = SASToken(**decoded(answer))
            TOKEN_CACHE[asked] = token
    except (AnswerFault, ValueError, KeyError, IndexError, TypeError):
        raise FetchError(
            f"{row.title} gives no signature for its files: try again later or choose another "
            "catalogue."
        ) from None
    return f"{plain}?{token.token}"


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
