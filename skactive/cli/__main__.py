"""``python -m skactive.cli`` is ``skactive``."""

from __future__ import annotations

import sys

from skactive.cli._main import main

if __name__ == "__main__":
    sys.exit(main())
