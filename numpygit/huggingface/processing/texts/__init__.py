"""Parts of the tokenizer.

encode.py           texts -> ids, masks, offsets        tokenizer_files.py   its files
plain.py            the same without the package tokenizers
special_tokens.py   the vocabulary, and tokens that are no words
tokenizer_json.py   tokenizer.json, checked before it is read
"""
