"""It learns: gradients, optimisers, fine-tuning and training in NumPy."""
