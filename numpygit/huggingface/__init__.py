"""The names and signatures that users of Hugging Face transformers know.

models/         GitVisionModel, GitModel, GitForCausalLM
processing/     pictures and texts -> what a model takes: GitProcessor and its parts
reading/        picture files -> pictures
pipeline/       `pipeline("image-to-text", ...)`
auto.py         the Auto classes               streamers.py    streamers, criteria, seeds
call.py         one forward call               arguments.py    its arguments, checked
outputs.py      what a call returns            loss.py         the loss of captions
pretrained.py   models <-> folders             tensors.py      params -> tensors of a file
edit_params.py  masked heads, other vocabularies
"""
