"""The live page: stickers or a photograph, words as they come, and all that led to each of them.

numpygit play                       # opens the page, answered by this machine
numpygit play --static site         # writes it as files that need no Python to be installed
numpygit.load("storybook").play()   # shows it in a notebook's cell

protocol.py   messages of page and Python   answers.py    what they ask, done
answering/    what answers are made of
server.py     the page from this machine, and what is done against hostile visitors
static.py     the page as files            notebook.py   the page in a notebook
"""

from .answers import Playground
from .notebook import Live
from .server import Server
from .static import write_site

__all__ = ["Live", "Playground", "Server", "write_site"]
