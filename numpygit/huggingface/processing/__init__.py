"""Pictures and texts -> what a model takes, under the names of Hugging Face.

processor.py         GitProcessor: pictures and texts together
image_processor.py   CLIPImageProcessor: pictures -> pixel_values
picture_steps.py     one picture -> pixels       array_steps.py   its steps, for arrays
video.py             clip files -> frames        authors.py       the authors' preparation
tokenizer.py         the tokenizer               vocabulary.py    text <-> token ids
wordpiece.py         WordPiece in Python         encoding.py      what processors return
texts/               parts of the tokenizer
"""
