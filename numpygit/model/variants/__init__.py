"""What no official checkpoint uses: other activations, relative positions, other picture sizes.

activations.py          relu, silu, selu, the tanh approximation of gelu
other_sizes.py          position embeddings interpolated for pictures of another size
relative_positions.py   attention scores with relative positions
relative_text.py        the text decoder with them
choose.py               the text functions that a config asks for
"""
