"""``python -m landcover`` is the command ``landcover``."""

import sys

from landcover.cli.main import main

sys.exit(main())
