"""``python -m landcover`` is the command ``landcover``."""

import sys

from landcover.cli import main

sys.exit(main())
