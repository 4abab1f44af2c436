"""Look inside a run: record it, step through it, compare it, explain it.

record.py               run a model with a trace; keep the tensors in a file
step.py                 `numpygit step`: a run tensor by tensor, in the terminal
diff/                   `numpygit diff`: the first tensor that differs, and why
explain/                `numpygit explain`: a page about one caption
debug.py                arrays in a debugger, one line each
backward.py             the gradient of every named tensor
card.py                 one tensor as lines of text
character_pictures.py   tensors as pictures of characters
source_line.py          the line of the source that computed a tensor
stops.py                where `step` stops: a name, a shape, NaN
show.py                 a picture in a notebook or as a file
takes.py                the captioner that these functions take
"""
