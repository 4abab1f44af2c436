"""The name of a model -> folder -> files -> config and params.

find.py              "storybook", a folder, or an id of the Hub -> a folder
hub/                 downloads, uploads, and keywords of from_pretrained
checkpoint.py        a folder -> config and params
formats/             files of weights -> tensors by name
names.py             the one table of names: tensors <-> params
config/              config.json and preprocessor_config.json <-> settings
fields/              every field of these files: its type and range
adapter.py           a PEFT adapter (LoRA), added to its base model
authors.py           configs for the authors' own model.pt
official_models.py   the 17 official checkpoints       catalogue.py     `numpygit models`
random_weights.py    params drawn at random            write_whole.py   files written atomically
pruned_heads.py      checkpoints that lack heads
"""

from .adapter import with_adapter as with_adapter
from .checkpoint import body_from as body_from
from .checkpoint import check_room as check_room
from .checkpoint import headless as headless
from .checkpoint import load as load
from .checkpoint import load_body as load_body
from .checkpoint import load_tower as load_tower
from .checkpoint import tower_from as tower_from
from .checkpoint import whole_from as whole_from
from .config import read_config as read_config
from .find import BUNDLED as BUNDLED
from .find import find as find
from .find import find_with_adapter as find_with_adapter
from .find import is_authors as is_authors
from .formats import read_json as read_json
from .formats import read_tensors as read_tensors
from .formats import weights_file as weights_file
from .formats.safetensors_file import read_safetensors as read_safetensors
from .hub import CONFIG_FILES as CONFIG_FILES
from .hub import GENERATION_FILES as GENERATION_FILES
from .hub import PICTURE_FILES as PICTURE_FILES
from .hub import SMALL_FILES as SMALL_FILES
from .hub import WORD_FILES as WORD_FILES
from .names import IGNORED as IGNORED
from .names import WORD_EMBEDDING as WORD_EMBEDDING
from .names import check_tensors as check_tensors
from .names import not_finite as not_finite
from .names import official_name as official_name
from .names import params_from as params_from
from .names import tensor_shapes as tensor_shapes
from .names import walk as walk
from .names import walk_vision as walk_vision
