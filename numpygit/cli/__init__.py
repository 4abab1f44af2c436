"""The command line: `numpygit caption`, `answer`, ...; each group of commands has its file."""

from .commands import main as main
from .commands import parser as parser
