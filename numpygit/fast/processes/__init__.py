"""Processes in place of threads: a team whose members do not wait for the interpreter's lock.

shared.py       memory that they share: a barrier, and room for all-gathers
arena.py        arrays in shared memory that outlive a piece of work: the KV cache
group.py        a process group: forked, told what to do, ended
model_group.py  what a group does for a model: pictures, their prefill, words

Every process runs the same functions as a thread of a team (../teams.py): tensor parallelism. They
are there where `load(..., processes=True)` asks for them, and in the commands, but not with
`--workers`; on Linux and x86-64 only, 16 at most. They are forked when the model is loaded, so that
they have its weights without a copy; what else the program has in memory then, they hold too until
they end. Whatever interrupts a call ends them, and threads go on. A KV cache lies in memory that is
shared with children of the program, too. Not for a program that uses a GPU, whose other threads
compute meanwhile, or that waits for any child.
"""
