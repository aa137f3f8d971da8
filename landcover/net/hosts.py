"""Checking the host of an address."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["allowed", "host_of"]


def allowed(address: str, hosts: tuple[str, ...]) -> bool:
    """Whether an address is http or https and its host is one of ``hosts`` (``host[:port]``)."""
    if not address.isprintable() or " " in address:  # parsers disagree on such characters
        return False
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        return False
    host = parts.hostname.lower()
    return (host in hosts and port is None) or f"{host}:{port}" in hosts


def host_of(address: str) -> str | None:
    """The host in an address, else its scheme; None if the address cannot be parsed."""
    try:
        return urlsplit(address).netloc or urlsplit(address).scheme or None
    except ValueError:
        return None
