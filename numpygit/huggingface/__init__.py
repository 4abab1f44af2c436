"""The names and signatures that users of Hugging Face transformers know.

models.py       GitVisionModel, GitModel, GitForCausalLM
arguments.py    what a call was given, checked     call.py   one call
outputs.py      what a call returns                loss.py   the loss of captions
pretrained.py   models -> folders                  auto.py   the Auto classes
edit_params.py  masked heads, other vocabularies
processing/     pictures and texts -> what a model takes
"""
