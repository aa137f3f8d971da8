"""Text for people: names without control characters, places and times."""

from __future__ import annotations

from datetime import datetime

__all__ = ["place_text", "plain", "time_text"]


def plain(text: str) -> str:
    """A user's text without control characters and half letters, 200 letters at most."""
    whole = text.encode("utf-8", "replace").decode()
    clean = "".join(letter if letter.isprintable() else "�" for letter in whole)
    return clean if len(clean) <= 200 else clean[:199] + "…"


def place_text(latitude: float, longitude: float) -> str:
    """Such as ``48.2223° N, 13.7209° E``."""
    ns, ew = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.4f}° {ns}, {abs(longitude):.4f}° {ew}"


def time_text(iso: str | None) -> str:
    """Such as ``2017-06-13 10:10 UTC``."""
    if iso is None:
        return "date not stated"
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M UTC")
