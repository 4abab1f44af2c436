"""The mistakes that `diff` knows, one file for each part of the model."""
