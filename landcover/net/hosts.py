"""Checking the host of an address.

A host is checked by its name, not by the numbers that its name stands for: hosts are named by
this program or in the environment of its operator, never by a catalogue or a user, so that
nobody else can choose a name that leads into the local network.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

__all__ = ["allowed", "host_of", "redirect_target"]


def allowed(address: str, hosts: tuple[str, ...], *, start: str = "") -> bool:
    """Whether an address is http or https and its host is one of ``hosts`` (``host[:port]``).

    Args:
        address: the address to check.
        hosts: the allowed hosts.
        start: the address that led to it by redirects; what starts encrypted stays encrypted.
    """
    if not address.isprintable() or " " in address:  # parsers disagree on such characters
        return False
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        return False
    if parts.scheme == "http" and start[:6].lower() == "https:":
        return False
    host = parts.hostname.lower()
    return (host in hosts and port is None) or f"{host}:{port}" in hosts


def host_of(address: str) -> str:
    """The host in an address, else its scheme, else the text; printable, for messages."""
    try:
        found = urlsplit(address).netloc or urlsplit(address).scheme or address
    except ValueError:
        found = address
    return "".join(letter for letter in found if letter.isprintable())[:60] or "nowhere"


def redirect_target(address: str, location: str) -> str:
    """Address to which a redirect leads; a text that cannot be parsed is returned unchanged."""
    try:
        return urljoin(address, location)
    except ValueError:
        return location
