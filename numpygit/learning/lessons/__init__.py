"""What is learnt from: rows of a data set as numbers, what is kept of them, a word to teach."""
