"""What the tokenizer is made of.

special_tokens.py    the vocabulary, and tokens that are no words
plain.py             the same without the package tokenizers
tokenizer_json.py    tokenizer.json, checked before it is read
encode.py            texts -> ids, masks, offsets        tokenizer_files.py   its files
"""
