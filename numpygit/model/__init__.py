"""The model. Read it in this order: image, layers, vision, text, generate."""
