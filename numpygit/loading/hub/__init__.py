"""The Hugging Face Hub: what may be asked of it, downloads, uploads.

keywords.py   what every from_pretrained may be told, and what becomes of it
download.py   a name -> files in the Hub's cache      push.py   a folder -> the Hub
"""

from .download import CONFIG_FILES as CONFIG_FILES
from .download import CONVERTED as CONVERTED
from .download import GENERATION_FILES as GENERATION_FILES
from .download import PICTURE_FILES as PICTURE_FILES
from .download import SMALL_FILES as SMALL_FILES
from .download import WORD_FILES as WORD_FILES
from .keywords import sort_keywords as sort_keywords
