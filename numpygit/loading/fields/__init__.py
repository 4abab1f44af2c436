"""Every field of every JSON file of a checkpoint: its type and its range.

`checked` compares a file with its table, so that a number that makes no sense is refused before
any work, with the name of the file and the field. Fields that no table has are left as they are:
files carry many that GIT does not use.

    tables.py   one table for each file      kinds.py   whole numbers, flags, texts, lists, objects
    check.py    a file against its table
"""

from .check import brief as brief
from .check import check_depth as check_depth
from .check import check_name as check_name
from .check import checked as checked
from .check import misfit as misfit
from .kinds import Either as Either
from .kinds import Flag as Flag
from .kinds import Kind as Kind
from .kinds import ListOf as ListOf
from .kinds import MisfitError as MisfitError
from .kinds import Null as Null
from .kinds import Number as Number
from .kinds import Object as Object
from .kinds import Row as Row
from .kinds import Text as Text
from .kinds import Whole as Whole
from .kinds import either as either
from .tables import ADAPTER as ADAPTER
from .tables import ADDED_TOKEN as ADDED_TOKEN
from .tables import CONFIG as CONFIG
from .tables import GENERATION as GENERATION
from .tables import MOST_BEAMS as MOST_BEAMS
from .tables import MOST_PATCHES as MOST_PATCHES
from .tables import PREPROCESSOR as PREPROCESSOR
from .tables import PROCESSOR as PROCESSOR
from .tables import TOKENIZER as TOKENIZER
from .tables import VISION as VISION
from .tables import Table as Table
