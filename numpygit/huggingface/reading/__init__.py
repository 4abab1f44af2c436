"""Picture files, addresses and arrays -> pictures of 8-bit RGB.

options.py    how pictures are read and fitted
content.py    what a file is, by its first bytes
address.py    http, https, data URIs, open files
colours.py    greys of many bits, ICC profiles, backgrounds, arrays
apng.py       the frames of an animated PNG
mistakes.py   what goes wrong, in one sentence
lines.py      what libraries print meanwhile, held back and joined to it
"""

from .options import DEFAULT as DEFAULT
from .options import PictureOptions as PictureOptions
