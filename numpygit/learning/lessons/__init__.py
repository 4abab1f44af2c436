"""Training examples: rows of a data set as pixels and token ids.

examples.py   rows -> examples      kept.py   what frozen layers compute, kept on disk
kite.py       pictures of a new word for storybook
"""
