"""The three models, as users of transformers know them.

base.py         what they have in common      parts.py, matrix.py   parameters by torch's names
towers.py       GitVisionModel, GitModel      opened.py             from_pretrained
causal_lm.py    GitForCausalLM                torch_only.py         names that need torch
searches.py     greedy_search and the like    transition_scores.py  the score of each word
"""

from .causal_lm import GitForCausalLM as GitForCausalLM
from .towers import GitModel as GitModel
from .towers import GitVisionModel as GitVisionModel
