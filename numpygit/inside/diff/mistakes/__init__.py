"""The mistakes that `diff` knows, one file for each part of the model.

pictures.py       colours and scales of pixels       sizes.py       resizing and cropping
picture_ends.py   patches, positions, the last norm of the vision encoder
bridge.py         temporal embeddings, projection    text_ends.py   words, positions, head
blocks.py         a layer as a whole                 parts.py       norms, linear, activations
heads.py          queries, keys, values              attention.py   scores, softmax, heads joined
masks.py          the text decoder's mask
"""
