"""The three models, as users of transformers know them.

base.py         what they have in common: `to`, `state_dict`, resizing, saving
towers.py       GitVisionModel, GitModel      causal_lm.py    GitForCausalLM
opened.py       from_pretrained               parts.py        parameters by torch's names
searches.py     greedy_search and the like    matrix.py       one embedding or linear layer
torch_only.py   names that need torch         transition_scores.py  scores of generated tokens
"""

from .causal_lm import GitForCausalLM as GitForCausalLM
from .towers import GitModel as GitModel
from .towers import GitVisionModel as GitVisionModel
