"""`config.json` <-> the settings of a model.

configs.py            GitConfig, GitVisionConfig      settings.py   what both can do
picture_settings.py   preprocessor_config.json, processor_config.json
"""

from .configs import GitConfig as GitConfig
from .configs import GitVisionConfig as GitVisionConfig
from .configs import read_config as read_config
from .configs import stored as stored
