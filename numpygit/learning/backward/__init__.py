"""One backward function beside each forward one: the definition, in the order of the model.

layers.py, vision.py, text.py, activations.py; model.py for the whole model
"""
