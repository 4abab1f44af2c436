"""Training in NumPy: gradients, optimisers, LoRA, fine-tuning.

from numpygit.learning.train import train
train("kites/", model="storybook", output="taught")

train.py         the loop                            settings.py     its settings
teacher.py       one training: its data and batches  validation.py   how well it goes
backward/        one backward function beside each forward one: the definition
fast/            the same arranged for speed; training uses it
parameters.py    which parameters are trained        weights.py      the arrays that change
optimizers.py    AdamW, Muon, clipping, schedules    lora.py         LoRA, and PEFT's files
lessons/         rows of a data set -> training examples
checkpoints.py   what is saved                       curves.py       its log and its curves
"""
