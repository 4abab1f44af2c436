"""`python -m numpygit` is the same as `numpygit`; NUMPYGIT_DEBUG=1 shows arrays in one line."""

import os
import sys

from . import cli

if __name__ == "__main__":
    if os.environ.get("NUMPYGIT_DEBUG", "0") not in ("", "0"):
        from .inside.debug import debug

        debug()
    sys.exit(cli.main())
