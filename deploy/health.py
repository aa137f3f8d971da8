"""Exit status 0 if the app answers, else 1: the health check of the container and of systemd.

The address is the first argument; by default the one inside the container, below the base path
that ``STREAMLIT_SERVER_BASE_URL_PATH`` names.
"""

from __future__ import annotations

import http.client
import os
import sys
from urllib.parse import urlsplit

BASE = os.environ.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip("/")
ADDRESS = f"http://127.0.0.1:8501/{BASE}{'/' if BASE else ''}_stcore/health"


def main() -> int:
    """Ask once, for at most four seconds."""
    address = urlsplit(sys.argv[1] if len(sys.argv) > 1 else ADDRESS)
    try:
        connection = http.client.HTTPConnection(address.netloc, timeout=4)
        connection.request("GET", address.path)
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, http.client.HTTPException):
        return 1


if __name__ == "__main__":
    sys.exit(main())
