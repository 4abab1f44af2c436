"""What answers are made of: picture, words, what was measured, changed models, the code."""
