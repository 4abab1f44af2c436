"""The live page: stickers or a photograph, words as they come, and all that led to each of them.

    numpygit play                       # opens the page, answered by this machine
    numpygit play --static site         # writes it as files that need no Python to be installed
    numpygit.load("storybook").play()   # shows it in a notebook's cell

`protocol.py` says what page and Python tell each other, `server.py` what is done against
hostile visitors.
"""

from .answers import Playground
from .notebook import Live
from .server import Server
from .static import write_site

__all__ = ["Live", "Playground", "Server", "write_site"]
