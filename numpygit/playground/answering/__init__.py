"""What an answer is made of: the picture, the words, what was measured, changed models, the code."""
