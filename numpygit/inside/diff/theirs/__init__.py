"""The other program's tensors, read as ours: its names, its layouts, the words that it reads."""
