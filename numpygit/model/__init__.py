"""The model. Read it in this order: image, layers, vision, text, generate.

image.py      a picture -> pixels
layers.py     what every transformer is made of: linear, norm, attention, MLP
vision.py     pixels -> image tokens: the vision encoder
text.py       image tokens and words -> logits: the text decoder
generate.py   logits -> words, one at a time

params.py     the learned arrays              config.py   the sizes and settings
checks.py     what goes into the model, checked
variants/     what no official checkpoint uses
"""
