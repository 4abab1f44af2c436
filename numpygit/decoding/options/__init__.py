"""Every option of `generate`.

config.py   GenerationConfig: names, defaults      checks.py   wrong values, refused
kinds.py    types and ranges, from one table       files.py    generation_config.json
absent.py   options of transformers that GIT does not have here
"""

from .absent import ABSENT as ABSENT
from .absent import check_absent as check_absent
from .absent import is_neutral as is_neutral
from .absent import unknown_option as unknown_option
from .checks import as_tuple as as_tuple
from .checks import check as check
from .checks import check_ids as check_ids
from .checks import leaves as leaves
from .config import AUTHORS as AUTHORS
from .config import DEFAULT_MAX_LENGTH as DEFAULT_MAX_LENGTH
from .config import END_PADS as END_PADS
from .config import GenerationConfig as GenerationConfig
from .config import noted_options as noted_options
from .files import load_options as load_options
from .files import save_options as save_options
