"""It learns: gradients, optimisers, fine-tuning and training in NumPy.

    from numpygit.learning.train import train
    train("kites/", model="storybook", output="taught")

backward/        one backward function beside each forward one: the definition
fast/            the same arranged for speed; training uses it
parameters.py    copies, names, kinds of training    weights.py    what a training moves
optimizers.py    AdamW, Muon, clipping, schedules     lora.py       LoRA, and PEFT's files
lessons/         rows of a data set -> words and pictures; what is kept; a word to teach
settings.py      every setting of a training          train.py      the loop
teacher.py       what one training has at hand        validation.py how well it goes
checkpoints.py   what it leaves on disk               curves.py     the page of a training
"""
