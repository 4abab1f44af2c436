"""The Hugging Face Hub: downloads, uploads, and keywords of from_pretrained.

download.py   a name -> files in the Hub's cache      push.py   a folder -> the Hub
keywords.py   what every from_pretrained takes, ignores or refuses
"""

from .download import CONFIG_FILES as CONFIG_FILES
from .download import CONVERTED as CONVERTED
from .download import GENERATION_FILES as GENERATION_FILES
from .download import PICTURE_FILES as PICTURE_FILES
from .download import SMALL_FILES as SMALL_FILES
from .download import WORD_FILES as WORD_FILES
from .keywords import sort_keywords as sort_keywords
