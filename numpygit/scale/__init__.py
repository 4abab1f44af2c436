"""Many pictures on many cores and machines, on engines that exist.

    each.py      pictures -> captions; a failure is a value too
    workers.py   processes of one machine that share the mapped weights: --workers
    ray.py       Ray Data: a class for `map_batches`, and --engine ray

docs/scale.md says what a million pictures cost, and how Spark, Slurm or a shell loop do it.
"""
