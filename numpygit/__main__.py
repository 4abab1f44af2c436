"""`python -m numpygit` is the same as `numpygit`; NUMPYGIT_DEBUG=1 shows arrays in one line."""

import os
import sys

if __name__ == "__main__":
    try:
        from . import cli

        if os.environ.get("NUMPYGIT_DEBUG", "0") not in ("", "0"):
            from .inside.debug import debug

            debug()
        code = cli.main()
    except KeyboardInterrupt:  # before `main` takes care of it
        print("numpygit: stopped", file=sys.stderr)
        code = 130
    sys.exit(code)
