"""The other program's tensors, read as ours.

foreign_names.py   its names                   layouts.py   its axes and masks
words.py           the token ids it reads      comparable.py   all three, for two runs
"""
