"""The same model arranged for speed. Read `model/` first, then towers.py.

towers.py      the vision encoder and the text decoder, twins of those in model/
layers.py      linear, norm, MLP for image tokens      attention.py   their attention
words.py       layers for words, a few rows at a time  products.py    products of few rows
pool.py        threads that share work                 teams.py       threads on one picture
threads.py     the threads of OpenBLAS
limits.py      cores that a process may use            memory.py      memory that it may have
"""
