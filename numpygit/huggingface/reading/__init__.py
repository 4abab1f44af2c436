"""Files -> pictures: from a path, an address, bytes, an open file.

opening.py        whatever holds a picture -> an RGB picture
options.py        how pictures are read and fitted
content.py        what a file is, by its first bytes
address.py        http, https, data URIs
apng.py           the frames of an animated PNG
held_back.py      what libraries print meanwhile
"""

from .opening import Picture as Picture
from .opening import check_picture as check_picture
from .opening import frames_of as frames_of
from .opening import is_file as is_file
from .opening import is_one_picture as is_one_picture
from .opening import open_picture as open_picture
from .options import DEFAULT as DEFAULT
from .options import PictureOptions as PictureOptions
