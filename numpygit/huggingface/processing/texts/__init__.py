"""What the tokenizer is made of.

special_tokens.py    the vocabulary, and tokens that are no words
encode.py            texts -> ids, masks, offsets        tokenizer_files.py   its files
"""
