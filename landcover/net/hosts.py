"""Which hosts an address may lead to."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["allowed", "host_of"]


def allowed(address: str, hosts: tuple[str, ...]) -> bool:
    """Whether an address is http or https and leads to one of the hosts (``host[:port]``)."""
    if not address.isprintable() or " " in address:  # a parser would drop what another keeps
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
    """What stands for the host in an address, or None where it cannot be read."""
    try:
        return urlsplit(address).netloc or urlsplit(address).scheme or None
    except ValueError:
        return None
