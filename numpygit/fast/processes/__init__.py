"""Processes in place of threads: a team whose members do not wait for the interpreter's lock.

shared.py     memory that they share: a barrier, and room for all-gathers
group.py      a process group: forked, told what to do, ended
pictures.py   what a group does: one picture through the vision encoder, and its prefill

Every process runs the same functions as a thread of a team (../teams.py): tensor parallelism. It is
on where `load(..., processes=True)` asks for it, and in the command; on Linux only, because the
processes are forked, so that they have the weights without a copy.
"""
