"""What answers are made of.

pictures.py    scenes and photographs -> pictures      words.py       tokens as they come
measuring.py   importance of parts of the picture      variants.py    heads or layers off
code.py        the source of the functions             takes.py       the captioner it takes
"""
