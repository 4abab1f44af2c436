"""Every option of `generate`.

config.py   GenerationConfig: names, defaults, files      checks.py   what cannot be
absent.py   options of transformers that GIT does not have here      kinds.py   values of files
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
from .config import load_options as load_options
from .config import noted_options as noted_options
from .config import save_options as save_options
